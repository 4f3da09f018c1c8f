"""Run folder: its environment, its configuration, one row per evaluation, and its summary.

``summary.json`` holds at least::

    {"policies":    {policy: {metric: {"mean", "ci_low", "ci_high", "per_seed": [..]}}},
     "differences": {policy: {metric: {...}}},         learned minus policy, paired by seed
     "censored_share": {policy: float},                share of sessions cut by the horizon
     "seeds": int, "sessions_per_seed": int,           session starts of the table
     "env_steps": int, ...}                            per seed

with the metrics ``return``, ``watch_minutes``, ``session_length`` (recommendations) and ``clicks``,
each per session.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lrdqn.atomic import json_text, write_json, write_text
from lrdqn.compose.words import command, word
from lrdqn.config import InputError
from lrdqn.runner.provenance import describe_environment

LOCK = ".lock"
HYDRA = ".hydra"
ENVIRONMENT = "env.json"
RESOLVED = "resolved.yaml"
METRICS_FILE = "metrics.jsonl"
PARQUET = "metrics.parquet"
STUDY = "study.db"
SUMMARY = "summary.json"
FAILED = "failed.json"
"""Of a job of a sweep that was refused: its overrides and the reason."""
CURVE = "learning_curve.png"
CHECKPOINTS = "checkpoints"


class Files(NamedTuple):
    """Texts that the command line knows of a run and that the folder keeps."""

    resolved: str
    """The whole configuration, YAML."""
    hydra: dict[str, str]
    """Hydra's own files, by name."""
    overrides: list[str]


def open_run(path: str | Path) -> Path:
    """Create the folder of a run, parents included, and return its absolute path.

    Args:
        path: the folder; ``~`` is the home folder.

    Returns:
        Its absolute path.

    Raises:
        InputError: the folder cannot be made or written to.
    """
    folder = Path(path)
    try:
        folder = folder.expanduser().resolve()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # a RuntimeError: there is no home folder
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{folder}: cannot be made a run folder ({reason})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot be made a run folder (not writable)")
    return folder


def check_place(folder: str | Path) -> None:
    """Raise ``InputError`` where a folder cannot be made or written to; leave nothing there.

    What ``os.access`` says is not enough: a file system may refuse all the same.
    """
    try:
        place = Path(folder).expanduser().absolute()
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise InputError(f"{folder}: cannot be made a run folder ({place} is not a folder)")
        os.rmdir(tempfile.mkdtemp(prefix=".lrdqn-", dir=place))
    except (OSError, RuntimeError) as error:  # a RuntimeError: there is no home folder
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{folder}: cannot be made a run folder ({reason})") from error


def check_free(folder: str | Path) -> None:
    """Raise ``InputError`` where a folder already holds a run."""
    for name in (SUMMARY, METRICS_FILE, CHECKPOINTS, STUDY):
        if (Path(folder).expanduser() / name).exists():
            raise InputError(
                f"{folder}: holds a run already ({name}); resume=auto "
                "continues it, or choose another folder"
            )


class FolderTaken(InputError):
    """The run folder is held by another process, whose files must be left alone."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder; the operating system frees it when the process ends, however
    it ends. A folder that holds nothing but the lock at the end is removed, by its holder alone.

    Raises:
        InputError: another process holds it, or the folder cannot be written.
    """
    file = locked(folder)
    try:
        yield
    finally:
        leave_nothing(folder)
        os.close(file)


def locked(folder: Path) -> int:
    """Return a file descriptor that holds the lock of ``folder``.

    A holder that ends may remove lock and folder between the opening of the file and its locking.
    What is locked then is no longer what the path names; it is let go, and another try is made.
    """
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file), os.stat(folder / LOCK)):
                return file
        except BlockingIOError as error:
            os.close(file)
            raise FolderTaken(
                f"{folder}: another process is training in it; "
                "wait for it, or choose another folder"
            ) from error
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(file)
            raise InputError(f"{folder}: cannot be locked ({error.strerror or error})") from error
        os.close(file)


def leave_nothing(folder: Path) -> None:
    """Remove a folder that holds nothing but its lock. Only the holder of the lock may call
    this."""
    try:
        if {path.name for path in folder.iterdir()} == {LOCK}:
            (folder / LOCK).unlink()
            folder.rmdir()
    except OSError:  # it stays: empty, or with what another process has just put there
        pass


def how_to_go_on(folder: Path) -> str | None:
    """Return the command that goes on with a run; ``None`` where nothing was saved, or no command
    line was."""
    saved = (folder / HYDRA / "overrides.yaml").is_file()
    points = folder / CHECKPOINTS
    if not saved or not points.is_dir() or not any(x.name.isdigit() for x in points.iterdir()):
        return None
    return command("lrdqn", "train", word("resume", folder))


