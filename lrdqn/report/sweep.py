"""Rows that join several runs: one per run and learner with the settings in which the rows differ,
and a note for each run without a result."""

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
    FAILED,
    HYDRA,
    METRICS_FILE,
    RESOLVED,
    SUMMARY,
    MetricsLog,
    how_to_go_on,
    read_failure,
    read_resolved,
    read_summary,
)

DEPTH = 3
"""Levels of folders below the given one that are searched for runs."""
CONTENT, GAMMA = "content", "agent.gamma"
ESTIMATE = ("mean", "ci_low", "ci_high")

Entry = dict[str, Any]
"""``{"mean", "ci_low", "ci_high", "per_seed"}``."""
Block = dict[str, dict[str, Entry]]


class JoinedRow(NamedTuple):
    """One learner of one run, one baseline, or one run without a result."""

    run: str
    """Path below the folder; empty for a baseline, which all runs share."""
    policy: str
    varying: dict[str, str]
    """Overrides and grid coordinates that differ among the rows, by dotted key, without keys that
    this row lacks."""
    metrics: dict[str, Entry]
    differences: dict[str, Entry]
    """Return of this row minus that of ``content``, and of its own ``myopic`` twin, paired by seed
    within the run."""
    env_steps: int | None
    seconds: float | None
    censored: float | None
    """Share of sessions that the horizon cut."""
    note: str = ""
    """Why there is no result; starts with ``unfinished``, ``failed``, ``damaged`` or ``search``."""


class _Found(NamedTuple):
    """A row and its settings; ``None`` where they are unknown."""

    row: JoinedRow
    overrides: dict[str, str] | None = None
    point: dict[str, str] | None = None

    @property
    def settings(self) -> dict[str, str]:
        point = self.point or {}
        overrides = {
            key: value
            for key, value in (self.overrides or {}).items()
            if key.removeprefix("grid.") not in point
        }
        return {**overrides, **point}


def find_runs(folder: Path) -> list[Path]:
    """Return the run folders (those with ``resolved.yaml`` or ``failed.json``) at most ``DEPTH``
    levels below ``folder``, itself included, in natural order.

    Links are not followed, so a run that a link points to is not counted twice.
    """
    found, top = [], Path(folder).expanduser()
    for where, below, files in os.walk(top):
        path = Path(where)
        run = RESOLVED in files or FAILED in files
        if run:
            found.append(path)
        if run or len(path.relative_to(top).parts) == DEPTH:
            below.clear()
        below[:] = [name for name in below if not name.startswith(".")]
    return sorted(found, key=lambda path: [_natural(part) for part in path.relative_to(top).parts])


