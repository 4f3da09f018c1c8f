"""A run that is stopped, killed, damaged or extended resumes exactly, or says in one line why it
does not."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runner.runs import config, play, values

from lrdqn.config import InputError
from lrdqn.runner import experiment
from lrdqn.runner import run as run_module
from lrdqn.runner.checkpoint import saved_steps
from lrdqn.runner.compile import Programs
from lrdqn.runner.folder import MetricsLog, held
from lrdqn.runner.resume import changed_keys, clear_for, is_finished, with_period
from lrdqn.runner.signals import StopRequest


def rows_of(folder: Path) -> list[dict[str, Any]]:
    rows = MetricsLog(folder).rows()
    for row in rows:
        del row["seconds"]
    return rows


class StopAfter:
    """Stop request that comes at a given chunk boundary."""

    def __init__(self, boundaries: int) -> None:
        self.left = boundaries

    @property
    def asked(self) -> bool:
        self.left -= 1
        return self.left < 0


def stopped(folder: Path, boundaries: int, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Run until a stop request after some chunks."""

    class Request(StopRequest):
        def __enter__(self) -> Any:
            return StopAfter(boundaries)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "StopRequest", Request)
        assert play(folder, **changes) is None


@pytest.fixture(scope="module", autouse=True)
def compiled_once() -> Iterator[None]:
    """Let runs of one configuration share their programs, whatever they resume; that programs
    compiled anew give the same numbers is tested by tests/test_kill_resume.py."""
    compile_parts, known = experiment.Experiment.compile, {}

    def compiled(self: experiment.Experiment) -> Programs:
        key = dataclasses.replace(self.config, resume=None)
        if key not in known:
            known[key] = compile_parts(self)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment.Experiment, "compile", compiled)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a run without interruption."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    summary = play(folder)
    assert summary is not None
    return folder, summary


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same run, stopped after two chunks of four."""
    folder = tmp_path_factory.mktemp("half") / "run"
    with pytest.MonkeyPatch.context() as patch:
        stopped(folder, 2, patch)
    return folder


@pytest.fixture
def stump(half: Path, tmp_path: Path) -> Path:
    """Return a copy of the stopped run."""
    return shutil.copytree(half, tmp_path / "stump")


def test_a_stopped_run_ends_as_an_untouched_one(
    stump: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    folder, expected = whole
    assert not (stump / "summary.json").exists()
    assert saved_steps(stump) == [512, 256]
    summary = play(stump, resume="auto")
    assert summary is not None
    for key in ("policies", "differences", "score", "env_steps", "nonfinite"):
        assert summary[key] == expected[key]
    assert rows_of(stump) == rows_of(folder)
    assert (summary["resumed"], summary["exact"]) == ((512,), True)
    assert summary["seconds"] > summary["train_seconds"] > 0
    assert json.loads((stump / "env-512.json").read_text())["packages"]


def test_rows_after_the_checkpoint_are_played_again_not_doubled(
    stump: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    log = MetricsLog(stump)
    row = log.rows()[-1] | {"env_steps": 768, "return": -99.0}
    log.append([row, row])
    with open(log.path, "a") as file:
        file.write('{"half a row')
    play(stump, resume=str(stump))
    assert rows_of(stump) == rows_of(whole[0])


def test_a_finished_run_is_shown_again_and_can_be_extended(
    whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder = shutil.copytree(whole[0], tmp_path / "run")
    lines: list[str] = []
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    again = play(folder, lines, resume="auto")
    assert again is not None
    assert again["policies"] == whole[1]["policies"]
    assert "finished already" in lines[0]
    assert before == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    longer = play(folder, resume="auto", train={"env_steps": 1536})
    assert longer is not None
    assert longer["env_steps"] == 1536
    assert sorted({row["env_steps"] for row in rows_of(folder)}) == [
        0,
        256,
        512,
        768,
        1024,
        1280,
        1536,
    ]
    assert is_finished(folder, 1536)
    assert json.loads((folder / "summary-1024-1.json").read_text())["env_steps"] == 1024
    assert longer["exact"] is False, "beta anneals over the length of the run"
    with pytest.raises(
        InputError, match=r"train\.env_steps=1024: the run in .* stands at 1536 already"
    ):
        play(folder, resume="auto")
    assert with_period(config(train={"eval_period": None}), 512).train.eval_period == 512
    with pytest.raises(
        InputError,
        match=r"train\.env_steps=1600: must be a multiple of .* 256; nearest: 1536 or 1792",
    ):
        with_period(config(train={"env_steps": 1600, "eval_period": None}), 256)


def test_a_changed_configuration_is_refused_by_key(stump: Path) -> None:
    before = sorted(p for p in stump.rglob("*"))
    words = (
        r"another configuration: agent\.gamma=0\.5 \(was 0\.9\), replay\.capacity=256 \(was 512\)$"
    )
    with pytest.raises(InputError, match=words):
        play(stump, resume="auto", agent={"gamma": 0.5}, replay={"capacity": 256})
    with pytest.raises(InputError, match=r"holds a run already .*resume=auto continues it"):
        play(stump)
    assert sorted(p for p in stump.rglob("*")) == before


def test_what_may_change_and_what_may_not() -> None:
    saved = values()
    now = values(
        train={"env_steps": 1 << 40}, resume="auto", checkpoint={"keep": 5}, debug={"mode": "nan"}
    )
    assert changed_keys(saved, now) == {}
    for section, key, value in (
        ("train", "seeds", 3),
        ("runtime", "prng", "rbg"),
        ("env", "probe", "value"),
        ("train", "seed", 1),
    ):
        assert list(changed_keys(saved, values(**{section: {key: value}}))) == [f"{section}.{key}"]
    assert changed_keys({"old": {"key": 1}}, {}) == {"old.key": (1, None)}


def damage(folder: Path, step: int) -> None:
    """Truncate the largest file of a checkpoint."""
    files = [p for p in (folder / "checkpoints" / str(step) / "state").rglob("*") if p.is_file()]
    largest = max(files, key=lambda p: p.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)


def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(
    stump: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    damage(stump, 512)
    lines: list[str] = []
    summary = play(stump, lines, resume="auto")
    assert summary is not None
    assert "checkpoints/512 is damaged" in lines[0]
    assert "going on from the one before" in lines[0]
    assert (stump / "damaged" / "512" / "state").is_dir()
    assert summary["resumed"] == (256,)
    assert summary["policies"] == whole[1]["policies"]
    assert rows_of(stump) == rows_of(whole[0])


def test_what_cannot_be_continued_is_said_and_left_alone(stump: Path) -> None:
    for step in (256, 512):
        damage(stump, step)
    with pytest.raises(
        InputError, match=r"checkpoints/512 is damaged .*; no other checkpoint is left"
    ):
        play(stump, resume="auto")
    assert saved_steps(stump) == [512, 256]
    shutil.rmtree(stump / "checkpoints")
    with pytest.raises(InputError, match="no finished checkpoint there; resume=auto starts afresh"):
        play(stump, resume=str(stump))


def test_a_checkpoint_killed_before_its_checksums_is_unfinished(
    stump: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    (stump / "checkpoints" / "512" / "sha256.json").unlink()
    summary = play(stump, resume="auto")
    assert summary is not None
    assert summary["resumed"] == (256,)
    assert (stump / "damaged" / "512" / "state").is_dir()
    assert summary["policies"] == whole[1]["policies"]


def test_other_worlds_are_refused_and_other_devices_said(
    stump: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "digest", lambda tree: "another")
        with pytest.raises(InputError, match="was trained in other worlds"):
            play(stump, resume="auto")
    describe = run_module.describe
    monkeypatch.setattr(
        run_module, "describe", lambda sharding: describe(sharding) | {"kind": "H100"}
    )
    summary = play(stump, resume="auto")
    assert summary is not None
    assert "resume is not bit-exact: kind is H100, was cpu" in capsys.readouterr().out
    assert summary["exact"] is False


def test_missing_rows_are_noticed(stump: Path) -> None:
    path = stump / "metrics.jsonl"
    os.truncate(path, path.stat().st_size - 10)
    with pytest.raises(
        InputError, match=r"metrics\.jsonl: holds \d+ bytes, the checkpoint was made with \d+"
    ):
        play(stump, resume="auto")


def test_deleted_checkpoints_start_the_run_afresh_and_keep_its_rows(
    stump: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    rows = (stump / "metrics.jsonl").read_bytes()
    shutil.rmtree(stump / "checkpoints")
    summary = play(stump, resume="auto")
    assert summary is not None
    assert summary["policies"] == whole[1]["policies"]
    assert (stump / "metrics-before-1.jsonl").read_bytes() == rows
    assert rows_of(stump) == rows_of(whole[0])
    (stump / "metrics.jsonl").write_bytes(rows)
    clear_for(stump, None)
    assert (stump / "metrics-before-2.jsonl").read_bytes() == rows


@pytest.mark.slow
def test_without_replay_a_resumed_run_says_that_it_is_inexact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], half: Path
) -> None:
    folder = tmp_path / "run"
    stopped(folder, 2, monkeypatch, checkpoint={"replay": False})

    def size(of: Path) -> int:
        return sum(p.stat().st_size for p in (of / "checkpoints" / "512").rglob("*"))

    assert size(folder) < size(half)
    capsys.readouterr()
    summary = play(folder, resume="auto", checkpoint={"replay": False})
    assert summary is not None
    assert (
        "resume is not bit-exact: replay was not saved and is filled afresh by warm-up"
        in capsys.readouterr().out
    )
    assert summary["exact"] is False
    assert summary["env_steps"] == 1024


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from lrdqn.runner.folder import "
        f"held\nwith held(Path({str(tmp_path)!r})): print('in')"
    )
    with held(tmp_path):
        other = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
        assert "another process is training in it" in other.stderr
        with pytest.raises(InputError, match="another process is training in it"):
            play(tmp_path, resume="auto")
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, timeout=60, check=True
        ).stdout
        == b"in\n"
    )


@pytest.mark.slow
def test_counters_pass_two_to_the_thirty_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is moved to 256 steps before the edge; schedules, rows, checkpoints and the summary
    go over it."""
    edge, folder = 2**31, tmp_path / "run"
    stopped(folder, 1, monkeypatch, train={"env_steps": edge + 256})
    os.rename(folder / "checkpoints" / "256", folder / "checkpoints" / str(edge - 256))
    summary = play(folder, resume="auto", train={"env_steps": edge + 256})
    assert summary is not None
    assert summary["env_steps"] == edge + 256
    rows = [row for row in rows_of(folder) if row["env_steps"] > 256]
    assert sorted({row["env_steps"] for row in rows}) == [edge, edge + 256]
    assert all(row["epsilon"] == pytest.approx(0.05) and row["nonfinite"] == 0 for row in rows)
    assert np.isfinite([row["loss"] for row in rows]).all()
    assert saved_steps(folder) == [edge + 256, edge]


def test_a_full_disk_is_one_line_and_the_last_checkpoint_stays(
    stump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk refuses the checkpoint after the next chunk; with room again the run goes on."""
    import orbax.checkpoint as ocp

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ocp.CheckpointManager, "save", full)
        with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
            play(stump, resume="auto")
    assert saved_steps(stump) == [512, 256]
    assert play(stump, resume="auto") is not None
