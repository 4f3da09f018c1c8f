"""The table beside a run's closing one: how every policy serves viewers of whom little or much is
known, and new streamers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from lrdqn.evaluation.summary import GROUPS
from lrdqn.report.policy_table import cells_of, header, plain_table, reference, two_lines

HEADS = {"cold": "0-9 watches", "warm": "10-49", "active": "50 or more"}
NEW = "new_streamers"


def group_table(summary: Mapping[str, Any]) -> Table | None:
    """Return by group of viewers and the share of impressions that new streamers got; ``None``
    where nobody is told apart.

    Args:
        summary: as ``run_folder.read_summary`` gives it.
    """
    policies = summary["policies"]
    names = [f"return/{group}" for group in GROUPS]
    if not any(name in of for of in policies.values() for name in names):
        return None
    order = sorted(policies, key=lambda name: -(policies[name]["return"]["mean"] or 0.0))
    spread = summary.get("seeds") != 1
    columns = [
        cells_of([known(policies[policy].get(name)) for policy in order], spread) for name in names
    ]
    shares = [_percent(policies[policy].get(NEW)) for policy in order]
    words = (
        "return per session by what lies behind a viewer; the last "
        "column: share of impressions of new streamers"
    )
    table = plain_table(words, 2)
    table.add_column("Policy", no_wrap=True)
    for group in GROUPS:
        table.add_column(header(group.capitalize(), HEADS[group]), justify="right")
    table.add_column(header("New", "streamers"), justify="right")
    for i, policy in enumerate(order):
        style = "bold" if policy == reference(summary) else ""
        table.add_row(
            Text(policy, style), *(two_lines(column[i], style) for column in columns), shares[i]
        )
    return table


def known(entry: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """``None`` where some seed's cohort has nobody of the group: NaN in memory, null in a file."""
    return (
        None if entry is None or entry["mean"] is None or entry["mean"] != entry["mean"] else entry
    )


def _percent(entry: Mapping[str, Any] | None) -> str:
    return "–" if entry is None or entry["mean"] is None else f"{100 * entry['mean']:.1f} %"
