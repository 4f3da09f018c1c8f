"""Tables of a calibration: the world or a log beside published metrics, and a world before and
after its intercepts were fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from lrdqn.calibration.targets import LogRow, Row, Target

MARKS = {True: "[green]ok[/green]", False: "[red]off[/red]", None: "-"}
NOT_FITTED = (
    "watch per click, median (s)",
    "likes per viewer-minute",
    "gifts per viewer-minute",
    "clicks on familiar streamers",
)
"""Metrics that ``fitted_table`` shows although no constant is fitted to them."""


def calibration_table(rows: Sequence[Row], sessions: int, worlds: int) -> Table:
    """Return a line per target; ``-`` marks metrics for information only, brackets are intervals
    over worlds."""
    table = _comparison(
        ("simulated", "over worlds", "target", "tolerance"),
        title="the world against published metrics",
        caption=(
            f"{sessions:,} sessions in {worlds} worlds under the reference "
            "policy, softmax(cos + 1.45 L + 1.5 familiar)"
        ),
    )
    for target, simulated, low, high, passed in rows:
        table.add_row(
            target.name,
            f"{simulated:.4g}",
            f"[{low:.3g}, {high:.3g}]",
            f"{target.value:.4g}",
            tolerance_text(target),
            MARKS[passed],
            target.source,
        )
    return table


def log_table(rows: Sequence[LogRow], title: str) -> Table:
    """Return a line per metric of a log; `off` marks those outside the tolerance of the simulated
    world."""
    table = _comparison(("this log", "published", "tolerance"), title=title)
    for target, value, within in rows:
        table.add_row(
            target.name,
            f"{value:.4g}",
            f"{target.value:.4g}",
            tolerance_text(target),
            MARKS[within],
            target.source,
        )
    return table


def fitted_table(
    before: Mapping[str, float], after: Mapping[str, float], wanted: Mapping[str, float]
) -> Table:
    """Return a line per metric that a constant was fitted to, and per metric of ``NOT_FITTED``
    (``-``)."""
    table = Table(title="the reference policy's log in this world")
    table.add_column("statistic", overflow="fold")
    for name in ("before", "fitted", "wanted"):
        table.add_column(name, justify="right")
    for metric in (*wanted, *NOT_FITTED):
        aim = f"{wanted[metric]:.4g}" if metric in wanted else "-"
        table.add_row(metric, f"{before[metric]:.4g}", f"{after[metric]:.4g}", aim)
    return table


def tolerance_text(target: Target) -> str:
    """Return the tolerance as text: a number where absolute, a percentage where relative, ``-``
    where there is none."""
    if target.tolerance is None:
        return "-"
    return f"{target.tolerance:g}" if target.absolute else f"{target.tolerance:.0%}"


def _comparison(numbers: Sequence[str], title: str, caption: str | None = None) -> Table:
    table = Table(title=title, caption=caption)
    table.add_column("statistic")
    for name in numbers:
        table.add_column(name, justify="right")
    table.add_column("")
    table.add_column("source", overflow="fold")
    return table
