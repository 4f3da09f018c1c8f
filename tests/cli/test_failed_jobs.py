"""A job of a sweep that is refused: the others run, the end names it, and so does the report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lrdqn.cli import failed_jobs
from lrdqn.cli.failed_jobs import guarded
from lrdqn.config import InputError
from lrdqn.report.sweep import join
from lrdqn.runner.folder import FAILED, held, read_failure


def refused() -> float:
    raise InputError("replay.capacity=9: too large;\nlower it")


def test_the_reason_is_left_in_the_folder_until_the_job_succeeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, overrides = tmp_path / "3", ["agent=dqn", "replay.capacity=9"]
    assert guarded(refused, folder, overrides) is None
    reason = "replay.capacity=9: too large; lower it"
    assert read_failure(folder) == {"overrides": overrides, "reason": reason}
    assert capsys.readouterr().err == f"job failed: {reason}\n"
    (row,) = join(tmp_path)
    assert (row.run, row.note) == ("3", f"failed: {reason}")
    assert guarded(lambda: 1.5, folder, overrides) == 1.5
    assert not (folder / FAILED).exists()


def test_nothing_is_written_into_a_folder_that_another_process_holds(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    with held(folder):
        before = sorted(path.name for path in folder.iterdir())

        def job() -> float:
            with held(folder):
                raise AssertionError

        assert guarded(job, folder, ["agent=dqn"]) is None
        assert sorted(path.name for path in folder.iterdir()) == before
    assert failed_jobs.HERE.pop().startswith(f"{folder}: agent=dqn: ")


def test_a_damaged_note_is_said(tmp_path: Path) -> None:
    (tmp_path / FAILED).write_text("[1]")
    assert "is damaged" in read_failure(tmp_path)["reason"]


@pytest.mark.slow
def test_the_other_jobs_run_and_the_sweep_ends_with_a_line_for_each_that_failed(
    tmp_path: Path,
) -> None:
    words = ["-m", "debug=fast", "env=probe", "runtime.memory_gib=8,0.0001,8"]
    command = [sys.executable, "-m", "lrdqn", "train", *words, f"hydra.sweep.dir={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    count, line = [x for x in done.stderr.splitlines() if x.startswith("lrdqn: ")]
    assert count == "lrdqn: 1 job of the sweep failed"
    assert line.startswith(
        f"lrdqn: {tmp_path / '1'}: debug=fast env=probe runtime.memory_gib=0.0001"
    )
    for job in ("0", "2"):
        assert json.loads((tmp_path / job / "summary.json").read_text())["seeds"] == 2
    notes = [row.note for row in join(tmp_path) if row.note]
    assert len(notes) == 1
    assert notes[0].startswith("failed: network.hidden=")
