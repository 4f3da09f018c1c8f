"""A disk that is full when the run is saved: one line, exit code 2, nothing else printed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
def test_a_run_that_cannot_be_saved_ends_in_one_line(tiny_disk: Path) -> None:
    words = ["debug=fast", "env.streamers=100", "env.users=50", "train.seeds=2"]
    done = subprocess.run(
        [sys.executable, "-m", "lrdqn", "train", *words, f"hydra.run.dir={tiny_disk / 'run'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"lrdqn: {tiny_disk / 'run' / 'checkpoints'}: cannot be written")
