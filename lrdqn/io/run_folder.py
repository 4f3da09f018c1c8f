"""The folder that a run leaves behind: where it was run, its configuration, one row per evaluation, and its summary.

``summary.json`` holds at least::

    {"policies":    {policy: {metric: {"mean", "ci_low", "ci_high", "per_seed": [..]}}},
     "differences": {policy: {metric: {...}}},         learned minus policy, paired by seed
     "censored_share": {policy: float},                share of sessions cut by the horizon
     "seeds": int, "sessions_per_seed": int,           session starts of the table
     "env_steps": int, ...}                            per seed

with the metrics ``return``, ``watch_minutes``, ``session_length`` (recommendations) and ``clicks``, each per session.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from lrdqn.config import InputError
from lrdqn.io.atomic import json_text, write_json, write_text
from lrdqn.io.environment import describe_environment

ENVIRONMENT = "env.json"
RESOLVED = "resolved.yaml"
METRICS = "metrics.jsonl"
SUMMARY = "summary.json"
CURVE = "learning_curve.png"
CHECKPOINTS = "checkpoints"


def open_run(path: str | Path) -> Path:
    """Create the folder of a new run, parents included.

    Args:
        path: the folder; ``~`` is the home folder.

    Returns:
        Its absolute path.

    Raises:
        InputError: it cannot be made or written to, or it holds a run already, whose rows would mix with the new ones.
    """
    folder = Path(path).expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made a run folder ({error.strerror or error})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot be made a run folder (not writable)")
    check_free(folder)
    return folder


def check_free(folder: str | Path) -> None:
    """Raise ``InputError`` where a folder holds a run already."""
    for name in (SUMMARY, METRICS, CHECKPOINTS):
        if (Path(folder).expanduser() / name).exists():
            raise InputError(f"{folder}: holds a run already ({name}); choose another folder, or remove it first")


def write_environment(folder: Path) -> None:
    """Write ``env.json``: versions, machine, devices, source commit, command line."""
    write_json(folder / ENVIRONMENT, describe_environment())


def write_resolved(folder: Path, yaml_text: str) -> None:
    """Write ``resolved.yaml``: the whole configuration after composition, in one file."""
    write_text(folder / RESOLVED, yaml_text)


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write ``summary.json``, the last file of a run: whoever finds it finds a finished run."""
    write_json(folder / SUMMARY, summary)


def read_summary(folder: str | Path) -> dict[str, Any]:
    """Read ``summary.json``.

    Raises:
        InputError: the folder or the file is missing, or the file is damaged. The line names the folder and what is wrong.
    """
    where = Path(folder).expanduser()
    if not where.is_dir():
        raise InputError(f"run={folder}: no such folder; must be the folder of a finished run")
    path = where / SUMMARY
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"run={folder}: no {SUMMARY} there; the run has not finished, or this is not a run folder") from error
    except OSError as error:
        raise InputError(f"run={folder}: {SUMMARY} cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise InputError(f"run={folder}: {SUMMARY} is damaged ({error})") from error
    for key in ("policies", "differences"):
        if not isinstance(summary, dict) or not isinstance(summary.get(key), dict):
            raise InputError(f"run={folder}: {SUMMARY} is damaged (it has no block {key!r})")
    return summary


class MetricsLog:
    """Rows of ``metrics.jsonl``. Every row is in the file as a whole line when ``append`` returns; no handle stays open.

    As a context manager it makes the empty file at once, so that a folder that cannot be written to is found before training.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder).expanduser() / METRICS

    def __enter__(self) -> MetricsLog:
        """Make the file where there is none."""
        self.append(())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing to close."""

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append one line per row; NaN and infinities become ``null``.

        Raises:
            InputError: the file cannot be written.
        """
        text = "".join(json_text(row) + "\n" for row in rows)
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror or error})") from error

    def rows(self) -> list[dict[str, Any]]:
        """All rows. A last line without its end, which a killed run leaves, is dropped.

        Raises:
            InputError: the file is missing, or a line of it is damaged.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror or error})") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path}: is damaged ({error})") from error
        return [self._row(number, line) for number, line in enumerate(text.split("\n")[:-1], start=1)]

    def _row(self, number: int, line: str) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{self.path}: line {number} is damaged ({error})") from error
        if not isinstance(row, dict):
            raise InputError(f"{self.path}: line {number} is damaged (it is not an object)")
        return row