def write_environment(folder: Path, resumed_at: int | None = None) -> None:
    """Write
    ``env.json``: versions, machine, devices, source commit, command line. A resumed run writes a
    further file, ``env-STEPS.json``."""
    name = ENVIRONMENT if resumed_at is None else f"env-{resumed_at}.json"
    write_json(folder / name, describe_environment())


def write_hydra(folder: Path, texts: Mapping[str, str]) -> None:
    """Write ``.hydra/{config,overrides,hydra}.yaml``, as Hydra itself would write them before the
    folder is known to be free."""
    (folder / HYDRA).mkdir(exist_ok=True)
    for name, text in texts.items():
        write_text(folder / HYDRA / f"{name}.yaml", text)


def write_resolved(folder: Path, yaml_text: str) -> None:
    """Write ``resolved.yaml``: the whole configuration after composition, in one file."""
    write_text(folder / RESOLVED, yaml_text)


def read_resolved(folder: str | Path) -> Any:
    """Return the configuration of a run as plain nested dicts.

    Raises:
        InputError: the folder holds no run, or its configuration is damaged.
    """
    from omegaconf import OmegaConf

    path = Path(folder).expanduser() / RESOLVED
    if not path.is_file():
        raise InputError(f"run={folder}: no {RESOLVED} there; must be the folder of a finished run")
    try:
        return OmegaConf.to_container(OmegaConf.load(path))
    except Exception as error:
        raise InputError(
            f"run={folder}: {RESOLVED} is damaged ({' '.join(str(error).split())})"
        ) from error


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write ``summary.json``, the last file of a run: a folder that holds it holds a finished
    run."""
    write_json(folder / SUMMARY, summary)


def read_summary(folder: str | Path) -> dict[str, Any]:
    """Return the contents of ``summary.json``.

    Raises:
        InputError: the folder or the file is missing, or the file is damaged. The line names the
            folder and what is wrong.
    """
    where = Path(folder).expanduser()
    if not where.is_dir():
        raise InputError(f"run={folder}: no such folder; must be the folder of a finished run")
    path = where / SUMMARY
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"run={folder}: no {SUMMARY} there; the run has "
            "not finished, or this is not a run folder"
        ) from error
    except OSError as error:
        raise InputError(
            f"run={folder}: {SUMMARY} cannot be read ({error.strerror or error})"
        ) from error
    except ValueError as error:
        raise InputError(f"run={folder}: {SUMMARY} is damaged ({error})") from error
    for key in ("policies", "differences"):
        if not isinstance(summary, dict) or not isinstance(summary.get(key), dict):
            raise InputError(f"run={folder}: {SUMMARY} is damaged (it has no block {key!r})")
    return summary


def read_failure(folder: Path) -> dict[str, Any]:
    """Return ``{"overrides", "reason"}`` of a job that was refused; what is damaged is said."""
    try:
        found = json.loads((folder / FAILED).read_text(encoding="utf-8"))
        return {"overrides": [str(x) for x in found["overrides"]], "reason": str(found["reason"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {"overrides": [], "reason": f"{FAILED} is damaged ({error})"}


class MetricsLog:
    """Rows of ``metrics.jsonl``. Every row is in the file as a whole line when ``append`` returns;
    no handle stays open.

    ``append(())`` makes the empty file, so that a folder that cannot be written to is found before
    training.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder).expanduser() / METRICS_FILE

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append one line per row; NaN and infinities become ``null``.

        Raises:
            InputError: the file cannot be written.
        """
        text = "".join(json_text(row) + "\n" for row in rows)
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror or error})"
            ) from error

    def size(self) -> int:
        """Return the size of the file in bytes, the position that a checkpoint records."""
        return self.path.stat().st_size

    def refuse_shorter(self, size: int) -> None:
        """Raise ``InputError`` where the file is shorter than ``size``, so that rows of the
        checkpoint are missing."""
        have = self.size() if self.path.exists() else 0
        if have < size:
            raise InputError(
                f"{self.path}: holds {have} bytes, the checkpoint "
                f"was made with {size}; rows are missing"
            )

    def cut(self, size: int) -> None:
        """Drop everything beyond ``size`` bytes: rows of chunks that a resumed run repeats.

        Raises:
            InputError: the file is shorter, or it cannot be written.
        """
        self.refuse_shorter(size)
        try:
            os.truncate(self.path, size)
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be cut back ({error.strerror or error})"
            ) from error

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows. An incomplete last line, which a killed run leaves, is dropped.

        Raises:
            InputError: the file is missing, or a line of it is damaged.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror or error})") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path}: is damaged ({error})") from error
        return [
            self._row(number, line) for number, line in enumerate(text.split("\n")[:-1], start=1)
        ]

    def _row(self, number: int, line: str) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{self.path}: line {number} is damaged ({error})") from error
        if not isinstance(row, dict):
            raise InputError(f"{self.path}: line {number} is damaged (it is not an object)")
        return row
