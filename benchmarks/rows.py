"""Result files of the benchmarks: a JSON list of rows written by the run itself, and a Markdown
table of them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
UNITS = {
    "return": "reward per session",
    "watch_minutes": "minutes per session",
    "session_length": "decisions per session",
    "clicks": "clicks per session",
    "new_streamers": "share of impressions",
    "ctr": "clicks per page",
    "taken_place": "mean place of clicks, 1 = top",
    "taken_top": "share of clicks",
    "quality": "per click",
    "diversity": "1 - mean cosine on a page",
    "coverage": "kinds on a page / K",
    "novelty": "share of a page",
}


def commit() -> str:
    """Return the commit that is checked out; a `+` marks changes on top of it."""
    root = Path(__file__).resolve().parents[1]

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else "")


def device() -> str:
    return f"{len(os.sched_getaffinity(0))} CPU cores, {platform.machine()}"


def summary_rows(
    name: str, summary: dict[str, Any], command: str, seconds: float
) -> list[dict[str, Any]]:
    """Return one row per policy and metric, one per difference of the return, and the run's own
    metrics."""
    common = {
        "command": command,
        "commit": commit(),
        "device": device(),
        "seconds": round(seconds, 1),
    }
    rows: list[dict[str, Any]] = []
    for policy, metrics in summary["policies"].items():
        for metric, entry in metrics.items():
            if entry["mean"] is None:  # some seed's cohort has no user of this group
                continue
            rows.append(_row(f"{name}/{policy}", metric, entry, unit_of(metric), common))
    for policy, metrics in summary["differences"].items():
        rows.append(
            _row(f"{name}/learned - {policy}", "return", metrics["return"], UNITS["return"], common)
        )
    for metric, unit in (
        ("steps_per_second", "env steps/s, all learners"),
        ("compile_seconds", "s"),
        ("peak_bytes", "bytes"),
    ):
        rows.append(
            {
                "name": name,
                "metric": metric,
                "value": summary[metric],
                "n": 1,
                "unit": unit,
                **common,
            }
        )
    return rows


def unit_of(metric: str) -> str:
    """Return a metric's unit: ``return/cold`` is in the unit of ``return``, over users of that
    group."""
    base, _, group = metric.partition("/")
    return f"{UNITS[base]}, {group} viewers" if group else UNITS[base]


def _row(
    name: str, metric: str, entry: dict[str, Any], unit: str, common: dict[str, Any]
) -> dict[str, Any]:
    figures = {k: round(entry[k], 4) for k in ("mean", "ci_low", "ci_high")}
    return {
        "name": name,
        "metric": metric,
        **figures,
        "n": len(entry["per_seed"]),
        "unit": unit,
        **common,
    }


def write(name: str, rows: list[dict[str, Any]], tables: Sequence[str] = ()) -> None:
    """Write ``results/NAME.json`` and ``results/NAME.md``; ``tables`` come before the table of all
    rows.

    The fourth column holds a row's 95 % interval, or its quartiles where ``q25`` and ``q75`` are
    given.
    """
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")
    column = "quartiles" if any("q25" in row for row in rows) else "95 % interval"
    lines = [
        *tables,
        f"| name | metric | value | {column} | n | unit | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        value = row.get("mean", row.get("value"))
        low, high = (
            row.get(key, row.get(other)) for key, other in (("ci_low", "q25"), ("ci_high", "q75"))
        )
        interval = "-" if low is None else f"[{low:.4g}, {high:.4g}]"
        lines.append(
            f"| {row['name']} | {row['metric']} | {value:.5g} | {interval} "
            f"| {row['n']} | {row['unit']} | {row['seconds']} |"
        )
    commands = sorted({row["command"] for row in rows})
    tail = [
        (
            f"Commands: {'; '.join(f'`{c}`' for c in commands)}. "
            f"Commit {rows[0]['commit']}, {rows[0]['device']}."
        )
    ]
    (RESULTS / f"{name}.md").write_text("\n".join([*lines, "", *tail, ""]))
