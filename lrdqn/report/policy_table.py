"""The table of policies that closes a run, for a terminal and in Markdown, and notes in words:
which policies learned does not beat, and non-finite values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from lrdqn.evaluation.statistics import INTERVAL
from lrdqn.evaluation.summary import LEARNED

MISSING = "–"

COLUMNS = (
    ("return", "Return", "per session"),
    ("watch_minutes", "Watch time", "min/session"),
    ("session_length", "Length", "recs/session"),
    ("clicks", "Clicks", "per session"),
)
"""Metric, name and unit of each column of the table."""

DIFFERENCE = ("learned", "− this")
"""Head of the last column: paired difference of return, ``learned`` minus the policy of the row."""

NARROW = 80
"""Width of the narrowest terminal that shows every interval on one line, unless all numbers exceed
100."""


class Cell(NamedTuple):
    """A mean and its interval as text; ``beats`` is true where the interval of a difference lies
    above zero."""

    mean: str
    interval: str
    beats: bool = True


class Row(NamedTuple):
    """A policy's row of the table."""

    policy: str
    metrics: tuple[Cell, ...]
    difference: Cell


def table_rows(summary: Mapping[str, Any]) -> list[Row]:
    """Return one row per policy, best return first; a policy without a return comes last."""
    policies, differences = summary["policies"], summary["differences"]
    order = sorted(
        policies,
        key=lambda name: -_number(policies[name].get("return", {}).get("mean"), float("-inf")),
    )
    spread = summary.get("seeds") != 1
    columns = [
        cells_of([policies[name].get(metric) for name in order], spread)
        for metric, _, _ in columns_of(policies.values())
    ]
    versus = cells_of(
        [differences.get(name, {}).get("return") for name in order], spread, signed=True
    )
    return [
        Row(name, tuple(column[i] for column in columns), versus[i]) for i, name in enumerate(order)
    ]


def columns_of(metrics: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str, str], ...]:
    """Return the columns for policies with these metrics, without those that are 0 for all of them:
    a game has no watch time and no clicks."""
    each = list(metrics)

    def happens(metric: str) -> bool:
        return any(of[metric]["mean"] != 0 for of in each if metric in of)

    return tuple(column for column in COLUMNS if column[0] == "return" or happens(column[0]))


def policy_table(summary: Mapping[str, Any]) -> Table:
    """Return the table for a terminal, with intervals below their means to fit into 80 columns.

    Args:
        summary: as ``folder.read_summary`` returns it.
    """
    rows = table_rows(summary)
    columns = columns_of(summary["policies"].values())
    gap = 1 if _width(rows, columns) > NARROW else 2
    table = plain_table(caption(summary), gap)
    table.add_column("Policy", no_wrap=True)
    for _, name, unit in columns:
        table.add_column(header(name, unit), justify="right")
    table.add_column(header(*DIFFERENCE), justify="right")
    for row in rows:
        own = row.policy == reference(summary)
        cells = [two_lines(cell, "bold" if own else "") for cell in row.metrics]
        cells.append(two_lines(row.difference, "green" if row.difference.beats else "yellow"))
        name, *point = name_lines(row.policy)
        head = Text.assemble(
            (name, "bold" if own else ""),
            *(part for line in point for part in ("\n", (line, "dim"))),
        )
        table.add_row(head, *cells)
    return table


def plain_table(words: str, gap: int) -> Table:
    """Return an empty table without frames, with ``gap`` spaces between columns and the caption
    ``words`` below."""
    return Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, gap - 1),
        collapse_padding=True,
        pad_edge=False,
        caption=Text(f"\n{words}", style="table.caption"),
        caption_justify="left",
    )


def reference(summary: Mapping[str, Any]) -> str:
    """Return the policy that the others are compared with; of a grid, its best point."""
    return summary.get("reference", LEARNED)


def policy_markdown(summary: Mapping[str, Any]) -> str:
    """Return the rows as a Markdown table with the caption below it."""
    columns = columns_of(summary["policies"].values())
    heads = ["Policy", *(f"{name} ({unit})" for _, name, unit in columns), " ".join(DIFFERENCE)]
    lines = [markdown_line(heads), markdown_line(["---", *["---:"] * (len(columns) + 1)])]
    for row in table_rows(summary):
        name = f"**{row.policy}**" if row.policy == reference(summary) else row.policy
        lines.append(
            markdown_line([name, *(one_line(cell) for cell in (*row.metrics, row.difference))])
        )
    return "\n".join([*lines, "", caption(summary), ""])


def caption(summary: Mapping[str, Any]) -> str:
    """Return the caption: seeds, session starts per seed, the meaning of brackets and last column,
    and the share of sessions that the horizon cut."""
    seeds, sessions = summary.get("seeds"), summary.get("sessions_per_seed")
    counts = f"{count_text(seeds, 'seed')} × {count_text(sessions, 'session')}"
    spread = "one seed gives no interval" if seeds == 1 else f"mean [{INTERVAL}]"
    last = f"{' '.join(DIFFERENCE)}: return, paired by seed"
    points = [name for name in summary.get("grid", {}) if name.startswith(LEARNED)]
    if len(points) > 1:
        last += (
            f", of {reference(summary)}, the best of {len(points)} "
            "points; chosen on other sessions of the same seeds, so its lead is overestimated"
        )
    shares = {
        name: share
        for name, share in summary.get("censored_share", {}).items()
        if share is not None
    }
    cut = ", ".join(f"{name} {_percent(share)}" for name, share in shares.items() if share > 0)
    return (
        f"{counts}; {spread}; {last}; sessions cut by the horizon: "
        f"{cut or ('none' if shares else 'not recorded')}"
    )


