"""``metrics.jsonl`` as one Parquet table, in two passes over the file: first the types of the
columns, then their values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lrdqn.atomic import json_text, replacing
from lrdqn.config import InputError

NO_PYARROW = "metrics.parquet needs pyarrow: pip install 'lrdqn[data]'"
BATCH_ROWS = 16_384
"""Number of rows held in memory at a time, and of a row group."""

INT64 = range(-(2**63), 2**63)


def iter_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a JSON-lines file. An incomplete last line, which a killed run leaves, is
    dropped.

    Raises:
        InputError: the file cannot be read, or a line is not an object.
    """
    number = 0
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise InputError(f"{path}: line {number} is damaged (it is not an object)")
                yield row
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise InputError(f"{path}: line {number} is damaged ({error})") from error


def write_parquet(rows_path: Path, path: Path) -> str | None:
    """Write the rows of ``metrics.jsonl`` as Parquet (zstd), in memory that does not grow with the
    run.

    The type of a column follows its rows: booleans, 64-bit integers, floats, or text. Integers
    mixed with floats become floats, a column of ``null`` only holds floats (NaN is written as
    ``null``), and any other mixture becomes text, as JSON where a value is not text.

    Args:
        rows_path: the file of rows.
        path: the file of the table. A reader, at any time or after a crash, finds the old file or
            the new one.

    Returns:
        ``None`` if the table was written, else one line that says why it was not.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return NO_PYARROW
    try:
        kinds = _columns(rows_path)
        if not kinds:
            return f"{path.name}: {rows_path.name} has no rows"
        types = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "text": pa.string()}
        schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
        with replacing(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
            rows = iter_rows(rows_path)
            while batch := list(islice(rows, BATCH_ROWS)):
                columns = [
                    pa.array([_cell(row.get(name), kinds[name]) for row in batch], field.type)
                    for name, field in zip(kinds, schema, strict=True)
                ]
                writer.write_batch(pa.record_batch(columns, schema=schema))
    except InputError as error:
        return f"{path.name}: {error}"
    except OSError as error:
        return f"{path}: cannot be written ({error.strerror or error})"
    return None


def _columns(rows_path: Path) -> dict[str, str]:
    """Return the columns in the order in which they first appear, with their types:
    ``bool``, ``int``, ``float`` or ``text``."""
    found: dict[str, set[str]] = {}
    for row in iter_rows(rows_path):
        for name, value in row.items():
            kinds = found.setdefault(name, set())
            if value is not None:
                kinds.add(_kind(value))
    return {name: _common(kinds) for name, kinds in found.items()}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if value in INT64 else "float"
    return "float" if isinstance(value, float) else "text"


def _common(kinds: set[str]) -> str:
    if len(kinds) == 1:
        return next(iter(kinds))
    return "float" if kinds <= {"int", "float"} else "text"


def _cell(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "float":
        return float(value)
    return json_text(value) if kind == "text" and not isinstance(value, str) else value
