"""Loggers beside ``metrics.jsonl``: TensorBoard and Weights & Biases; their step is env steps per
seed.

``return/learned`` is the mean over the seeds that have a value, ``return/learned/seed0`` the value
of one seed, and ``final/return/learned`` the mean of the final table. ``metrics.jsonl`` is
authoritative: a logger that fails is turned off, and a logger that is added when a run is resumed
gets the earlier rows from that file.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import secrets
import shutil
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from lrdqn.atomic import json_text, write_text
from lrdqn.compose.grid import KEYS as GRID_KEYS
from lrdqn.config import InputError
from lrdqn.config.logger import LoggerConfig
from lrdqn.runner.folder import METRICS_FILE
from lrdqn.runner.parquet import iter_rows

Rows = list[dict[str, Any]]

PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb"}
"""Logger -> the package that it needs; the extra that installs it has the logger's name."""

COORDINATES = frozenset({"seed", "policy", "env_steps", "seconds", "gamma", *GRID_KEYS})
"""Columns that identify a row. ``seconds`` is the same in all rows of an evaluation and is logged
once."""

FINISH_SECONDS = 300
"""Seconds that the end of a run waits for an upload; the rest stays on disk, for ``wandb sync``."""


class Logger(NamedTuple):
    """Destination of rows: takes all rows of one evaluation at a time, and the summary of a
    finished run."""

    rows: Callable[[Rows], None]
    summary: Callable[[dict[str, Any]], None]
    close: Callable[[], None]


NULL = Logger(lambda rows: None, lambda summary: None, lambda: None)


def check_loggers(config: LoggerConfig) -> None:
    """Raise ``InputError`` where the package of an enabled logger is not installed; import
    nothing."""
    for name in enabled(config):
        spec = importlib.util.find_spec(PACKAGES[name])
        if (
            spec is None or spec.origin is None
        ):  # a spec without origin is a mere folder of that name, such as a run's wandb/
            raise InputError(f"logger={name}: needs {PACKAGES[name]}; pip install 'lrdqn[{name}]'")


def enabled(config: LoggerConfig) -> list[str]:
    """Return the names of the loggers that will write."""
    wandb = config.wandb.enabled and config.wandb.mode != "disabled"
    return [
        name for name, on in (("tensorboard", config.tensorboard.enabled), ("wandb", wandb)) if on
    ]


def open_loggers(
    config: LoggerConfig, folder: Path, settings: Mapping[str, Any], resumed_at: int | None
) -> Logger:
    """Return one logger that passes rows on to all enabled ones. One that fails later reports it on
    stderr once and is turned off.

    Args:
        config: which loggers, and their settings.
        folder: the run folder.
        settings: the resolved configuration, nested.
        resumed_at: env steps of the checkpoint that the run resumes from; ``None`` for a fresh run.

    Raises:
        InputError: a logger of a fresh run cannot be opened. A resumed run continues without it.
    """
    loggers: dict[str, Logger] = {}
    for name in enabled(config):
        try:
            open_one = open_tensorboard if name == "tensorboard" else open_wandb
            loggers[name] = open_one(getattr(config, name), folder, settings, resumed_at)
        except Exception as error:
            if resumed_at is None:
                fan_out(loggers).close()
                raise InputError(f"logger={name}: cannot be opened ({_one_line(error)})") from error
            _warn(name, error)
    return fan_out(loggers)


def fan_out(loggers: Mapping[str, Logger]) -> Logger:
    """Return one logger for several; one that raises is closed and dropped, after one line on
    stderr."""
    alive = dict(loggers)

    def method(which: str) -> Callable[..., None]:
        def call(*given: Any) -> None:
            for name, logger in list(alive.items()):
                try:
                    getattr(logger, which)(*given)
                except Exception as error:
                    del alive[name]
                    _warn(name, error)
                    with contextlib.suppress(Exception):
                        logger.close()

        return call

    return Logger(*map(method, Logger._fields))


def scalars(rows: Rows) -> dict[str, float]:
    """Return the numbers of one evaluation by tag; values that are no finite numbers are left
    out."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        for name, value in row.items():
            if name not in COORDINATES and _is_finite(value):
                found[f"{name}/{row['policy']}"][row["seed"]] = float(value)
    values = {tag: math.fsum(of.values()) / len(of) for tag, of in found.items()}
    values |= {
        f"{tag}/seed{seed}": value for tag, of in found.items() for seed, value in of.items()
    }
    seconds = rows[0].get("seconds")
    return values | ({"seconds": float(seconds)} if _is_finite(seconds) else {})


def final_scalars(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the final table by tag: means with their intervals, paired differences, and the
    score."""
    values: dict[str, Any] = {"score": summary.get("score")}
    for block, title in (("policies", "final"), ("differences", "difference")):
        for policy, metrics in summary.get(block, {}).items():
            for metric, entry in metrics.items():
                tag = f"{title}/{metric}/{policy}"
                values |= {
                    tag: entry.get("mean"),
                    **{f"{tag}/{end}": entry.get(end) for end in ("ci_low", "ci_high")},
                }
    return {tag: float(value) for tag, value in values.items() if _is_finite(value)}


def history(folder: Path, first: int, last: int) -> Iterator[Rows]:
    """Return the evaluations that ``metrics.jsonl`` holds from env step ``first`` to ``last``."""
    rows = (row for row in iter_rows(folder / METRICS_FILE) if first <= row["env_steps"] <= last)
    return (list(group) for _, group in groupby(rows, key=lambda row: row["env_steps"]))


