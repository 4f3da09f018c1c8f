"""Embedding files: rows that are read, and one line for every file that is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrdqn.config import InputError
from lrdqn.envs.live.embeddings import load_embeddings

TABLE = np.arange(1, 13, dtype=np.float32).reshape(4, 3)


def saved(folder: Path, name: str, *arrays: Any, **named: Any) -> Path:
    path = folder / name
    if path.suffix == ".npy":
        np.save(path, arrays[0], allow_pickle=True)
    else:
        np.savez(path, *arrays, **named)
    return path


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_rows_are_streamers_in_order(tmp_path: Path, kind: str) -> None:
    for path in (
        saved(tmp_path, "a.npy", TABLE.astype(kind)),
        saved(tmp_path, "a.npz", TABLE.astype(kind)),
        saved(tmp_path, "b.npz", np.zeros(2), embeddings=TABLE.astype(kind)),
    ):
        got = load_embeddings(path, None, 4)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, TABLE)


def test_ids_say_whose_row_is_whose_and_who_has_none(tmp_path: Path) -> None:
    ids = saved(tmp_path, "ids.npy", np.array([3, -1, 0, 0, 2]))
    got = load_embeddings(saved(tmp_path, "a.npy", TABLE), ids, 5)
    np.testing.assert_array_equal(got, [TABLE[3], np.zeros(3), TABLE[0], TABLE[0], TABLE[2]])


def test_only_rows_that_are_named_need_be_numbers(tmp_path: Path) -> None:
    table = TABLE.copy()
    table[1, 2] = np.nan
    path = saved(tmp_path, "a.npy", table)
    assert np.isfinite(load_embeddings(path, saved(tmp_path, "ids.npy", np.array([0, 2])), 2)).all()
    with pytest.raises(
        InputError, match=r"env\.embeddings=.*a\.npy: the row of streamer 1 is not finite"
    ):
        load_embeddings(path, None, 4)


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (np.zeros(4), r"is float64 of shape \[4\]; must be floats of shape \[rows, numbers\]"),
        (np.ones((4, 3), np.int32), r"is int32 of shape \[4, 3\]; must be floats"),
        (np.ones((4, 0)), r"of shape \[4, 0\]; must be floats"),
        (
            np.ones((5, 3)),
            r"has 5 rows for 4 streamers; must be one each, or give env\.embedding_ids",
        ),
        (np.zeros((4, 3)), r"all 4 streamers have a row of zeros"),
        (np.full((4, 3), np.inf), r"the row of streamer 0 is not finite"),
        (
            np.array([[{}] * 3] * 4),
            r"is damaged, or holds Python objects; must be a NumPy array of numbers",
        ),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_one_line(
    tmp_path: Path, array: np.ndarray, line: str
) -> None:
    for name in ("bad.npy", "bad.npz"):
        with pytest.raises(InputError, match=rf"^env\.embeddings=.*{name}: .*{line}") as error:
            load_embeddings(saved(tmp_path, name, array), None, 4)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("ids", "line"),
    [
        (np.zeros(3, int), r"is int64 of shape \[3\]; must be whole numbers of shape \[4\]"),
        (np.zeros(4), r"is float64 of shape \[4\]; must be whole numbers"),
        (np.array([0, 1, 2, 4]), r"has 4; must lie in \[-1, 3\], the rows of env\.embeddings"),
        (np.array([0, -2, 2, 3]), r"has -2; must lie in \[-1, 3\]"),
    ],
)
def test_ids_that_cannot_be_are_refused_in_one_line(
    tmp_path: Path, ids: np.ndarray, line: str
) -> None:
    with pytest.raises(InputError, match=rf"^env\.embedding_ids=.*ids\.npy: {line}"):
        load_embeddings(saved(tmp_path, "a.npy", TABLE), saved(tmp_path, "ids.npy", ids), 4)


def test_files_that_cannot_be_read_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("1 2 3")
    (tmp_path / "text.npz").write_text("1 2 3")
    (tmp_path / "empty.npy").write_bytes(b"")
    whole = saved(tmp_path, "whole.npy", TABLE).read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-5])
    (tmp_path / "folder.npy").mkdir()
    several = saved(tmp_path, "several.npz", TABLE, TABLE)
    for path, line in {
        tmp_path / "none.npy": "no such file; must be a .npy or .npz file",
        tmp_path / "a.csv": "must be a .npy or .npz file",
        tmp_path / "text.npy": "is damaged, or holds Python objects",
        tmp_path / "text.npz": "is damaged, or holds Python objects",
        tmp_path / "empty.npy": "is damaged, or holds Python objects",
        tmp_path / "cut.npy": "is damaged, or holds Python objects",
        tmp_path / "folder.npy": "cannot be read",
        several: "holds arr_0, arr_1; must hold one array, or `embeddings`",
    }.items():
        with pytest.raises(InputError) as error:
            load_embeddings(path, None, 4)
        assert str(error.value).startswith(f"env.embeddings={path}: {line}")
        assert "\n" not in str(error.value)
