"""The joined rows of several runs (``sweep.join``) as one table: for a terminal, in Markdown, and
as plain data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from lrdqn.evaluation.statistics import INTERVAL
from lrdqn.evaluation.summary import LEARNED, MYOPIC
from lrdqn.report.policy_table import (
    MISSING,
    Cell,
    cells_of,
    columns_of,
    count_text,
    header,
    markdown_line,
    name_lines,
    one_line,
    plain_table,
    two_lines,
)
from lrdqn.report.sweep import CONTENT, Entry, JoinedRow, return_of, seeds_of

WIDTH, NAME_WIDTH = 100, 30
"""Default width of the terminal, and largest width of the table's first column."""
SPARED = ("clicks", "session_length", "watch_minutes")
"""Metrics that are left out, in this order, while the table is too wide."""
Column = tuple[str, tuple[str, str], list[Cell]]
"""Kind (a metric, ``difference`` or ``cost``), two lines of head, and one cell per row."""


def joined_table(rows: Sequence[JoinedRow], width: int = WIDTH) -> Table:
    """Return the table for a terminal of ``width`` columns; metrics that do not fit are left out
    and named in the caption."""
    lines = _names(rows)
    columns, gap = _fitting(
        _columns(rows), min(NAME_WIDTH, max(len(line) for of in lines for line in of)), width
    )
    kept = [kind for kind, _, _ in columns]
    hidden = [
        name.lower()
        for metric, name, _ in columns_of(row.metrics for row in rows)
        if metric not in kept
    ]
    words = [
        joined_caption(rows) + (f"; not shown for width: {', '.join(hidden)}" if hidden else "")
    ]
    words += [row.note if row.run == "." else f"{row.run}: {row.note}" for row in rows if row.note]
    table = plain_table("\n".join(words), gap)
    table.add_column("Learner", max_width=NAME_WIDTH, overflow="fold")
    for _, head, _ in columns:
        table.add_column(header(*head), justify="right")
    for i, (row, (name, *more)) in enumerate(zip(rows, lines, strict=True)):
        bold = "bold" if row.policy.startswith(LEARNED) else ""
        label = Text.assemble(
            (name, bold), *(("\n" + line, "yellow" if row.note else "dim") for line in more)
        )
        table.add_row(
            label,
            *(two_lines(cells[i], _style(kind, cells[i], bold)) for kind, _, cells in columns),
        )
    return table


def joined_markdown(rows: Sequence[JoinedRow]) -> str:
    """Return the rows as a Markdown table with every metric, one column per setting that varies,
    and the caption below it."""
    keys = list(dict.fromkeys(key for row in rows for key in row.varying))
    columns = [column for column in _columns(rows) if column[0] != "cost"]
    metrics = (
        " ".join(head) if kind == "difference" else f"{head[0]} ({head[1]})"
        for kind, head, _ in columns
    )
    heads = ["Run", "Policy", *keys, *metrics, "Env steps", "Seconds"]
    body = []
    for i, row in enumerate(rows):
        cost = [MISSING if x is None else f"{x:,.0f}" for x in (row.env_steps, row.seconds)]
        settings = [row.varying.get(key, MISSING) for key in keys]
        cells = [
            row.run or "all",
            row.policy,
            *settings,
            *(one_line(cells[i]) for _, _, cells in columns),
            *cost,
            row.note,
        ]
        body.append([cell.replace("|", "\\|") for cell in cells])
    noted = any(row.note for row in rows)
    heads, body = ([*heads, "Note"], body) if noted else (heads, [cells[:-1] for cells in body])
    rule = ["---"] * (2 + len(keys)) + ["---:"] * (len(columns) + 2) + ["---"] * noted
    return "\n".join([*map(markdown_line, (heads, rule, *body)), "", joined_caption(rows), ""])


def joined_json(rows: Sequence[JoinedRow]) -> list[dict[str, Any]]:
    """Return the rows as plain data, with the metrics of every seed."""
    return [row._asdict() for row in rows]


