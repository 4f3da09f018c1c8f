"""The calibration table: simulated against target."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from lrdqn.calibration.targets import Row

MARKS = {True: "[green]ok[/green]", False: "[red]off[/red]", None: "-"}


def calibration_table(rows: Sequence[Row], sessions: int, worlds: int) -> Table:
    """A line per target; ``-`` marks figures that are shown for information only. Brackets are
    intervals over worlds."""
    table = Table(
        title="the world against published figures",
        caption=(
            f"{sessions:,} sessions in {worlds} worlds under the reference "
            "policy, softmax(cos + 1.45 L + 1.5 familiar)"
        ),
    )
    table.add_column("statistic")
    for name in ("simulated", "over worlds", "target", "tolerance"):
        table.add_column(name, justify="right")
    table.add_column("")
    table.add_column("source", overflow="fold")
    for target, simulated, low, high, passed in rows:
        if target.tolerance is None:
            tolerance = "-"
        else:
            tolerance = f"{target.tolerance:g}" if target.absolute else f"{target.tolerance:.0%}"
        table.add_row(
            target.name,
            f"{simulated:.4g}",
            f"[{low:.3g}, {high:.3g}]",
            f"{target.value:.4g}",
            tolerance,
            MARKS[passed],
            target.source,
        )
    return table
