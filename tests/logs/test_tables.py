"""Tables of a log that do not belong together are refused; their matches are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.kuailive_mini import Mini, make_mini

from lrdqn.config import InputError
from lrdqn.logs.kuailive import read_kuailive
from lrdqn.logs.tables import cut_files, match


@pytest.fixture
def mini() -> Mini:
    return make_mini(users=20, streamers=30, rooms=90)


def test_every_row_of_tables_of_one_version_matches(mini: Mini, tmp_path: Path) -> None:
    matches = read_kuailive(mini.write(tmp_path)).matches
    assert len(matches) == 13
    assert all(found.found == found.rows for found in matches)


@pytest.mark.parametrize(
    ("table", "column"), [("user", "user_id"), ("streamer", "streamer_id"), ("room", "live_id")]
)
def test_a_table_of_another_version_is_refused(
    mini: Mini, tmp_path: Path, table: str, column: str
) -> None:
    mini.files[table][column] = np.asarray(mini.files[table][column]) + 100_000
    with pytest.raises(InputError, match=rf"{column}=\d+: is not in {table}\.csv; only 0 of"):
        read_kuailive(mini.write(tmp_path))


@pytest.mark.parametrize(("table", "key"), [("user", "user_id"), ("streamer", "streamer_id")])
def test_tables_without_rows_or_with_an_id_twice_are_refused(
    mini: Mini, tmp_path: Path, table: str, key: str
) -> None:
    file = mini.write(tmp_path) / f"{table}.csv"
    header, first, *rest = file.read_text().splitlines()
    file.write_text("\n".join([header, first, first, *rest]) + "\n")
    with pytest.raises(InputError, match=rf"{table}\.csv:3: {key}=\d+: must be there once"):
        read_kuailive(tmp_path)
    file.write_text(header + "\n")
    with pytest.raises(InputError, match=rf"{table}\.csv: has no rows"):
        read_kuailive(tmp_path)


def test_half_of_the_rows_must_match() -> None:
    file, other, known = Path("a.csv"), Path("b.csv"), np.array([1, 2])
    assert match(file, "id", np.array([1, 2, 3, 4]), other, known).found == 2
    with pytest.raises(InputError, match=r"a\.csv:3: id=3: is not in b\.csv"):
        match(file, "id", np.array([1, 3, 4]), other, known)


def test_a_file_without_a_last_line_break_may_be_cut(tmp_path: Path) -> None:
    for name, text in (("whole", "a\n1\n"), ("cut", "a\n1"), ("empty", "")):
        (tmp_path / f"{name}.csv").write_text(text)
    assert [file.name for file in cut_files(tmp_path)] == ["cut.csv"]
