"""Reader of large CSV files by columns, with one-line errors that name file, line and column."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from jaxtyping import Int

from lrdqn.config import InputError

SECONDS_2100 = 4_102_444_800
"""2100-01-01 in seconds since 1970. A later time is in another unit."""
DAY_MS = 86_400_000
WORDS = {"int": "a whole number", "real": "a number", "text": "a text"}


class Column(NamedTuple):
    """Type and bounds of a column; ``empty`` replaces empty values where these are allowed."""

    kind: str = "int"
    """``int`` (int64), ``real`` (float64) or ``text`` (codes and names)."""
    low: float = -np.inf
    high: float = np.inf
    also: tuple[str, ...] = ()
    """Alternative names of the column."""
    empty: float | None = None
    allowed: str = ""
    """The bounds in words, for the message."""


TIME_MS = Column(
    low=1e12,
    high=1000 * SECONDS_2100,
    allowed="must be milliseconds since 1970, 13 digits, before 2100",
)


class Text(NamedTuple):
    """A column of text as codes into its distinct values."""

    code: Int[np.ndarray, "n"]
    names: tuple[str, ...]


def header_of(file: Path, needed: str) -> list[str]:
    """Return the names in the first line; ``needed`` describes the expected folder in errors.

    Raises:
        InputError: there is no such file, or its first line is not UTF-8 text.
    """
    if not file.is_file():
        raise InputError(f"path={file.parent}: has no {file.name}; must be {needed}")
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            return [name.strip().strip('"') for name in text.readline().rstrip("\r\n").split(",")]
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file}: the header is not UTF-8 text; must be comma-separated values"
        ) from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error


def read_columns(
    file: Path, columns: dict[str, Column], needed: str, source: str
) -> dict[str, Any]:
    """Read columns of a CSV file with a header, in any order; other columns are ignored.

    Args:
        file: the file.
        columns: name -> type and bounds.
        needed: the expected folder in words, for the message about a missing file.
        source: ``source=`` of the run, for the message about a missing library.

    Returns:
        name -> int64 or float64 array, or ``Text``.

    Raises:
        InputError: the file, a column or a value is missing or wrong. The line names file, line,
            column and what is allowed.
    """
    try:
        import pyarrow as pa
        import pyarrow.csv as pc
    except ImportError as error:
        raise InputError(
            f"source={source}: the library `pyarrow` is not "
            "installed; pip install 'lrdqn[calibrate]'"
        ) from error

    header = header_of(file, needed)
    there = {name: _name_in(header, name, column, file) for name, column in columns.items()}
    types = {
        "int": pa.int64(),
        "real": pa.float64(),
        "text": pa.dictionary(pa.int32(), pa.string()),
    }
    convert = pc.ConvertOptions(
        include_columns=list(there.values()),
        column_types={there[name]: types[column.kind] for name, column in columns.items()},
    )
    try:
        table = pc.read_csv(file, convert_options=convert)
    except pa.ArrowInvalid:
        try:  # again with one thread: only then does the reader know the line
            table = pc.read_csv(
                file, read_options=pc.ReadOptions(use_threads=False), convert_options=convert
            )
        except pa.ArrowInvalid as error:
            _explain(file, str(error), header, there, columns)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error
    read: dict[str, Any] = {}
    for name, column in columns.items():
        chunks = table.column(there[name])
        read[name] = (
            _text(chunks) if column.kind == "text" else _numbers(file, there[name], column, chunks)
        )
    return read


def _name_in(header: list[str], name: str, column: Column, file: Path) -> str:
    for known in (name, *column.also):
        if known in header:
            return known
    names = " or ".join((name, *column.also))
    raise InputError(f"{file}:1: column {names} is missing; the header has {', '.join(header)}")


def _text(chunks: Any) -> Text:
    import pyarrow as pa

    whole = chunks.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # no rows at all
        return Text(np.zeros(0, np.int32), ())
    return Text(
        np.asarray(whole.indices, np.int32),
        tuple(str(name) for name in whole.dictionary.to_pylist()),
    )


def _numbers(file: Path, name: str, column: Column, chunks: Any) -> np.ndarray:
    allowed = column.allowed or f"must be {WORDS[column.kind]}"
    if chunks.null_count:
        if column.empty is None:
            at = int(np.flatnonzero(np.asarray(chunks.is_null()))[0])
            raise InputError(f"{file}:{at + 2}: {name} is empty; {allowed}")
        chunks = chunks.fill_null(int(column.empty) if column.kind == "int" else column.empty)
    values = chunks.to_numpy()
    # NaN, which replaces an empty value, is not outside.
    outside = (values < column.low) | (values > column.high)
    if outside.any():
        at = int(np.flatnonzero(outside)[0])
        raise InputError(f"{file}:{at + 2}: {name}={values[at]}: {allowed}")
    return values


def _explain(
    file: Path, said: str, header: list[str], there: dict[str, str], columns: dict[str, Column]
) -> NoReturn:
    """Raise the reader's error as a line that names file, line, column, value and what is
    allowed."""
    line = re.search(r"Row #(\d+)", said)
    where = f"{file}:{line.group(1)}" if line else f"{file}"
    value = re.search(r"CSV column #(\d+):.*?invalid value '(.*)'", said, re.DOTALL)
    count = re.search(r"Expected (\d+) columns, got (\d+)", said)
    if value:
        column = header[int(value.group(1))]
        wanted = next(columns[name] for name, known in there.items() if known == column)
        allowed = wanted.allowed or f"must be {WORDS[wanted.kind]}"
        raise InputError(f"{where}: {column}={value.group(2)!r}: {allowed}")
    if count:
        raise InputError(
            f"{where}: has {count.group(2)} values; must have {count.group(1)}, as the header"
        )
    raise InputError(f"{where}: {said.splitlines()[0]}; must be comma-separated values in UTF-8")