def join(folder: Path) -> list[JoinedRow]:
    """Return one row per run and learner, and one per baseline with the same metrics in every
    finished run; grouped by task (the environment and its settings), best return first in each,
    notes last.

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
    return sorted([*rows, *_baselines(tables)], key=_place)


def _place(row: JoinedRow) -> tuple[Any, ...]:
    """Return the sort key: rows without a note first, then by task, then best return first."""
    task = [(key, _natural(value)) for key, value in task_of(row)]
    return bool(row.note), task, -return_of(row)


def task_of(row: JoinedRow) -> tuple[tuple[str, str], ...]:
    """Return the settings of the environment in which the rows differ. Returns of different tasks
    cannot be compared, so rows are ranked within one."""
    return tuple(
        sorted((k, v) for k, v in row.varying.items() if k == "env" or k.startswith("env."))
    )


def _learners(
    run: str, summary: Mapping[str, Any], policies: Block, overrides: dict[str, str] | None
) -> Iterator[_Found]:
    """Yield the learners of a finished run; their myopic twins appear only as differences."""
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
        # Metrics of two versions of the world are not comparable.
        if point is not None and "sim_version" in summary:
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
    """Yield the policies that are not learners and have the same metrics in all runs, up to
    rounding: each run compiles its own program."""
    for name, of in tables[0][1].items() if tables else ():
        alike = all(name in other and _alike(of, other[name]) for _, other in tables)
        if _kind(name) not in (LEARNED, MYOPIC) and alike:
            share = _finite(_mapping(tables[0][0], "censored_share").get(name))
            yield JoinedRow("", name, {}, of, {}, None, None, share)


def _unfinished(name: str, run: Path) -> JoinedRow:
    """Return a note of how far a run without a summary has come."""
    if (run / FAILED).exists():
        return _noted(name, f"failed: {read_failure(run)['reason']}")
    config = read_resolved(run)
    if not isinstance(config, dict):
        raise InputError(f"{RESOLVED} is damaged (it holds no keys)")
    if "tune" in config:
        return _noted(name, "search: made by lrdqn tune; its trials are in trials.json")
    last = ((MetricsLog(run).rows() if (run / METRICS_FILE).exists() else []) or [{}])[-1]
    done, total = (
        int(_finite(last.get("env_steps")) or 0),
        _finite(_mapping(config, "train").get("env_steps")),
    )
    of = "?" if total is None else f"{total:,.0f}"
    onward = how_to_go_on(run.resolve())
    note = f"unfinished: {done:,} of {of} env steps" + (
        f"; {onward} continues it" if onward else ""
    )
    return _noted(name, note)._replace(env_steps=done, seconds=_finite(last.get("seconds")))


def _noted(run: str, note: str) -> JoinedRow:
    return JoinedRow(run, "", {}, {}, {}, None, None, None, note)


def _overrides(run: Path, summary: Mapping[str, Any]) -> dict[str, str] | None:
    """Return a job's overrides by key, without ``hydra.*`` and ``resume``, which do not affect the
    learner."""
    rows = summary.get("overrides")
    if rows is None and (run / FAILED).exists():
        rows = read_failure(run)["overrides"]
    if rows is None:
        from omegaconf import OmegaConf

        try:
            rows = OmegaConf.to_container(OmegaConf.load(run / HYDRA / "overrides.yaml"))
        except Exception:  # the results can be shown without the overrides
            return None
    pairs = [str(row).lstrip("+").partition("=") for row in rows] if isinstance(rows, list) else []
    return {
        key: _plain(value)
        for key, _, value in pairs
        if key != "resume" and not re.match(r"~?hydra[./]", key)
    }


def _differing(found: Sequence[_Found]) -> list[str]:
    """Return the keys whose values differ among the rows; lacking a key counts as a value of its
    own.

    A run without a summary has overrides only, so that a missing grid coordinate does not count.
    """
    overridden = {key for f in found for key in f.overrides or {}}

    def values(key: str) -> set[str | None]:
        known = [
            f
            for f in found
            if key in f.settings or (f.overrides if key in overridden else f.point) is not None
        ]
        return {f.settings.get(key) for f in known}

    return [
        key
        for key in dict.fromkeys(key for f in found for key in f.settings)
        if len(values(key)) > 1
    ]


def _twin(name: str, grid: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the policy with ``gamma = 0`` and all else as in ``name``; empty where there is
    none."""

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
    """Return the paired difference of two entries; ``None`` where their numbers of seeds differ."""
    if (
        not own
        or not other
        or not own["per_seed"]
        or len(own["per_seed"]) != len(other["per_seed"])
    ):
        return None
    a, b = (np.array(entry["per_seed"], np.float64) for entry in (own, other))  # None becomes NaN
    estimate = zip(ESTIMATE, map(_finite, paired_difference(a, b)), strict=True)
    return {**dict(estimate), "per_seed": [_finite(x) for x in (a - b).tolist()]}


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
    """Return ``policies`` or ``differences`` of a summary, with its shape checked."""
    try:
        return {
            policy: {m: _entry(raw) for m, raw in of.items()}
            for policy, of in summary[name].items()
        }
    except (AttributeError, TypeError) as error:
        raise InputError(f"{SUMMARY} is damaged (block {name!r}: {error})") from error


def _entry(raw: Mapping[str, Any]) -> Entry:
    per_seed = raw.get("per_seed") or []
    for x in (*map(raw.get, ESTIMATE), *per_seed):
        if x is not None and not isinstance(x, int | float):
            raise TypeError(f"{x!r} is not a number")
    return {
        **{key: _finite(raw.get(key)) for key in ESTIMATE},
        "per_seed": [_finite(x) for x in per_seed],
    }


def _mapping(of: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = of.get(key)
    return value if isinstance(value, Mapping) else {}


def _finite(value: object) -> float | None:
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _plain(value: object) -> str:
    """Return a setting as text with numbers in one spelling: ``1e-3`` on a command line is
    ``0.001`` in a grid."""
    text = str(value).strip("'\" ")
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def _kind(policy: str) -> str:
    return policy.partition("[")[0]


def _natural(text: str) -> list[tuple[int, str]]:
    """Return a sort key that puts 2 before 10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)
    ]


def return_of(row: JoinedRow) -> float:
    """Return the mean return for sorting; minus infinity where there is none."""
    mean = row.metrics.get("return", {}).get("mean")
    return -math.inf if mean is None else mean


def seeds_of(row: JoinedRow) -> int:
    """Return the number of seeds of a row."""
    return max((len(entry["per_seed"]) for entry in row.metrics.values()), default=0)
