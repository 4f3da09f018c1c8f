"""The run folder: opening, environment, metrics, summary; missing, damaged and used folders."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest

import lrdqn
from lrdqn.config import InputError
from lrdqn.runner import folder, provenance
from lrdqn.runner.folder import (
    MetricsLog,
    check_free,
    open_run,
    read_summary,
    write_environment,
    write_resolved,
    write_summary,
)
from lrdqn.runner.provenance import PACKAGES, source_commit

ROOT = Path(__file__).resolve().parents[2]
SUMMARY = {"policies": {"learned": {}}, "differences": {}, "score": float("nan")}


def test_open_run_creates_parents_and_expands_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = open_run("~/runs/a")
    assert folder == tmp_path / "runs" / "a"
    assert folder.is_dir()
    assert open_run(folder) == folder  # an empty folder is as good as a new one


@pytest.mark.parametrize("name", ["metrics.jsonl", "summary.json", "checkpoints"])
def test_open_run_refuses_a_used_folder(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(
        InputError, match=rf"{re.escape(str(tmp_path))}: holds a run already \({re.escape(name)}\)"
    ):
        check_free(open_run(tmp_path))


def test_open_run_refuses_a_file_and_a_read_only_folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InputError, match=r"file/run: cannot be made a run folder \(Not a directory\)"
    ):
        open_run(tmp_path / "file" / "run")
    monkeypatch.setattr(
        folder.os, "access", lambda path, mode: False
    )  # root passes every real permission check
    with pytest.raises(InputError, match="not writable"):
        open_run(tmp_path / "b")


def test_environment_says_what_is_needed_to_run_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
    monkeypatch.setenv("MY_SECRET_TOKEN", "hush")
    monkeypatch.setattr(sys, "argv", ["lrdqn", "train", "env=live"])
    write_environment(tmp_path)
    text = (tmp_path / "env.json").read_text()
    env = json.loads(text)
    assert env["lrdqn"] == lrdqn.__version__
    assert env["python"] == ".".join(map(str, sys.version_info[:3]))
    assert env["packages"]["jax"] == jax.__version__
    assert env["packages"]["numpy"] == np.__version__
    assert len(env["devices"]) == jax.device_count()
    assert env["devices"][0]["platform"] == jax.devices()[0].platform
    assert env["cpu_count"] == os.cpu_count()
    assert env["variables"]["XLA_FLAGS"] == os.environ["XLA_FLAGS"]
    assert env["argv"] == ["lrdqn", "train", "env=live"]
    assert set(env["git"]) == {"commit", "dirty"}
    assert "hush" not in text


def test_every_base_dependency_is_recorded():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.match(r"[\w-]+", line).group() for line in declared} <= set(PACKAGES)


def git(folder, *words):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *identity, *words],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env=clean,
    )
    return done.stdout.strip()


def test_source_commit_of_a_checkout(tmp_path, monkeypatch):
    assert source_commit(tmp_path) == {"commit": None, "dirty": None}
    git(tmp_path, "init", "-q")
    assert source_commit(tmp_path) == {"commit": None, "dirty": False}  # no commit yet
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert source_commit(tmp_path) == {"commit": head, "dirty": False}
    (tmp_path / "code.py").write_text("2\n")
    assert source_commit(tmp_path) == {"commit": head, "dirty": True}
    # a package installed below somebody's repository is not that repository
    (tmp_path / "site-packages").mkdir()
    assert source_commit(tmp_path / "site-packages") == {"commit": None, "dirty": None}
    # nor does a hook's GIT_DIR answer for another folder
    other = tmp_path.parent / f"{tmp_path.name}-other"
    other.mkdir()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert source_commit(other) == {"commit": None, "dirty": None}


@pytest.mark.parametrize("failure", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 1)])
def test_absent_or_hanging_git_is_null(tmp_path, monkeypatch, failure):
    def fail(*args, **kwargs):
        assert kwargs["timeout"] > 0
        raise failure

    monkeypatch.setattr(provenance.subprocess, "run", fail)
    assert source_commit(tmp_path) == {"commit": None, "dirty": None}


def test_resolved_config_is_kept_as_it_is(tmp_path):
    write_resolved(tmp_path, "train:\n  seed: 0\n")
    assert (tmp_path / "resolved.yaml").read_text() == "train:\n  seed: 0\n"


def test_metrics_come_back_and_each_is_on_disk_at_once(tmp_path):
    log = MetricsLog(tmp_path)
    log.append(())
    assert log.rows() == []
    log.append(
        [{"env_steps": 0, "return": float("nan")}, {"env_steps": 2**40, "return": np.float32(0.5)}]
    )
    # another reader sees it while the log is in use
    assert MetricsLog(tmp_path).rows() == [
        {"env_steps": 0, "return": None},
        {"env_steps": 2**40, "return": 0.5},
    ]
    log.append({"seed": i} for i in range(2))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == log.rows()
    assert len(lines) == 4


def test_a_killed_runs_half_line_is_dropped_but_damage_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n{"a"')
    assert MetricsLog(tmp_path).rows() == [{"a": 1}, {"a": 2}]
    path.write_text('{"a": 1}\n{"a"\n{"a": 3}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl: line 2 is damaged"):
        MetricsLog(tmp_path).rows()
    path.write_text("[1]\n")
    with pytest.raises(InputError, match=r"line 1 is damaged \(it is not an object\)"):
        MetricsLog(tmp_path).rows()
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(InputError, match="is damaged"):
        MetricsLog(tmp_path).rows()
    path.unlink()
    with pytest.raises(InputError, match=r"metrics\.jsonl: cannot be read \(No such file"):
        MetricsLog(tmp_path).rows()


def test_metrics_that_cannot_be_written_are_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"metrics\.jsonl: cannot be written \(No such file"):
        MetricsLog(tmp_path / "no").append(())


def test_summary_round_trip(tmp_path):
    write_summary(tmp_path, SUMMARY)
    assert read_summary(tmp_path) == {"policies": {"learned": {}}, "differences": {}, "score": None}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"no summary\.json there; the run has not finished"),
        ('{"policies": ', r"summary\.json is damaged \(Expecting value"),
        ("[]", r"summary\.json is damaged \(it has no block 'policies'\)"),
        ('{"policies": {}}', r"summary\.json is damaged \(it has no block 'differences'\)"),
    ],
)
def test_missing_or_damaged_summary_names_the_folder(tmp_path, content, words):
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(InputError, match=f"^run={re.escape(str(tmp_path))}: {words}") as caught:
        read_summary(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"run=.*/nowhere: no such folder"):
        read_summary(tmp_path / "nowhere")
    (tmp_path / "summary.json").mkdir()
    with pytest.raises(InputError, match=r"summary\.json cannot be read \(Is a directory\)"):
        read_summary(tmp_path)
