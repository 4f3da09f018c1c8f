"""The table of how streamers fare under each policy in a tick world."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

ROWS = (
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


def streamer_table(figures: Mapping[str, Mapping[str, float]]) -> Table:
    """A column per policy; figures as of ``experiment.streaming.play_ticks``."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("simulated viewers only")
    for policy in figures:
        table.add_column(policy, justify="right")
    for key, words, form in ROWS:
        table.add_row(words, *(form.format(of[key]) for of in figures.values()))
    return table
