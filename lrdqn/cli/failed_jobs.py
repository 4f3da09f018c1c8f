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
from lrdqn.runner.folder import FAILED, read_failure

FOUND: list[str] = []
"""Lines on the failed jobs of the sweep that has just ended."""


def guarded(
    job: Callable[[], float | None], folder: Path, overrides: Sequence[str]
) -> float | None:
    """Run one job of a sweep; where it is refused, leave its reason in ``failed.json`` of its
    folder, which the process that started the sweep reads, and return ``None``."""
    note = folder / FAILED
    note.unlink(missing_ok=True)
    try:
        return job()
    except InputError as error:
        reason = " ".join(str(error).split())
        folder.mkdir(parents=True, exist_ok=True)
        write_json(note, {"overrides": list(overrides), "reason": reason})
        print(f"job failed: {reason}", file=sys.stderr, flush=True)
        return None


class FailedJobs(Callback):
    """Collects the failed jobs at the end of a sweep, whichever launcher ran them."""

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        """Read the notes of the jobs' folders into ``FOUND``."""
        FOUND.clear()
        for path in sorted(Path(config.hydra.sweep.dir).glob(f"*/{FAILED}")):
            failure = read_failure(path.parent)
            FOUND.append(f"{path.parent}: {command(*failure['overrides'])}: {failure['reason']}")


def report_failed() -> None:
    """Print a line per failed job and exit with code 2, unless all jobs succeeded."""
    if not FOUND:
        return
    count = f"{len(FOUND)} job{'s' * (len(FOUND) > 1)} of the sweep failed"
    sys.stderr.write("".join(f"lrdqn: {line}\n" for line in [count, *FOUND]))
    raise SystemExit(2)