def joined_caption(rows: Sequence[JoinedRow]) -> str:
    """Return the caption: runs, seeds, the meaning of brackets and differences, the share of cut
    sessions, and a warning that the best of several is biased upwards."""
    learners = [row for row in rows if row.run and not row.note]
    kinds = [row.note.partition(":")[0] for row in rows if row.note]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    seeds = sorted({seeds_of(row) for row in learners})
    words = [
        count_text(len({row.run for row in rows if row.run}), "run")
        + (f" ({counts})" if counts else "")
    ]
    if learners:
        words.append(" or ".join(count_text(n or None, "seed") for n in seeds))
        words.append("one seed gives no interval" if seeds == [1] else f"mean [{INTERVAL}]")
    if against := [
        name for name in (CONTENT, MYOPIC) if any(name in row.differences for row in rows)
    ]:
        minus = ", ".join(
            f"− {name}" + " (its twin with gamma = 0)" * (name == MYOPIC) for name in against
        )
        words.append(f"{minus}: difference of return within the run, paired by seed")
    compared = sum(return_of(row) > -math.inf for row in learners)
    if compared > 1:
        words.append(
            f"the best of {compared} learners was chosen by the "
            "metrics shown, so its lead is overestimated"
        )
    shares = [row.censored for row in rows if row.censored is not None]
    if learners:
        cut = (
            ("none" if max(shares) == 0 else f"at most {100 * max(shares):.2g} %")
            if shares
            else "not recorded"
        )
        words.append(f"sessions cut by the horizon: {cut}")
    return "; ".join(words)


def _names(rows: Sequence[JoinedRow]) -> list[list[str]]:
    """Return the lines of the first column: run and policy, then the settings of the row; keys are
    shortened to their last part where it is unique."""
    several = len({row.run for row in rows if row.run}) > 1
    keys = list(dict.fromkeys(key for row in rows for key in row.varying))
    last = [key.rpartition(".")[2] for key in keys]
    short = {
        key: name if last.count(name) == 1 else key for key, name in zip(keys, last, strict=True)
    }
    lines = []
    for row in rows:
        policy, *point = name_lines(row.policy)
        head = " ".join(filter(None, (row.run if several else "", policy)))
        settings = [f"{short[key]}={value}" for key, value in row.varying.items()]
        lines.append(
            [
                head or "run",
                *dict.fromkeys([*settings, *point]),
                *filter(None, [row.note.partition(":")[0]]),
            ]
        )
    return lines


def _columns(rows: Sequence[JoinedRow]) -> list[Column]:
    """Return every column that some row has a value for."""
    columns = []
    for metric, name, unit in columns_of(row.metrics for row in rows):
        columns.append(
            (metric, (name, unit), _metric_cells(rows, [row.metrics.get(metric) for row in rows]))
        )
    for name in (CONTENT, MYOPIC):
        entries = [row.differences.get(name) for row in rows]
        if any(entries):
            columns.append(
                ("difference", ("Return", f"− {name}"), _metric_cells(rows, entries, signed=True))
            )
    cost = []
    for row in rows:
        steps = MISSING if row.env_steps is None else f"{row.env_steps:,}"
        cost.append(Cell(steps, "" if row.seconds is None else f"{row.seconds:,.0f} s"))
    return [*columns, ("cost", ("Steps", "time"), cost)]


def _metric_cells(
    rows: Sequence[JoinedRow], entries: list[Entry | None], signed: bool = False
) -> list[Cell]:
    cells = cells_of([*entries], spread=True, signed=signed)
    return [
        Cell(cell.mean, "", False) if seeds_of(row) == 1 else cell
        for row, cell in zip(rows, cells, strict=True)
    ]


def _fitting(columns: list[Column], name: int, width: int) -> tuple[list[Column], int]:
    """Return the columns that fit beside a first column of ``name`` characters, and the gap between
    them."""
    for spared, gap in itertools.product(range(len(SPARED) + 1), (2, 1)):
        shown = [column for column in columns if column[0] not in SPARED[:spared]]
        widths = [
            max(map(len, (*head, *(text for cell in cells for text in cell[:2]))))
            for _, head, cells in shown
        ]
        if name + sum(widths) + gap * len(widths) <= width:
            return shown, gap
    return [column for column in columns if column[0] not in SPARED], 1


def _style(kind: str, cell: Cell, name: str) -> str:
    return (
        ("green" if cell.beats else "yellow")
        if kind == "difference"
        else ""
        if kind == "cost"
        else name
    )
