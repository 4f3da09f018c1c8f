"""A log's figures next to the published ones, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from lrdqn.evaluate.log_figures import LogRow

MARKS = {True: "[green]ok[/green]", False: "[red]off[/red]", None: "-"}


def log_table(rows: Sequence[LogRow], title: str) -> Table:
    """A line per figure; `off` marks what lies further from the published one than the simulated world may."""
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
        table.add_row(target.name, f"{value:.4g}", f"{target.value:.4g}", tolerance, MARKS[within], target.source)
    return table
