"""Embeddings of streamers from a NumPy file (``.npy`` or ``.npz``); checked without jax, and never
unpickled.

KuaiLive's title embeddings have this form: a row of 128 numbers per ``live_name_id``;
``env.embedding_ids`` then maps streamers to rows.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lrdqn.config import InputError

TABLE, IDS = "env.embeddings", "env.embedding_ids"


def load_embeddings(path: Path, ids: Path | None, streamers: int) -> Any:
    """Return one row per streamer ``[S, D]``, float32; zeros where a streamer has none.

    Args:
        path: the table ``[rows, D]``; of a ``.npz`` its only array, or the one named
            ``embeddings``.
        ids: each streamer's row ``[S]``, -1 for none; ``None`` takes the rows in order, of which
            there must be S.
        streamers: S.

    Raises:
        InputError: a file is missing, damaged or pickled, or what it holds has another shape, type
            or range. The line names the key, the file, and what it must be.
    """
    table = _read(TABLE, path)
    if table.ndim != 2 or table.dtype.kind != "f" or 0 in table.shape:
        raise InputError(
            f"{TABLE}={path}: is {_shape(table)}; must be floats of shape [rows, numbers]"
        )
    if ids is None:
        if len(table) != streamers:
            raise InputError(
                f"{TABLE}={path}: has {len(table)} rows for {streamers} "
                f"streamers; must be one each, or give {IDS}"
            )
        rows = np.asarray(table, np.float32)
    else:
        rows = _picked(table, ids, streamers)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        raise InputError(
            f"{TABLE}={path}: the row of streamer {bad[0]} is not "
            "finite; must be numbers, or zeros for none"
        )
    if not rows.any():
        raise InputError(
            f"{TABLE}={path}: all {streamers} streamers have a row "
            "of zeros; at least one must have an embedding"
        )
    return rows


def _picked(table: Any, path: Path, streamers: int) -> Any:
    """Return the rows that the ids name; a table on disk is read at these only."""
    ids = _read(IDS, path)
    if ids.shape != (streamers,) or ids.dtype.kind not in "iu":
        raise InputError(
            f"{IDS}={path}: is {_shape(ids)}; must be whole numbers "
            f"of shape [{streamers}], one per streamer"
        )
    wrong = ids[(ids < -1) | (ids >= len(table))]
    if wrong.size:
        raise InputError(
            f"{IDS}={path}: has {wrong[0]}; must lie in [-1, {len(table) - 1}], the rows of {TABLE}"
        )
    rows = np.zeros((streamers, table.shape[1]), np.float32)
    rows[ids >= 0] = table[ids[ids >= 0]]
    return rows


def _read(key: str, path: Path) -> Any:
    """Return the array of a file; ``key`` is the setting that named it."""
    if path.suffix not in (".npy", ".npz"):
        raise InputError(f"{key}={path}: must be a .npy or .npz file")
    try:
        if path.suffix == ".npy":
            return np.load(path.expanduser(), mmap_mode="r", allow_pickle=False)
        with np.load(path.expanduser(), allow_pickle=False) as held:
            names = held.files
            name = "embeddings" if "embeddings" in names or len(names) != 1 else names[0]
            if name not in names:
                raise InputError(
                    f"{key}={path}: holds {', '.join(names) or 'nothing'}; "
                    "must hold one array, or `embeddings`"
                )
            return held[name]
    except OSError as error:
        what = (
            "no such file"
            if isinstance(error, FileNotFoundError)
            else f"cannot be read ({error.strerror or error})"
        )
        raise InputError(f"{key}={path}: {what}; must be a .npy or .npz file") from error
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{key}={path}: is damaged, or holds Python objects; must be a NumPy array of numbers"
        ) from error


def _shape(array: Any) -> str:
    return f"{array.dtype.name} of shape {list(array.shape)}"
