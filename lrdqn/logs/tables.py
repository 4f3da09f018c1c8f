"""Checks that the tables of a log belong together: ids that are there once, rows below the header,
and the share of ids of one table that another one has."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from lrdqn.config import InputError
from lrdqn.logs.csv import Column, read_columns
from lrdqn.logs.watch_log import index_in

MATCHED = 0.5
"""Lowest share of the rows of a table whose ids another table must have. Published logs lack a few
ids; tables of two versions share almost none."""


class Match(NamedTuple):
    """Rows of a table whose id is in another table."""

    table: str
    column: str
    other: str
    found: int
    rows: int

    def __str__(self) -> str:
        """Return the match as a line."""
        return (
            f"{self.found:,} of {self.rows:,} rows of {self.table} have a {self.column} "
            f"of {self.other}"
        )


def read_table(file: Path, columns: dict[str, Column], needed: str, source: str) -> dict[str, Any]:
    """Read a table whose first column in ``columns`` is its key; arguments as ``read_columns``.

    Raises:
        InputError: see ``read_columns``; or the table has no rows, or a key is there twice.
    """
    read = read_columns(file, columns, needed, source)
    key, ids = next(iter(read.items()))
    if not len(ids):
        raise InputError(f"{file}: has no rows; must have at least one below the header")
    order = np.argsort(ids, kind="stable")
    twice = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(twice):
        at = int(order[twice[0] + 1])
        raise InputError(
            f"{file}:{at + 2}: {key}={ids[at]}: must be there once; an earlier line has it too"
        )
    return read


def match(
    file: Path, column: str, ids: Int[np.ndarray, "n"], other: Path, known: Int[np.ndarray, "k"]
) -> Match:
    """Return how many of the ids of a column of ``file`` the table ``other`` has.

    Raises:
        InputError: fewer than ``MATCHED`` of the rows.
    """
    there = index_in(np.unique(known), ids) >= 0
    found = Match(file.name, column, other.name, int(there.sum()), len(ids))
    if found.found < MATCHED * found.rows:
        at = int(np.argmin(there))
        raise InputError(
            f"{file}:{at + 2}: {column}={ids[at]}: is not in {other.name}; only {found}, at least "
            f"{MATCHED:.0%} must: are the files of one version?"
        )
    return found


def cut_files(path: Path) -> list[Path]:
    """Return the CSV files below a folder that do not end with a line break, and so may have been
    cut."""
    cut = []
    for file in sorted(path.rglob("*.csv")):
        with file.open("rb") as data:
            size = data.seek(0, 2)
            data.seek(max(size - 1, 0))
            if size and data.read(1) not in b"\r\n":
                cut.append(file)
    return cut