def verdicts(summary: Mapping[str, Any]) -> list[str]:
    """Return a line for every policy that learned does not beat, best first: the interval of the
    paired difference of return includes zero or lies below it.

    The list is empty where learned beats them all. With one seed there are no intervals, and the
    only line says so.
    """
    if summary.get("seeds") == 1:
        return [
            "1 seed: differences have no interval, so nothing is claimed about whom learned beats"
        ]
    own, lines = reference(summary), []
    for row in table_rows(summary):
        point = row.policy.startswith(f"{LEARNED}[")
        if row.policy != own and not point and not row.difference.beats:
            lines.append(f"{own} does not beat {row.policy}: difference {one_line(row.difference)}")
    return lines


def nonfinite_notes(summary: Mapping[str, Any]) -> list[str]:
    """Return at most two lines that count what was not finite: rewards and observations of the
    training, which were stored as 0, its TD errors and gradients, which were left out of the
    update, and rewards and observations of the evaluation, which counted as 0."""
    names = ("nonfinite_rewards", "nonfinite_observations", "nonfinite")
    rewards, observations, errors = (summary.get(name) or 0 for name in names)
    words = [f"{count_text(rewards, 'reward')} stored as 0"] * bool(rewards)
    words += [f"{count_text(observations, 'observation')} with 0 instead"] * bool(observations)
    words += [f"{count_text(errors, 'TD error or gradient')} left out"] * bool(errors)
    lines = [f"not finite: {', '.join(words)}; debug=nan finds the first one"] if words else []
    counts = {k: n for k, n in (summary.get("nonfinite_evaluation") or {}).items() if n}
    if counts:
        found = ", ".join(f"{name} {n:,}" for name, n in counts.items())
        lines.append(
            f"not finite in the evaluation, counted as 0: rewards or observations of {found}"
        )
    return lines


def cells_of(
    entries: list[Mapping[str, Any] | None], spread: bool, signed: bool = False
) -> list[Cell]:
    """Return the cells of one column, all with the decimals that its largest number needs; without
    ``spread`` there are no intervals."""
    triples = [
        tuple((entry or {}).get(key) for key in ("mean", "ci_low", "ci_high")) for entry in entries
    ]
    largest = max((abs(x) for triple in triples for x in triple if x is not None), default=0.0)
    decimals = 2 if largest < 10 else 1 if largest < 1000 else 0
    sign = "+" if signed else ""

    def text(x: float | None, sign: str = "") -> str:
        return MISSING if x is None else f"{x:{sign}.{decimals}f}"

    cells = []
    for entry, (mean, low, high) in zip(entries, triples, strict=True):
        beats = entry is None or (spread and low is not None and low > 0)
        interval = f"[{text(low)}, {text(high)}]" if entry is not None and spread else ""
        cells.append(Cell(text(mean, sign), interval, beats))
    return cells


def _width(rows: list[Row], columns: tuple[tuple[str, str, str], ...]) -> int:
    """Return the characters that the table takes with gaps of two."""
    names = max(len(line) for row in rows for line in name_lines(row.policy))
    cells = [[*row.metrics, row.difference] for row in rows]
    heads = [max(map(len, head)) for head in (*(column[1:] for column in columns), DIFFERENCE)]
    widths = [
        max(head, *(len(cell.interval) for cell in column))
        for head, *column in zip(heads, *cells, strict=True)
    ]
    return names + sum(widths) + 2 * len(widths)


def name_lines(policy: str) -> list[str]:
    """Return a policy's name, followed by one line per coordinate of its grid point."""
    name, _, point = policy.partition("[")
    return [name, *filter(None, point.rstrip("]").split(","))]


def header(name: str, unit: str) -> Text:
    """Return the head of a column: the name, and the unit below it."""
    return Text.assemble((name, "bold"), "\n", (unit, "dim"))


def two_lines(cell: Cell, style: str) -> Text:
    """Return a cell for a terminal: the mean, and the interval below it."""
    return Text.assemble(
        (cell.mean, style), *(["\n", (cell.interval, "dim")] if cell.interval else [])
    )


def one_line(cell: Cell) -> str:
    """Return a cell for Markdown."""
    return f"{cell.mean} {cell.interval}".rstrip()


def markdown_line(cells: Iterable[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def _number(x: float | None, missing: float) -> float:
    return missing if x is None else x


def count_text(n: int | None, noun: str) -> str:
    """Return a count in words: ``10 seeds``, ``1 seed``, ``? seeds``."""
    return f"? {noun}s" if n is None else f"{n:,} {noun}" + ("" if n == 1 else "s")


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"
