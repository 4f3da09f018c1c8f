"""Several runs side by side: a row per run and learner, what sets the rows apart, a note for each
run without a result."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lrdqn.config import InputError
from lrdqn.evaluation.statistics import paired_difference
from lrdqn.evaluation.summary import LEARNED, MYOPIC
from lrdqn.runner.folder import (
    HYDRA,
    METRICS,
    RESOLVED,
    SUMMARY,
    MetricsLog,
    read_resolved,
    read_summary,
)

DEPTH = 3
"""Folders below the one asked for in which runs are looked for."""
CONTENT, GAMMA = "content", "agent.gamma"
FIGURES = ("mean", "ci_low", "ci_high")

Entry = dict[str, Any]
"""``{"mean", "ci_low", "ci_high", "per_seed"}``."""
Block = dict[str, dict[str, Entry]]


class JoinedRow(NamedTuple):
    """One learner of one run, one baseline, or one run without a result."""

    run: str
    """Path below the folder; empty for a baseline, which all runs share."""
    policy: str
    varying: dict[str, str]
    """Overrides and grid coordinates that differ among the rows, by dotted key; a key that this row
    lacks is not there."""
    metrics: dict[str, Entry]
    differences: dict[str, Entry]
    """Return of this row minus that of ``content``, and of its own ``myopic`` twin, paired by seed
    within the run."""
    env_steps: int | None
    seconds: float | None
    censored: float | None
    """Share of sessions that the horizon cut."""
    note: str = ""
    """Why there is no result; its first word says ``unfinished``, ``damaged`` or ``search``."""


class _Found(NamedTuple):
    """A row, and what is known of its settings; ``None`` where nothing is."""

    row: JoinedRow
    overrides: dict[str, str] | None = None
    point: dict[str, str] | None = None

    @property
    def settings(self) -> dict[str, str]:
        point = self.point or {}
        asked = {
            key: value
            for key, value in (self.overrides or {}).items()
            if key.removeprefix("grid.") not in point
        }
        return {**asked, **point}


def find_runs(folder: Path) -> list[Path]:
    """Run folders (those with ``resolved.yaml``) at most ``DEPTH`` below ``folder``, itself
    included, in natural order.

    Links are not followed, so a run that a link points to is not counted twice.
    """
    found, top = [], Path(folder).expanduser()
    for where, below, files in os.walk(top):
        path = Path(where)
        if RESOLVED in files:
            found.append(path)
        if RESOLVED in files or len(path.relative_to(top).parts) == DEPTH:
            below.clear()
        below[:] = [name for name in below if not name.startswith(".")]
    return sorted(found, key=lambda path: [_natural(part) for part in path.relative_to(top).parts])


def join(folder: Path) -> list[JoinedRow]:
    """One row per run and learner, and per baseline that did the same in every finished run; best
    return first, notes last.

    Raises:
        InputError: there is no run in the folder.
    """
    top = Path(folder).expanduser()
    runs = find_runs(top)
    if not runs:
        what = f"no run in it or up to {DEPTH} folders below" if top.is_dir() else "no such folder"
        raise InputError(f"run={folder}: {what}; must be a run folder or a folder of runs")
    found: list[_Found] = []
    tables: list[tuple[Mapping[str, Any], Block]] = []
    for run in runs:
        name = run.relative_to(top).as_posix()
        summary: dict[str, Any] = {}
        try:
            if not (run / SUMMARY).exists():
                found.append(_Found(_unfinished(name, run), _overrides(run, summary)))
                continue
            summary = read_summary(run)
            policies = _block(summary, "policies")
            found += _learners(name, summary, policies, _overrides(run, summary))
            tables.append((summary, policies))
        except (InputError, OSError) as error:
            reason = " ".join(
                str(error).replace(f"run={run}: ", "").replace(f"{run}{os.sep}", "").split()
            )
            found.append(_Found(_noted(name, f"damaged: {reason}"), _overrides(run, summary)))
    keys = _differing(found)
    rows = [
        f.row._replace(varying={key: f.settings[key] for key in keys if key in f.settings})
        for f in found
    ]
    return sorted([*rows, *_baselines(tables)], key=lambda row: (bool(row.note), -return_of(row)))


def _learners(
    run: str, summary: Mapping[str, Any], policies: Block, overrides: dict[str, str] | None
) -> Iterator[_Found]:
    """The learners of a finished run; its twins show only as differences."""
    grid = {
        name: point
        for name, point in _mapping(summary, "grid").items()
        if isinstance(point, Mapping)
    }
    shares, differences = _mapping(summary, "censored_share"), _block(summary, "differences")
    names = [name for name in policies if _kind(name) == LEARNED]
    if not names:
        raise InputError(f"{SUMMARY} is damaged (no policy {LEARNED!r} in it)")
    steps = _finite(summary.get("env_steps"))
    for name in names:
        entries = {}
        for label, other in ((CONTENT, CONTENT), (MYOPIC, _twin(name, grid))):
            stored = (
                differences.get(other, {}).get("return")
                if name == summary.get("reference", LEARNED)
                else None
            )
            entry = stored or _minus(
                policies[name].get("return"), policies.get(other, {}).get("return")
            )
            entries |= {label: entry} if entry else {}
        point = {key: _plain(value) for key, value in grid[name].items()} if name in grid else None
        if (
            point is not None and "sim_version" in summary
        ):  # figures of two versions of the world are not comparable
            point["sim_version"] = _plain(summary["sim_version"])
        seconds, share = _finite(summary.get("seconds")), _finite(shares.get(name))
        row = JoinedRow(
            run,
            name,
            {},
            policies[name],
            entries,
            None if steps is None else int(steps),
            seconds,
            share,
        )
        yield _Found(row, overrides, point)


def _baselines(tables: Sequence[tuple[Mapping[str, Any], Block]]) -> Iterator[JoinedRow]:
    """Policies that are no learners and have the same figures in all runs (to rounding: each run
    compiles its own program)."""
    for name, of in tables[0][1].items() if tables else ():
        alike = all(name in other and _alike(of, other[name]) for _, other in tables)
        if _kind(name) not in (LEARNED, MYOPIC) and alike:
            share = _finite(_mapping(tables[0][0], "censored_share").get(name))
            yield JoinedRow("", name, {}, of, {}, None, None, share)


def _unfinished(name: str, run: Path) -> JoinedRow:
    """How far a run without a summary has come."""
    config = read_resolved(run)
    if not isinstance(config, dict):
        raise InputError(f"{RESOLVED} is damaged (it holds no keys)")
    if "tune" in config:
        return _noted(name, "search: made by lrdqn tune; its trials are in trials.json")
    last = ((MetricsLog(run).rows() if (run / METRICS).exists() else []) or [{}])[-1]
    done, total = (
        int(_finite(last.get("env_steps")) or 0),
        _finite(_mapping(config, "train").get("env_steps")),
    )
    of = "?" if total is None else f"{total:,.0f}"
    note = f"unfinished: {done:,} of {of} env steps; lrdqn train resume={run} continues it"
    return _noted(name, note)._replace(env_steps=done, seconds=_finite(last.get("seconds")))


def _noted(run: str, note: str) -> JoinedRow:
    return JoinedRow(run, "", {}, {}, {}, None, None, None, note)


def _overrides(run: Path, summary: Mapping[str, Any]) -> dict[str, str] | None:
    """A job's own overrides by key; Hydra's, and where it was taken up again, say nothing about the
    learner."""
    rows = summary.get("overrides")
    if rows is None:
        from omegaconf import OmegaConf

        try:
            rows = OmegaConf.to_container(OmegaConf.load(run / HYDRA / "overrides.yaml"))
        except Exception:  # whatever is wrong with it, the results can be shown without
            return None
    pairs = [str(row).lstrip("+").partition("=") for row in rows] if isinstance(rows, list) else []
    return {
        key: _plain(value)
        for key, _, value in pairs
        if key != "resume" and not re.match(r"~?hydra[./]", key)
    }


def _differing(found: Sequence[_Found]) -> list[str]:
    """Keys whose values differ among the rows; lacking a key is a value of its own, where the row
    would have had it.

    A run without a summary has overrides only, so that it lacks a coordinate says nothing.
    """
    asked = {key for f in found for key in f.overrides or {}}

    def values(key: str) -> set[str | None]:
        known = [
            f
            for f in found
            if key in f.settings or (f.overrides if key in asked else f.point) is not None
        ]
        return {f.settings.get(key) for f in known}

    return [
        key
        for key in dict.fromkeys(key for f in found for key in f.settings)
        if len(values(key)) > 1
    ]


def _twin(name: str, grid: Mapping[str, Mapping[str, Any]]) -> str:
    """The policy with ``gamma = 0`` and all else as in ``name``; empty where there is none."""

    def rest(point: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in point.items() if key != GAMMA}

    if name not in grid:
        return MYOPIC if name == LEARNED else ""
    return next(
        (
            twin
            for twin, of in grid.items()
            if _kind(twin) == MYOPIC and rest(of) == rest(grid[name])
        ),
        "",
    )


def _minus(own: Entry | None, other: Entry | None) -> Entry | None:
    """Paired difference of two entries; ``None`` where their seeds are not the same in number."""
    if (
        not own
        or not other
        or not own["per_seed"]
        or len(own["per_seed"]) != len(other["per_seed"])
    ):
        return None
    a, b = (np.array(entry["per_seed"], np.float64) for entry in (own, other))  # None becomes NaN
    figures = zip(FIGURES, map(_finite, paired_difference(a, b)), strict=True)
    return {**dict(figures), "per_seed": [_finite(x) for x in (a - b).tolist()]}


def _alike(a: Mapping[str, Entry], b: Mapping[str, Entry]) -> bool:
    first, second = (
        [x for m in sorted(of) for x in (of[m]["mean"], *of[m]["per_seed"])] for of in (a, b)
    )
    pairs = zip(first, second, strict=False)
    close = all(
        x == y or (None not in (x, y) and math.isclose(x, y, rel_tol=1e-5, abs_tol=1e-6))
        for x, y in pairs
    )
    return a.keys() == b.keys() and len(first) == len(second) and close


def _block(summary: Mapping[str, Any], name: str) -> Block:
    """``policies`` or ``differences``, looked through: whatever follows can rely on its shape."""
    try:
        return {
            policy: {m: _entry(raw) for m, raw in of.items()}
            for policy, of in summary[name].items()
        }
    except (AttributeError, TypeError) as error:
        raise InputError(f"{SUMMARY} is damaged (block {name!r}: {error})") from error


def _entry(raw: Mapping[str, Any]) -> Entry:
    per_seed = raw.get("per_seed") or []
    for x in (*map(raw.get, FIGURES), *per_seed):
        if x is not None and not isinstance(x, int | float):
            raise TypeError(f"{x!r} is not a number")
    return {
        **{key: _finite(raw.get(key)) for key in FIGURES},
        "per_seed": [_finite(x) for x in per_seed],
    }


def _mapping(of: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = of.get(key)
    return value if isinstance(value, Mapping) else {}


def _finite(value: object) -> float | None:
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _plain(value: object) -> str:
    """A setting as text, numbers in one spelling: ``1e-3`` of a command line is the ``0.001`` of a
    grid."""
    text = str(value).strip("'\" ")
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def _kind(policy: str) -> str:
    return policy.partition("[")[0]


def _natural(text: str) -> list[tuple[int, str]]:
    """Sorts 2 before 10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)
    ]


def return_of(row: JoinedRow) -> float:
    """Mean return, for sorting: minus infinity where there is none."""
    mean = row.metrics.get("return", {}).get("mean")
    return -math.inf if mean is None else mean


def seeds_of(row: JoinedRow) -> int:
    """How many seeds stand behind a row."""
    return max((len(entry["per_seed"]) for entry in row.metrics.values()), default=0)
