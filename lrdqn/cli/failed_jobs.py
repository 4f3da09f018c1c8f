"""Jobs of a sweep that were refused: the others run, and the end of the sweep names these."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

from lrdqn.atomic import write_json
from lrdqn.compose.words import command
from lrdqn.config import InputError
from lrdqn.runner.folder import FAILED, FolderTaken, read_failure

HERE: list[str] = []
"""Lines on failed jobs of this process that left no note."""

FOUND: list[str] = []
"""Lines on the failed jobs of the sweep that has just ended."""


def guarded(
    job: Callable[[], float | None], folder: Path, overrides: Sequence[str]
) -> float | None:
    """Run one job of a sweep; where it is refused, leave its reason in ``failed.json`` of its
    folder, which the process that started the sweep reads, and return ``None``."""
    note = folder / FAILED
    try:
        score = job()
        note.unlink(missing_ok=True)
        return score
    except InputError as error:
        reason = " ".join(str(error).split())
        print(f"job failed: {reason}", file=sys.stderr, flush=True)
        if not left(note, overrides, reason, isinstance(error, FolderTaken)):
            HERE.append(f"{folder}: {command(*overrides)}: {reason}")
        return None


def left(note: Path, overrides: Sequence[str], reason: str, taken: bool) -> bool:
    """Write the note of a failed job; return whether it is there. In a folder that another process
    holds nothing is written."""
    if taken:
        return False
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        write_json(note, {"overrides": list(overrides), "reason": reason})
        return True
    except (OSError, InputError):
        return False


class FailedJobs(Callback):
    """Collects the failed jobs at the end of a sweep, whichever launcher ran them."""

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        """Read the notes of the jobs' folders into ``FOUND``."""
        FOUND[:] = HERE
        notes = Path(config.hydra.sweep.dir).glob(f"*/{FAILED}")
        for path in sorted(notes, key=lambda path: (len(path.parent.name), path)):
            failure = read_failure(path.parent)
            FOUND.append(f"{path.parent}: {command(*failure['overrides'])}: {failure['reason']}")


def report_failed() -> None:
    """Print a line per failed job and exit with code 2, unless all jobs succeeded."""
    if not FOUND:
        return
    count = f"{len(FOUND)} job{'s' * (len(FOUND) > 1)} of the sweep failed"
    sys.stderr.write("".join(f"lrdqn: {line}\n" for line in [count, *FOUND]))
    raise SystemExit(2)