def open_tensorboard(
    config: Any, folder: Path, settings: Mapping[str, Any], resumed_at: int | None
) -> Logger:
    """Return a logger that writes event files, one per attempt, in the calling thread: a writer
    thread would hang the run once its disk is full."""
    tensorboard: Any = importlib.import_module("tensorboardX")
    events: Any = importlib.import_module(
        "tensorboardX.proto.event_pb2"
    )  # generated by protoc: a type checker finds no names in it
    where = folder / "tensorboard"
    where.mkdir(exist_ok=True)
    # numbered, not dated: TensorBoard reads files in the order of their names, and the clocks of
    # two machines may disagree
    attempt = max(
        (int(path.name.split(".")[3]) + 1 for path in where.glob("events.out.tfevents.*")),
        default=0,
    )
    writer = tensorboard.RecordWriter(
        str(where / f"events.out.tfevents.{attempt:010d}.{socket.gethostname()}")
    )
    flushed = -math.inf

    def write(**fields: Any) -> None:
        writer.write(events.Event(wall_time=time.time(), **fields).SerializeToString())

    def log(step: int, values: Mapping[str, float]) -> None:
        write(
            step=step,
            summary={
                "value": [{"tag": tag, "simple_value": value} for tag, value in values.items()]
            },
        )

    def rows(rows: Rows) -> None:
        nonlocal flushed
        log(rows[0]["env_steps"], scalars(rows))
        if time.monotonic() - flushed >= config.flush_seconds:
            writer.flush()
            flushed = time.monotonic()

    def summary(summary: dict[str, Any]) -> None:
        log(summary["env_steps"], values := final_scalars(summary))
        shown = {
            tag: values[tag]
            for tag in values
            if tag.startswith(("score", "final/return/")) and "/ci_" not in tag
        }
        for part in importlib.import_module("tensorboardX.summary").hparams(
            flatten_settings(settings), shown
        ):
            write(summary=part)
        writer.flush()

    with contextlib.ExitStack() as stack:
        stack.callback(writer.close)
        write(file_version="brain.Event:2")
        # purges the steps that this attempt repeats, or everything from a run that was killed
        # before its first checkpoint; TensorBoard ignores the first start that it finds, so the
        # first attempt needs one too
        write(
            step=0 if resumed_at is None else resumed_at + 1,
            session_log={"status": events.SessionLog.START},
        )
        for missed in (
            history(folder, 0, resumed_at) if resumed_at is not None and not attempt else ()
        ):
            rows(missed)
        writer.flush()
        stack.pop_all()
    return Logger(rows, summary, writer.close)


def open_wandb(
    config: Any, folder: Path, settings: Mapping[str, Any], resumed_at: int | None
) -> Logger:
    """Return a logger for one W&B run over all attempts. An offline run, whose file cannot be
    continued, is written anew from ``metrics.jsonl``."""
    import wandb

    known = folder / "wandb" / "run_id.txt"
    known.parent.mkdir(exist_ok=True)
    resumed = resumed_at is not None and known.exists()
    name = known.read_text(encoding="utf-8").strip() if resumed else secrets.token_hex(8)
    write_text(known, f"{name}\n")
    before = list(known.parent.glob(f"offline-run-*-{name}"))
    manner = {
        "silent": True,
        "console": "off",
        "disable_git": True,
        "disable_code": True,
        "save_code": False,
    }
    run = wandb.init(
        project=config.project,
        entity=config.entity,
        group=config.group,
        name=folder.name,
        id=name,
        resume="allow" if resumed and config.mode == "online" else None,
        mode=config.mode,
        dir=folder,
        config=dict(settings),
        allow_val_change=True,  # a resumed run may have a larger train.env_steps
        reinit="create_new",
        settings=wandb.Settings(
            finish_timeout=FINISH_SECONDS, finish_timeout_raises=True, **manner
        ),
    )
    finished = False

    def rows(rows: Rows) -> None:
        if rows[0]["env_steps"] >= run.step:
            run.log(scalars(rows), step=rows[0]["env_steps"], commit=True)

    def summary(summary: dict[str, Any]) -> None:
        nonlocal finished
        run.summary.update(final_scalars(summary))
        finished = True

    for missed in history(folder, run.step, resumed_at) if resumed_at is not None else ():
        rows(missed)
    for old in before:
        shutil.rmtree(old, ignore_errors=True)
    if config.mode == "online":
        print(f"logger=wandb: {run.url}", file=sys.stderr, flush=True)
    return Logger(rows, summary, lambda: run.finish(exit_code=0 if finished else 1))


def flatten_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted key; lists as text."""
    leaves: dict[str, Any] = {}
    for name, value in settings.items():
        leaf = value if isinstance(value, bool | int | float | str | None) else json_text(value)
        leaves |= (
            flatten_settings(value, f"{prefix}{name}.")
            if isinstance(value, Mapping)
            else {prefix + name: leaf}
        )
    return leaves


def _is_finite(value: Any) -> TypeGuard[float]:
    return isinstance(value, Real) and math.isfinite(value)


def _warn(name: str, error: Exception) -> None:
    print(
        f"logger={name}: off, metrics.jsonl goes on ({_one_line(error)})",
        file=sys.stderr,
        flush=True,
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
