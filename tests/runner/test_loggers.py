"""TensorBoard and W&B: contents of their files, resumes without doubles or gaps, missing packages,
loggers that fail."""

import json
import os
import re
import signal
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from lrdqn.config import InputError
from lrdqn.config.logger import LoggerConfig, TensorboardConfig, WandbConfig
from lrdqn.runner import loggers
from lrdqn.runner.folder import MetricsLog
from lrdqn.runner.loggers import (
    NULL,
    Logger,
    check_loggers,
    enabled,
    fan_out,
    final_scalars,
    open_loggers,
    scalars,
)

BIG = 2**33
"""Env steps beyond 32 bits."""

POINT = "learned[gamma=0.9,learning_rate=0.0003]"
SETTINGS = {
    "agent": {"gamma": 0.9, "name": "dqn", "none": None},
    "network": {"hidden": (64, 32)},
    "train": {"myopic": True},
}
SUMMARY = {
    "policies": {
        POINT: {"return": {"mean": 9.5, "ci_low": 9.0, "ci_high": 10.25, "per_seed": [9.0, 10.0]}},
        "random": {
            "return": {"mean": 2.0, "ci_low": None, "ci_high": float("nan"), "per_seed": [2.0]}
        },
    },
    "differences": {
        "random": {"return": {"mean": 7.5, "ci_low": 7.0, "ci_high": 8.0, "per_seed": [7.0, 8.0]}}
    },
    "score": 9.5,
    "seeds": 2,
    "env_steps": 4 * BIG,
}


def evaluation(step, shift=0.0):
    """Return the rows of two seeds of two policies."""
    return [
        {
            "seed": seed,
            "policy": policy,
            "agent.gamma": 0.9,
            "agent.learning_rate": 3e-4,
            "env_steps": step,
            "seconds": step / 100,
            "return": shift + seed + bonus,
            "valid": seed == 0,
            "loss": None if policy == "myopic" else float("nan") if seed else 0.5,
            "note": "text",
        }
        for seed in (0, 1)
        for policy, bonus in ((POINT, 4.0), ("myopic", 1.0))
    ]


EXPECTED = {
    f"return/{POINT}": 4.5,
    f"return/{POINT}/seed0": 4.0,
    f"return/{POINT}/seed1": 5.0,
    "return/myopic": 1.5,
    "return/myopic/seed0": 1.0,
    "return/myopic/seed1": 2.0,
    f"valid/{POINT}": 0.5,
    f"valid/{POINT}/seed0": 1.0,
    f"valid/{POINT}/seed1": 0.0,
    "valid/myopic": 0.5,
    "valid/myopic/seed0": 1.0,
    "valid/myopic/seed1": 0.0,
    f"loss/{POINT}": 0.5,
    f"loss/{POINT}/seed0": 0.5,
}
"""What ``evaluation`` amounts to, without ``seconds``."""

FINAL = {
    "score": 9.5,
    f"final/return/{POINT}": 9.5,
    f"final/return/{POINT}/ci_low": 9.0,
    f"final/return/{POINT}/ci_high": 10.25,
    "final/return/random": 2.0,
    "difference/return/random": 7.5,
    "difference/return/random/ci_low": 7.0,
    "difference/return/random/ci_high": 8.0,
}


def to_tensorboard(**given):
    return LoggerConfig(tensorboard=TensorboardConfig(enabled=True, **given))


def logged(logger, log, *steps, shift=0.0):
    """Log as a run does at each evaluation."""
    for step in steps:
        log.append(evaluation(step, shift))
        logger.rows(evaluation(step, shift))


def test_numbers_of_one_evaluation():
    assert scalars(evaluation(200)) == EXPECTED | {"seconds": 2.0}
    odd = [
        {
            "seed": 0,
            "policy": "a",
            "env_steps": 1,
            "x": np.float32(0.5),
            "n": np.int64(3),
            "inf": float("inf"),
            "seconds": None,
        }
    ]
    assert scalars(odd) == {"x/a": 0.5, "x/a/seed0": 0.5, "n/a": 3.0, "n/a/seed0": 3.0}
    assert final_scalars(SUMMARY) == FINAL
    assert final_scalars({"score": None}) == {}


