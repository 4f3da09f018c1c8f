"""The reader of large CSV files: columns, and one-line errors."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from lrdqn.config import InputError
from lrdqn.logs.csv import Column, read_columns

COLUMNS = {
    "user": Column(low=0, allowed="must be 0 or more"),
    "kind": Column("text"),
    "length": Column("real", low=0, empty=np.nan),
    "owner": Column(also=("author",)),
}
GOOD = (
    b"owner,kind,skipped,user,length\n"
    b'5,a,x,0,1.5\n6,"b,c",x,3,\n7,,x,2,nan\n8,a,x,9223372036854775807,4\n'
)


def read(folder: Path, data: bytes) -> dict:
    (folder / "some.csv").write_bytes(data)
    return read_columns(folder / "some.csv", COLUMNS, "a good folder", "kuailive")


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + GOOD,
        GOOD.replace(b"owner", b"author"),
        GOOD.rstrip(b"\n"),
        GOOD.replace(b"\n6", b"\n\n6"),
    ],
)
def test_columns_come_in_any_order_and_format(tmp_path: Path, data: bytes) -> None:
    got = read(tmp_path, data)
    np.testing.assert_array_equal(got["user"], [0, 3, 2, 2**63 - 1])
    np.testing.assert_array_equal(got["owner"], [5, 6, 7, 8])
    np.testing.assert_array_equal(got["length"], [1.5, np.nan, np.nan, 4])
    assert [got["kind"].names[code] for code in got["kind"].code] == ["a", "b,c", "", "a"]
    assert got["user"].dtype == np.int64


def test_a_file_of_many_blocks_is_one_column(tmp_path: Path) -> None:
    rows = 200_000
    names = np.array(["first", "second", "third"])[np.minimum(np.arange(rows) // 90_000, 2)]
    body = "\n".join(f"{i},{name},,{i},0" for i, name in enumerate(names.tolist()))
    got = read(tmp_path, f"owner,kind,skipped,user,length\n{body}\n".encode())
    np.testing.assert_array_equal(got["user"], np.arange(rows))
    np.testing.assert_array_equal(np.array(got["kind"].names)[got["kind"].code], names)


def test_a_header_alone_is_no_rows(tmp_path: Path) -> None:
    got = read(tmp_path, b"owner,kind,user,length\n")
    assert len(got["user"]) == len(got["kind"].code) == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (GOOD.replace(b",3,", b",x3,"), "some.csv:3: user='x3': must be 0 or more"),
        (GOOD.replace(b",3,", b",1.5,"), "some.csv:3: user='1.5': must be 0 or more"),
        (GOOD.replace(b",3,", b",-3,"), "some.csv:3: user=-3: must be 0 or more"),
        (GOOD.replace(b",3,", b",,"), "some.csv:3: user is empty; must be 0 or more"),
        (GOOD.replace(b"1.5", b"long"), "some.csv:2: length='long': must be a number"),
        (GOOD.replace(b"1.5", b"-1"), "some.csv:2: length=-1.0: must be a number"),
        (
            GOOD.replace(b"user", b"usr"),
            "some.csv:1: column user is missing; the header has owner, kind, skipped, usr, length",
        ),
        (GOOD.replace(b"owner", b"boss"), "some.csv:1: column owner or author is missing"),
        (
            GOOD.replace(b"7,,x,2,nan", b"7,,x"),
            "some.csv:4: has 3 values; must have 5, as the header",
        ),
        (b"", "some.csv:1: column user is missing"),
        (b"\xff\xfe\x00a", "some.csv: the header is not UTF-8 text"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read(tmp_path, data)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_missing_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"has no some\.csv; must be a good folder"):
        read_columns(tmp_path / "some.csv", COLUMNS, "a good folder", "kuailive")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"source=kuailive: .*pip install 'lrdqn\[calibrate\]'"):
        read(tmp_path, GOOD)
