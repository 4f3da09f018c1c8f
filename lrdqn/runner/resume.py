"""Resuming a run from disk: the newest whole checkpoint, whether the configuration still fits it,
and which files to keep."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lrdqn.atomic import json_text
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import TrainRun
from lrdqn.config import ConfigError, InputError
from lrdqn.runner.checkpoint import read_meta, saved_steps, set_aside_after
from lrdqn.runner.folder import (
    METRICS_FILE,
    SUMMARY,
    MetricsLog,
    check_free,
    read_resolved,
    read_summary,
)

MAY_CHANGE = (
    "train.env_steps",
    "tune.trials",
    "resume",
    "logger",
    "checkpoint",
    "debug",
    "env.vectorization",
    "runtime.platform",
    "runtime.devices",
    "runtime.cache_dir",
    "runtime.memory_gib",
    "runtime.coordinator",
    "runtime.processes",
    "runtime.process_id",
)
"""Keys, or sections, that a resumed run may change: how far, where and how it runs. ``runner.run``
reports which of these changes make it differ from an uninterrupted run."""


class ResumePoint(NamedTuple):
    """Checkpoint to resume from."""

    env_steps: int
    meta: dict[str, Any]
    notice: str
    """Message about damaged checkpoints that were skipped; empty where there are none."""


def plain_config(config: TrainRun) -> dict[str, Any]:
    """Return a frozen config as the JSON that ``meta`` keeps."""
    return json.loads(json_text(dataclasses.asdict(config)))


def changed_keys(saved: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the dotted keys that differ and may not: ``{key: (saved, now)}``; a key that one of
    them lacks counts as ``None``."""
    before, after = dict(_leaves(saved)), dict(_leaves(now))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return {key: (before.get(key), after.get(key)) for key in keys if not _may_change(key)}


def _may_change(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in MAY_CHANGE)


def _leaves(node: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in node.items():
        rows += (
            _leaves(value, f"{prefix}{name}.")
            if isinstance(value, Mapping)
            else [(prefix + name, value)]
        )
    return rows


def refuse_changes(folder: Path, config: TrainRun, schema: type[TrainRun] = TrainRun) -> None:
    """Raise ``InputError`` naming every key that differs from the folder's own configuration and
    may not."""
    changed = changed_keys(
        plain_config(freeze(schema, read_resolved(folder))), plain_config(config)
    )
    if changed:
        rows = ", ".join(
            f"{key}={now} (was {before})" for key, (before, now) in sorted(changed.items())
        )
        raise InputError(f"resume: {folder} was trained with another configuration: {rows}")


def find_resume_point(folder: Path, config: TrainRun, mine: bool = True) -> ResumePoint | None:
    """Return the newest whole checkpoint that the run may resume from; ``None`` where there is
    none.

    Args:
        folder: the run folder, held by this process.
        config: the present one of the run.
        mine: whether this process moves damaged checkpoints out of the way; exactly one of the
            processes that share a run does.

    Raises:
        InputError: there is a run and it must not be continued: ``resume`` is off, its
            configuration differs, it is beyond ``train.env_steps``, none of its checkpoints can be
            read, or ``resume`` names a folder without a checkpoint.
    """
    if config.resume is None:
        check_free(folder)
        return None
    notices: list[str] = []
    for step in saved_steps(folder):
        try:
            meta = read_meta(folder, step)
        except InputError as error:
            notices.append(str(error))
            continue
        refuse_changes(folder, config)
        if step > config.train.env_steps:
            raise ConfigError(
                "train.env_steps",
                config.train.env_steps,
                f"the run in {folder} stands at {step} already",
            )
        if mine:
            MetricsLog(folder).refuse_shorter(meta["metrics_bytes"])
            set_aside_after(folder, step)
        return ResumePoint(
            step, meta, "; ".join(notices) + "; going on from the one before" if notices else ""
        )
    if notices:
        raise InputError(f"{notices[0]}; no other checkpoint is left to go on from")
    if config.resume != "auto":
        raise InputError(
            f"resume={config.resume}: no finished checkpoint there; "
            "resume=auto starts afresh where there is none"
        )
    if (folder / SUMMARY).exists():
        raise InputError(
            f"{folder}: holds a finished run without a checkpoint "
            "to go on from; choose another folder"
        )
    if mine:
        set_aside_after(folder, -1)
    return None


def is_finished(folder: Path, env_steps: int) -> bool:
    """Return whether the run has its summary and has reached ``env_steps``."""
    return (folder / SUMMARY).exists() and read_summary(folder).get("env_steps") == env_steps


def clear_for(folder: Path, point: ResumePoint | None) -> None:
    """Rename files that the coming attempt would overwrite: an older summary, or rows without a
    checkpoint."""
    if point is None:
        put_by(folder / METRICS_FILE, "before")
    elif (folder / SUMMARY).exists():
        put_by(folder / SUMMARY, str(read_summary(folder).get("env_steps", "before")))


def put_by(path: Path, mark: str) -> None:
    """Rename ``a.json`` to ``a-MARK-1.json``, or to the next free number; do nothing where it is
    missing or empty."""
    if path.exists() and path.stat().st_size:
        number = 1
        while (place := path.with_name(f"{path.stem}-{mark}-{number}{path.suffix}")).exists():
            number += 1
        path.rename(place)


def with_period(config: TrainRun, period: int) -> TrainRun:
    """Return the config with the evaluation period that the run began with, which fixes the length
    of its chunks.

    Raises:
        ConfigError: ``train.env_steps`` is not a whole number of such periods.
    """
    steps = config.train.env_steps
    if steps % period:
        near = f"{steps // period * period} or {-(-steps // period) * period}"
        raise ConfigError(
            "train.env_steps",
            steps,
            f"must be a multiple of the run's evaluation period {period}; nearest: {near}",
        )
    return dataclasses.replace(config, train=dataclasses.replace(config.train, eval_period=period))