def test_loggers_that_are_off_need_nothing_and_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(loggers.importlib.util, "find_spec", lambda name: None)
    off = LoggerConfig(wandb=WandbConfig(enabled=True, mode="disabled"))
    for config in (LoggerConfig(), off):
        check_loggers(config)
        assert enabled(config) == []
        logger = open_loggers(config, tmp_path, SETTINGS, None)
        logger.rows(evaluation(0))
        logger.summary(SUMMARY)
        logger.close()
    NULL.rows(evaluation(0))
    NULL.summary(SUMMARY)
    NULL.close()
    assert os.listdir(tmp_path) == []


def test_a_missing_package_is_named_before_anything_is_imported(monkeypatch):
    monkeypatch.setattr(loggers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        InputError,
        match=r"^logger=tensorboard: needs tensorboardX; pip install 'lrdqn\[tensorboard\]'$",
    ):
        check_loggers(to_tensorboard())
    with pytest.raises(
        InputError, match=r"^logger=wandb: needs wandb; pip install 'lrdqn\[wandb\]'$"
    ):
        check_loggers(LoggerConfig(wandb=WandbConfig(enabled=True)))


def test_a_folder_called_wandb_does_not_pass_for_the_package(tmp_path, monkeypatch):
    (tmp_path / "wandb").mkdir()
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert loggers.importlib.util.find_spec("wandb") is not None
    with pytest.raises(InputError, match="needs wandb"):
        check_loggers(LoggerConfig(wandb=WandbConfig(enabled=True)))


def test_a_logger_that_breaks_is_off_after_one_line_and_the_others_go_on(capsys):
    calls = []

    def broken(rows):
        calls.append("broken rows")
        raise OSError(28, "No space\nleft")

    def record(name):
        return lambda *given: calls.append(f"{name} {given}")

    bad = Logger(broken, record("broken summary"), record("broken close"))
    good = Logger(record("rows"), record("summary"), record("close"))
    logger = fan_out({"bad": bad, "good": good})
    logger.rows([])
    assert calls == ["broken rows", "broken close ()", "rows ([],)"]
    assert (
        capsys.readouterr().err
        == "logger=bad: off, metrics.jsonl goes on ([Errno 28] No space left)\n"
    )
    calls.clear()
    logger.rows([])
    logger.summary({})
    logger.close()
    assert calls == ["rows ([],)", "summary ({},)", "close ()"]
    assert capsys.readouterr().err == ""


