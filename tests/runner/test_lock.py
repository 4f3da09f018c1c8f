"""The lock of a run folder: one holder at a time, whatever others do, and nothing lost or left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lrdqn.config import InputError
from lrdqn.runner.folder import LOCK, METRICS_FILE, MetricsLog, held, open_run

HOLDER = """
import sys, time
from lrdqn.config import InputError
from lrdqn.runner.folder import MetricsLog, held, open_run
folder, start, rows = open_run(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
time.sleep(max(0, start - time.time()))
try:
    with held(folder):
        log = MetricsLog(folder)
        for i in range(rows):
            log.append([{"process": sys.argv[4], "row": i}])
            time.sleep(0.05)
except InputError as error:
    print(error)
    sys.exit(2)
"""


def race(folders: list[Path], rows: int) -> list[subprocess.CompletedProcess[str]]:
    """Run one process per folder, all of which try to hold theirs at one moment."""
    import time

    start = str(time.time() + 1.0 + 0.12 * len(folders))
    started = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder), start, str(rows), str(i)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for i, folder in enumerate(folders)
    ]
    return [subprocess.CompletedProcess(p.args, p.wait(), p.communicate()[0]) for p in started]


def test_a_refused_process_leaves_the_holders_files(tmp_path: Path) -> None:
    folder = open_run(tmp_path / "run")
    with held(folder):
        for _ in range(3):
            with pytest.raises(InputError, match="another process is training"), held(folder):
                raise AssertionError
            assert (folder / LOCK).exists()
        MetricsLog(folder).append([{"row": 1}])
    assert {path.name for path in folder.iterdir()} == {LOCK, METRICS_FILE}


def test_a_holder_that_made_nothing_leaves_nothing(tmp_path: Path) -> None:
    folder = open_run(tmp_path / "run")
    with pytest.raises(InputError, match="bad"), held(folder):
        raise InputError("bad")
    assert list(tmp_path.iterdir()) == []
    with held(folder):  # the folder is made again
        assert (folder / LOCK).exists()


def test_a_lock_that_the_path_no_longer_names_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the opening of the lock and its locking, the holder before has removed it."""
    from lrdqn.runner import folder as module

    folder, real, calls = open_run(tmp_path / "run"), module.fcntl.flock, []

    def late(file: int, how: int) -> None:
        if not calls:
            (folder / LOCK).unlink()
            folder.rmdir()
        calls.append(file)
        real(file, how)

    monkeypatch.setattr(module.fcntl, "flock", late)
    with held(folder):
        assert len(calls) == 2
        monkeypatch.undo()
        with pytest.raises(InputError, match="another process"), held(folder):
            raise AssertionError
        MetricsLog(folder).append([{"row": 1}])
    assert len(MetricsLog(folder).rows()) == 1


@pytest.mark.slow
def test_of_many_processes_in_one_folder_exactly_one_holds_it(tmp_path: Path) -> None:
    for number in range(10):
        folder = tmp_path / str(number)
        done = race([folder] * 10, 12)
        assert sorted(p.returncode for p in done) == [0] + [2] * 9, [p.stdout for p in done]
        rows = MetricsLog(folder).rows()
        assert [row["row"] for row in rows] == list(range(12))
        assert len({row["process"] for row in rows}) == 1


@pytest.mark.slow
def test_holders_that_make_nothing_and_one_that_does(tmp_path: Path) -> None:
    """Processes that end at once remove the folder under the feet of the others."""
    for number in range(5):
        folder = tmp_path / str(number)
        done = race([folder] * 10, 0)
        assert all(p.returncode in (0, 2) for p in done)
        assert any(p.returncode == 0 for p in done)
        assert not folder.exists()
