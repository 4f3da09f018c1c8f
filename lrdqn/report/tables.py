"""Tables beside the policy table: slates, groups of users, and streamers of a tick world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from lrdqn.evaluation.summary import GROUPS
from lrdqn.report.policy_table import MISSING, cells_of, header, plain_table, reference, two_lines

SLATE_COLUMNS = (
    ("ctr", "Clicks", "per page"),
    ("taken_place", "Place", "1 = top"),
    ("taken_top", "At top", "of clicks"),
    ("quality", "Quality", "of clicks"),
    ("diversity", "Diversity", "1 - cosine"),
    ("coverage", "Coverage", "kinds / K"),
    ("novelty", "Novelty", "of page"),
)
"""Metric, name and unit of each column of ``slate_table``."""
GROUP_UNITS = {"cold": "0-9 watches", "warm": "10-49", "active": "50 or more"}
NEW_STREAMERS = "new_streamers"
STREAMER_ROWS = (
    ("ticks", "session-ticks", "{:,.0f}"),
    ("decisions", "decisions", "{:,.0f}"),
    ("watch_hours", "hours watched", "{:,.0f}"),
    ("audience_gini", "audience Gini (seconds watched)", "{:.3f}"),
    ("exposure_gini", "exposure Gini (impressions)", "{:.3f}"),
    ("newcomers", "newcomers (first room < 1 day ago), of streamers", "{:.1%}"),
    ("newcomers_exposure", "newcomers, of impressions", "{:.1%}"),
    ("without_viewers", "streamers without viewers", "{:.1%}"),
    ("churned", "streamers who gave up", "{:.1%}"),
)
"""Metric, words and format of each row of ``streamer_table``."""


def slate_table(summary: Mapping[str, Any]) -> Table | None:
    """Return the slate metrics of each policy, best return first; ``None`` where actions are not
    slates.

    Args:
        summary: as ``folder.read_summary`` returns it.
    """
    policies = summary["policies"]
    columns = [
        column for column in SLATE_COLUMNS if any(column[0] in of for of in policies.values())
    ]
    if not columns:
        return None
    order = _by_return(policies)
    caption = (
        "slates: place, share at the top and quality of what was taken; "
        "the others of all that was shown; means over seeds"
    )
    table = _table(caption, [header(name, unit) for _, name, unit in columns])
    cells = [
        cells_of([known(policies[policy].get(metric)) for policy in order], spread=False)
        for metric, _, _ in columns
    ]
    for i, policy in enumerate(order):
        style = "bold" if policy == reference(summary) else ""
        table.add_row(Text(policy, style), *(Text(column[i].mean, style) for column in cells))
    return table


def group_table(summary: Mapping[str, Any]) -> Table | None:
    """Return the return by group of users, and the share of impressions that new streamers got;
    ``None`` where the environment has no groups.

    Args:
        summary: as ``folder.read_summary`` returns it.
    """
    policies = summary["policies"]
    names = [f"return/{group}" for group in GROUPS]
    if not any(name in of for of in policies.values() for name in names):
        return None
    order = _by_return(policies)
    spread = summary.get("seeds") != 1
    columns = [
        cells_of([known(policies[policy].get(name)) for policy in order], spread) for name in names
    ]
    caption = (
        "return per session by the watches before a user's session; the last "
        "column: share of impressions of new streamers"
    )
    heads = [header(group.capitalize(), GROUP_UNITS[group]) for group in GROUPS]
    table = _table(caption, [*heads, header("New", "streamers")])
    for i, policy in enumerate(order):
        style = "bold" if policy == reference(summary) else ""
        table.add_row(
            Text(policy, style),
            *(two_lines(column[i], style) for column in columns),
            _percent(policies[policy].get(NEW_STREAMERS)),
        )
    return table


def streamer_table(metrics: Mapping[str, Mapping[str, float]]) -> Table:
    """Return the streamer metrics with a column per policy.

    Args:
        metrics: by policy, as ``streamer_welfare.play_ticks`` returns them.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("simulated viewers only")
    for policy in metrics:
        table.add_column(policy, justify="right")
    for key, words, form in STREAMER_ROWS:
        table.add_row(words, *(form.format(of[key]) for of in metrics.values()))
    return table


def known(entry: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the entry, or ``None`` where a seed had nothing to average over (NaN in memory, null
    in a file)."""
    return (
        None if entry is None or entry["mean"] is None or entry["mean"] != entry["mean"] else entry
    )


def _by_return(policies: Mapping[str, Any]) -> list[str]:
    return sorted(policies, key=lambda name: -(policies[name]["return"]["mean"] or 0.0))


def _table(caption: str, heads: list[Text]) -> Table:
    table = plain_table(caption, 2)
    table.add_column("Policy", no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right")
    return table


def _percent(entry: Mapping[str, Any] | None) -> str:
    return MISSING if entry is None or entry["mean"] is None else f"{100 * entry['mean']:.1f} %"