def test_ctrl_c_inside_a_logger_is_not_swallowed():
    def interrupted(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fan_out({"x": NULL._replace(rows=interrupted)}).rows([])


@pytest.fixture
def tensorboard():
    """Read a run folder's event files as TensorBoard does; return ``{tag: [(step, value)]}`` and
    the accumulator."""
    pytest.importorskip("tensorboardX", reason="event files are written with tensorboardX")
    reading = "tensorboard.backend.event_processing"
    alone = pytest.importorskip(
        f"{reading}.event_accumulator", reason="event files are read back with tensorboard"
    )
    served = pytest.importorskip(
        f"{reading}.plugin_event_accumulator", reason="event files are read back with tensorboard"
    )

    def read(folder):
        where = str(folder / "tensorboard")
        events = alone.EventAccumulator(where, size_guidance={"scalars": 0}).Reload()
        found = {
            tag: [(e.step, e.value) for e in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
        }
        # the server's own reader follows other rules about what is purged
        server = served.EventAccumulator(where, tensor_size_guidance={"scalars": 0}).Reload()
        for tag, points in found.items():
            assert [(e.step, e.tensor_proto.float_val[0]) for e in server.Tensors(tag)] == points
        assert found.keys() == {
            tag for tag in server.Tags()["tensors"] if not tag.startswith("_hparams_/")
        }
        return found, events

    return read


def test_tensorboard_reads_what_was_logged(tmp_path, tensorboard):
    logger = open_loggers(to_tensorboard(), tmp_path, SETTINGS, None)
    logged(logger, MetricsLog(tmp_path), 0, BIG, 4 * BIG)
    logger.summary(SUMMARY)
    logger.close()
    found, events = tensorboard(tmp_path)
    expected = {
        tag: [(step, value) for step in (0, BIG, 4 * BIG)] for tag, value in EXPECTED.items()
    }
    expected["seconds"] = [(step, step / 100) for step in (0, BIG, 4 * BIG)]
    expected |= {tag: [(4 * BIG, value)] for tag, value in FINAL.items()}
    assert found.keys() == expected.keys()
    for tag, points in expected.items():
        assert [step for step, _ in found[tag]] == [step for step, _ in points]
        np.testing.assert_allclose(
            [x for _, x in found[tag]], [x for _, x in points], rtol=1e-6, err_msg=tag
        )
    from tensorboard.plugins.hparams import plugin_data_pb2

    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    hparams = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert {key: value.WhichOneof("kind") for key, value in hparams.items()} == {
        "agent.gamma": "number_value",
        "agent.name": "string_value",
        "network.hidden": "string_value",
        "train.myopic": "bool_value",
    }
    assert hparams["agent.gamma"].number_value == 0.9
    assert hparams["network.hidden"].string_value == "[64, 32]"
    content = events.summary_metadata["_hparams_/experiment"].plugin_data.content
    metrics = plugin_data_pb2.HParamsPluginData.FromString(content).experiment.metric_infos
    assert {metric.name.tag for metric in metrics} == {
        "score",
        f"final/return/{POINT}",
        "final/return/random",
    }


def test_a_resumed_run_has_no_point_twice_and_none_of_the_lost_sitting(tmp_path, tensorboard):
    log = MetricsLog(tmp_path)
    for resumed_at, steps in (
        (None, (0, 100, 200, 300)),
        (100, (200, 300, 400)),
        (300, (400, 500)),
    ):
        logger = open_loggers(to_tensorboard(), tmp_path, SETTINGS, resumed_at)
        logged(logger, log, *steps, shift=1000.0 * (resumed_at or 0))
        logger.close()
    found, _ = tensorboard(tmp_path)
    start = {0: 4.5, 100: 4.5, 200: 100_004.5, 300: 100_004.5, 400: 300_004.5, 500: 300_004.5}
    assert found[f"return/{POINT}"] == list(start.items())
    assert [step for step, _ in found["seconds"]] == list(start)
    files = sorted((tmp_path / "tensorboard").iterdir())
    assert [file.name.split(".")[3] for file in files] == ["0000000000", "0000000001", "0000000002"]
    # whichever files are left, a new one comes last
    files[0].unlink()
    open_loggers(to_tensorboard(), tmp_path, SETTINGS, 500).close()
    assert (
        sorted(file.name.split(".")[3] for file in (tmp_path / "tensorboard").iterdir())[-1]
        == "0000000003"
    )


def test_a_killed_sitting_s_torn_file_hides_nothing_that_comes_after(tmp_path, tensorboard):
    logger = open_loggers(to_tensorboard(), tmp_path, SETTINGS, None)
    logged(logger, MetricsLog(tmp_path), 0, 100, 200)
    logger.close()
    (torn,) = (tmp_path / "tensorboard").iterdir()
    os.truncate(torn, torn.stat().st_size - 5)
    logger = open_loggers(to_tensorboard(), tmp_path, SETTINGS, 100)
    logged(logger, MetricsLog(tmp_path), 200)
    logger.close()
    assert [step for step, _ in tensorboard(tmp_path)[0]["return/myopic"]] == [0, 100, 200]


def test_a_fresh_start_in_the_folder_of_a_run_killed_early_purges_it_all(tmp_path, tensorboard):
    for shift in (0.0, 100.0):
        logger = open_loggers(to_tensorboard(), tmp_path, SETTINGS, None)
        logged(logger, MetricsLog(tmp_path), 0, 100, shift=shift)
        logger.close()
    assert tensorboard(tmp_path)[0]["return/myopic"] == [(0, 101.5), (100, 101.5)]


def test_tensorboard_turned_on_at_a_resume_gets_the_rows_before(tmp_path, tensorboard):
    log = MetricsLog(tmp_path)
    logged(NULL, log, 0, 100, 200, 300)
    with open(log.path, "a") as file:
        file.write('{"torn')  # by the kill
    logger = open_loggers(to_tensorboard(), tmp_path, SETTINGS, 100)
    logger.rows(evaluation(200, 50.0))
    logger.close()
    assert tensorboard(tmp_path)[0]["return/myopic"] == [(0, 1.5), (100, 1.5), (200, 51.5)]


def test_rows_are_on_disk_after_flush_seconds(tmp_path, tensorboard, monkeypatch):
    now = [50.0]
    monkeypatch.setattr(loggers.time, "monotonic", lambda: now[0])
    logger = open_loggers(to_tensorboard(flush_seconds=7), tmp_path, SETTINGS, None)
    seen = []
    for now[0], step in ((100.0, 0), (106.9, 1), (107.0, 2), (113.0, 3)):
        logger.rows(evaluation(step)[:1])
        seen.append([step for step, _ in tensorboard(tmp_path)[0].get("seconds", [])])
    logger.close()
    assert seen == [[0], [0], [0, 1, 2], [0, 1, 2]]
    assert [step for step, _ in tensorboard(tmp_path)[0]["seconds"]] == [0, 1, 2, 3]


def test_a_disk_that_is_full_refuses_a_fresh_run_only(tmp_path, tensorboard, monkeypatch, capsys):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full to stand for a full disk")
    import tensorboardX.record_writer

    log, refused = MetricsLog(tmp_path), "[Errno 28] No space left on device"
    open_before = tensorboardX.record_writer.open_file
    monkeypatch.setattr(
        tensorboardX.record_writer, "open_file", lambda path: open_before("/dev/full")
    )
    with pytest.raises(
        InputError, match=f"^{re.escape(f'logger=tensorboard: cannot be opened ({refused})')}$"
    ):
        open_loggers(to_tensorboard(), tmp_path, SETTINGS, None)
    logged(NULL, log, 0)
    logger = open_loggers(to_tensorboard(), tmp_path, SETTINGS, 100)  # what runs already goes on
    assert (
        capsys.readouterr().err == f"logger=tensorboard: off, metrics.jsonl goes on ({refused})\n"
    )
    logged(logger, log, 100)
    logger.close()
    assert capsys.readouterr().err == ""


def test_a_disk_that_fills_up_does_not_stop_the_run(tmp_path, tensorboard, monkeypatch, capsys):
    logger = open_loggers(to_tensorboard(), tmp_path, SETTINGS, None)

    def full(fd):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        logger.rows(evaluation(100))
    logger.rows(evaluation(200))
    logger.summary(SUMMARY)
    logger.close()
    assert (
        capsys.readouterr().err
        == "logger=tensorboard: off, metrics.jsonl goes on ([Errno 28] No space left on device)\n"
    )
    assert [step for step, _ in tensorboard(tmp_path)[0]["seconds"]] == [100]


def records(path):
    """Yield the records of a ``.wandb`` file: a seven-byte header, then LevelDB's log format in
    blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # full, last
            yield Record.FromString(whole)
            whole = b""


def items(part):
    """Return the keys and values of a history or summary record."""
    return {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in part}


@pytest.fixture
def attempt(tmp_path):
    """Return a function that runs one attempt of a run with W&B in a process of its own, as W&B
    keeps helper processes alive; no account, no network."""
    pytest.importorskip("wandb", reason="the W&B logger needs wandb")
    here = Path(__file__)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    clean |= {
        "HOME": str(tmp_path),
        "WANDB_BASE_URL": "http://127.0.0.1:9",
        "PYTHONPATH": str(here.parents[2]),
    }

    def play(code, mode="offline"):
        text = (
            "import sys, os, signal; from pathlib import Path; "
            f"sys.path.insert(0, {str(here.parent)!r})\n"
            f"from {here.stem} import *\n"
            f"folder, log = Path({str(tmp_path / 'run')!r}), "
            f"MetricsLog({str(tmp_path / 'run')!r})\n"
            "config = LoggerConfig(wandb=WandbConfig(enabled=True, "
            f"mode={mode!r}, group='g'))\n{code}"
        )
        return subprocess.run(
            [sys.executable, "-c", text],
            env=clean,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    (tmp_path / "run").mkdir()
    return play


def offline_file(folder):
    """Return the one offline run of a run folder."""
    (path,) = (folder / "wandb").glob("offline-run-*/*.wandb")
    return path


def test_wandb_offline_holds_rows_summary_and_config(tmp_path, attempt):
    done = attempt(
        "logger = open_loggers(config, folder, SETTINGS, None)\n"
        "logged(logger, log, 0, BIG, 4 * BIG)\n"
        "logger.summary(SUMMARY)\n"
        "logger.close()\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = list(records(offline_file(tmp_path / "run")))
    rows = [items(r.history.item) for r in found if r.HasField("history")]
    assert [row["_step"] for row in rows] == [0, BIG, 4 * BIG]
    for row in rows:
        expected = EXPECTED | {"seconds": row["_step"] / 100}
        assert {key: value for key, value in row.items() if not key.startswith("_")} == expected
    summary = {}
    for r in found:
        if r.HasField("summary"):
            summary |= items(r.summary.update)
    assert {key: summary[key] for key in FINAL} == FINAL
    (run,) = (r.run for r in found if r.HasField("run"))
    config = {i.key: json.loads(i.value_json) for i in run.config.update}
    assert config["agent"] == SETTINGS["agent"]
    assert config["network"] == {"hidden": [64, 32]}
    assert (run.project, run.run_group, run.display_name) == ("lrdqn", "g", "run")
    assert run.run_id == (tmp_path / "run" / "wandb" / "run_id.txt").read_text().strip()
    assert not run.HasField("git")
    assert [r.exit.exit_code for r in found if r.HasField("exit")] == [0]


@pytest.mark.slow
def test_wandb_resumed_after_a_kill_is_one_run_without_doubles_or_gaps(tmp_path, attempt):
    killed = attempt(
        "logger = open_loggers(config, folder, SETTINGS, None)\n"
        "logged(logger, log, 0, 100, 200)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert killed.returncode == -signal.SIGKILL
    name = (tmp_path / "run" / "wandb" / "run_id.txt").read_text()
    resumed = attempt(
        "logger = open_loggers(config, folder, SETTINGS, 100)\nlogged(logger, "
        "log, 200, 300, shift=50.0)\nlogger.close()\n"
    )
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert (tmp_path / "run" / "wandb" / "run_id.txt").read_text() == name
    found = list(records(offline_file(tmp_path / "run")))
    rows = [items(r.history.item) for r in found if r.HasField("history")]
    assert [(row["_step"], row["return/myopic"]) for row in rows] == [
        (0, 1.5),
        (100, 1.5),
        (200, 51.5),
        (300, 51.5),
    ]
    assert [r.run.run_id for r in found if r.HasField("run")] == [name.strip()]
    assert [r.exit.exit_code for r in found if r.HasField("exit")] == [
        1
    ]  # stopped before its summary


def test_wandb_online_without_an_account_says_so_in_one_line(tmp_path, attempt):
    done = attempt(
        (
            "try:\n    open_loggers(config, folder, SETTINGS, None)\nexcept "
            "InputError as error:\n    print(error)\n"
        ),
        mode="online",
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("logger=wandb: cannot be opened (No API key configured")


def test_wandb_online_gets_what_the_server_lacks(tmp_path, monkeypatch, capsys):
    """Against a stand-in for the package: nothing here can reach a server."""
    sent, asked, served = (
        [],
        {},
        [101, 301],
    )  # first the server missed 200, then it was ahead of the checkpoint

    class Run:
        url, summary, step = "https://example.org/run", {}, 0

        def log(self, values, step, commit):
            assert commit
            assert step >= self.step  # W&B drops others
            self.step = step + 1
            sent.append((step, values["return/myopic"]))

        def finish(self, exit_code):
            raise TimeoutError("upload\ntakes too long")

    def init(**given):
        asked.update(given)
        run = Run()
        run.step = served.pop(0) if given["resume"] else 0
        return run

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init, Settings=dict))
    config, log = LoggerConfig(wandb=WandbConfig(enabled=True, mode="online")), MetricsLog(tmp_path)
    logged(open_loggers(config, tmp_path, SETTINGS, None), log, 0, 100)
    assert (asked["resume"], asked["mode"], sent) == (None, "online", [(0, 1.5), (100, 1.5)])
    assert asked["settings"]["silent"]
    name = asked["id"]
    logged(NULL, log, 200, 300)
    sent.clear()
    logger = open_loggers(config, tmp_path, SETTINGS, 200)
    logger.rows(evaluation(300, 50.0))
    assert (asked["resume"], asked["id"], sent) == ("allow", name, [(200, 1.5), (300, 51.5)])
    capsys.readouterr()
    logger.summary(SUMMARY)
    logger.close()
    assert Run.summary == FINAL
    assert (
        capsys.readouterr().err
        == "logger=wandb: off, metrics.jsonl goes on (upload takes too long)\n"
    )
    sent.clear()
    logger = open_loggers(config, tmp_path, SETTINGS, 200)
    logger.rows(evaluation(300))
    logger.rows(evaluation(400))
    assert sent == [(400, 1.5)]
    open_loggers(config, tmp_path, SETTINGS, None)
    assert asked["id"] != name
