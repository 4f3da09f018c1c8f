"""The table beside the closing one where actions are slates: what each policy's pages were like,
and how they were taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from lrdqn.report.group_table import known
from lrdqn.report.policy_table import cells_of, header, plain_table, reference

COLUMNS = (
    ("ctr", "Clicks", "per page"),
    ("taken_place", "Place", "1 = top"),
    ("taken_top", "At top", "of clicks"),
    ("quality", "Quality", "of clicks"),
    ("diversity", "Diversity", "1 - cosine"),
    ("coverage", "Coverage", "kinds / K"),
    ("novelty", "Novelty", "of page"),
)
"""Metric, name and unit of each column."""


def slate_table(summary: Mapping[str, Any]) -> Table | None:
    """Means over seeds, best return first; ``None`` where actions are no slates.

    Args:
        summary: as ``run_folder.read_summary`` gives it.
    """
    policies = summary["policies"]
    columns = [column for column in COLUMNS if any(column[0] in of for of in policies.values())]
    if not columns:
        return None
    order = sorted(policies, key=lambda name: -(policies[name]["return"]["mean"] or 0.0))
    words = (
        "slates: place, share at the top and quality of what was taken; "
        "the others of all that was shown; means over seeds"
    )
    table = plain_table(words, 2)
    table.add_column("Policy", no_wrap=True)
    for _, name, unit in columns:
        table.add_column(header(name, unit), justify="right")
    cells = [
        cells_of([known(policies[policy].get(metric)) for policy in order], spread=False)
        for metric, _, _ in columns
    ]
    for i, policy in enumerate(order):
        style = "bold" if policy == reference(summary) else ""
        table.add_row(Text(policy, style), *(Text(column[i].mean, style) for column in cells))
    return table
