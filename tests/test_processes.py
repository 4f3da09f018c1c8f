"""One run shared by two processes on this machine, and sweeps through the submitit launcher."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]
PROBE = [
    "env=probe",
    "network=mlp",
    "train.seeds=4",
    "train.sessions=8",
    "train.env_steps=8192",
    "train.update_period=8",
    "train.warmup_steps=256",
    "train.eval_period=512",
    "agent.target_period=64",
    "evaluate.sessions=8",
    "replay.capacity=1024",
    "checkpoint.seconds=0",
    "runtime.cache_dir=null",
]


def start(cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start ``lrdqn train`` as a process of its own, with the devices that it asks for itself."""
    program = "import sys; from lrdqn.cli.main import main; sys.argv[0] = 'lrdqn'; main()"
    flags = [f for f in os.environ["XLA_FLAGS"].split() if "device_count" not in f]
    env = os.environ | {"XLA_FLAGS": " ".join(flags), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", program, "train", *arguments],
        cwd=cwd,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def pair(cwd: Path, *arguments: str) -> list[subprocess.Popen[str]]:
    """Start two processes with a device each that share one run."""
    common = [
        *PROBE,
        f"runtime.coordinator=127.0.0.1:{free_port()}",
        "runtime.processes=2",
        "runtime.devices=1",
        *arguments,
    ]
    return [start(cwd, *common, f"runtime.process_id={i}") for i in range(2)]


def ended(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Return the output of processes that must all exit with 0."""
    printed = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), printed
    return printed


def outcome(folder: Path) -> tuple[Any, ...]:
    summary = json.loads((folder / "summary.json").read_text())
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        del row["seconds"]
    return summary["policies"], summary["score"], summary["env_steps"], rows


def wait_for(path: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """Return the run in one process with two devices."""
    home = tmp_path_factory.mktemp("alone")
    ended([start(home, *PROBE, "runtime.devices=2", "hydra.run.dir=run")])
    return outcome(home / "run")


@pytest.mark.multiprocess
def test_two_processes_give_the_numbers_of_one(tmp_path: Path, alone: tuple[Any, ...]) -> None:
    first, second = ended(pair(tmp_path, "hydra.run.dir=run"))
    assert outcome(tmp_path / "run") == alone
    assert "learned" in first
    assert "learned" not in second, "only process 0 speaks and writes"


@pytest.mark.multiprocess
def test_a_signal_to_one_of_two_processes_stops_both_and_both_go_on(
    tmp_path: Path, alone: tuple[Any, ...]
) -> None:
    processes = pair(tmp_path, "hydra.run.dir=run")
    wait_for(tmp_path / "run" / "checkpoints" / "512")
    processes[1].send_signal(signal.SIGTERM)
    assert "stopped and saved" in ended(processes)[0]
    assert not (tmp_path / "run" / "summary.json").exists()
    ended(pair(tmp_path, "hydra.run.dir=run", "resume=auto"))
    assert outcome(tmp_path / "run") == alone
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["exact"] is True


def test_seeds_that_do_not_divide_over_the_processes_are_refused(tmp_path: Path) -> None:
    processes = pair(tmp_path, "hydra.run.dir=run", "train.seeds=3")
    for process in processes:
        printed = process.communicate(timeout=300)[0]
        assert process.returncode == 2
        assert (
            "lrdqn: train.seeds=3: must be a multiple of the 2 processes that share the run"
            in printed
        )
        assert "Traceback" not in printed


def test_a_sweep_through_submitit_is_finished_and_found_finished(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    words = [
        "-m",
        "hydra/launcher=submitit_local",
        "hydra.sweep.dir=sweep",
        "resume=auto",
        *PROBE,
        "agent=dqn,double_dqn",
    ]
    ended([start(tmp_path, *words)])
    summaries = sorted((tmp_path / "sweep").glob("[0-9]/summary.json"))
    assert [json.loads(path.read_text())["overrides"][-1] for path in summaries] == [
        "agent=dqn",
        "agent=double_dqn",
    ]
    before = [path.read_bytes() for path in summaries]
    ended([start(tmp_path, *words)])
    assert [path.read_bytes() for path in summaries] == before


def task_of(folder: Path) -> int | None:
    """Return the process that submitit runs a job of ``folder`` in."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text()
        except OSError:
            continue
        if "submitit.core._submit" in words and str(folder) in words:
            return int(process.name)
    return None


def test_a_preempted_job_is_requeued_and_goes_on(tmp_path: Path) -> None:
    """The signal that Slurm sends before it takes a node away; submitit starts the job again with
    the same arguments."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    words = [
        "-m",
        "hydra/launcher=submitit_local",
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
        "resume=auto",
        *PROBE,
    ]
    long = [*words, "train.env_steps=32768"]
    process = start(tmp_path, *long)
    run = tmp_path / "sweep" / "0"
    wait_for(run / "checkpoints" / "1024")
    task = task_of(tmp_path / "sweep")
    assert task is not None
    os.kill(task, signal.SIGUSR2)
    ended([process])
    summary = json.loads((run / "summary.json").read_text())
    assert len(summary["resumed"]) == 1
    assert summary["exact"] is True
    ended(
        [
            start(
                tmp_path, *PROBE, "train.env_steps=32768", f"hydra.run.dir={tmp_path / 'untouched'}"
            )
        ]
    )
    assert outcome(run) == outcome(tmp_path / "untouched")
