"""A log's figures next to the published ones, and a world's before and after it was fitted, as
tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from lrdqn.calibration.log_metrics import LogRow

FOLLOW = (
    "watch per click, median (s)",
    "likes per viewer-minute",
    "gifts per viewer-minute",
    "clicks on familiar streamers",
)
"""Figures that no constant is fitted to."""
MARKS = {True: "[green]ok[/green]", False: "[red]off[/red]", None: "-"}


def log_table(rows: Sequence[LogRow], title: str) -> Table:
    """A line per figure; `off` marks what lies further from the published one than the simulated
    world may."""
    table = Table(title=title)
    table.add_column("statistic")
    for name in ("this log", "published", "tolerance"):
        table.add_column(name, justify="right")
    table.add_column("")
    table.add_column("source", overflow="fold")
    for target, value, within in rows:
        if target.tolerance is None:
            tolerance = "-"
        else:
            tolerance = f"{target.tolerance:g}" if target.absolute else f"{target.tolerance:.0%}"
        table.add_row(
            target.name,
            f"{value:.4g}",
            f"{target.value:.4g}",
            tolerance,
            MARKS[within],
            target.source,
        )
    return table


def settled_table(
    before: Mapping[str, float], after: Mapping[str, float], wanted: Mapping[str, float]
) -> Table:
    """A line per figure that was fitted, or only follows (``-``)."""
    table = Table(title="the reference policy's log in this world")
    table.add_column("statistic", overflow="fold")
    for name in ("before", "fitted", "wanted"):
        table.add_column(name, justify="right")
    for figure in (*wanted, *FOLLOW):
        aim = f"{wanted[figure]:.4g}" if figure in wanted else "-"
        table.add_row(figure, f"{before[figure]:.4g}", f"{after[figure]:.4g}", aim)
    return table
