"""Files that are either whole or absent: written beside their place, flushed to disk, then moved
over it in one step."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from lrdqn.config import InputError


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically: a reader, at any time or after a crash, finds the old
    file or the new one.

    Raises:
        InputError: the folder is missing, full or not writable. The old file stays and nothing is
            left beside it.
    """
    path = Path(path)
    try:
        with replacing(path) as file:
            file.write(data)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that replaces ``path`` if the block ends without an error and is removed
    otherwise.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    # not tempfile: its files are private to the owner, and would stay so after the move
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(beside, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically (see ``write_bytes``)."""
    write_bytes(path, text.encode())


def write_json(path: Path, obj: Any) -> None:
    """Write ``obj`` to ``path`` as indented strict JSON, atomically; keys keep their order."""
    write_text(path, json_text(obj, indent=2) + "\n")


def json_text(obj: Any, indent: int | None = None) -> str:
    """Return ``obj`` as strict JSON: NaN and infinities become ``null``, arrays become lists, paths
    and keys become strings.

    Raises:
        TypeError: JSON cannot represent a value in ``obj``.
    """
    return json.dumps(_plain(obj), indent=indent, allow_nan=False, ensure_ascii=False)


def _plain(obj: Any) -> Any:
    if isinstance(obj, float):
        return float(obj) if math.isfinite(obj) else None
    if isinstance(obj, Mapping):
        return {str(key): _plain(value) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [_plain(value) for value in obj]
    if isinstance(obj, Path):
        return str(obj)
    if hasattr(
        obj, "tolist"
    ):  # arrays and array scalars, of NumPy and of jax, without importing either
        return _plain(obj.tolist())
    return obj
