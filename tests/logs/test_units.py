"""Columns in another unit, empty, negative or of another type are refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.kuailive_mini import make_mini
from data.movielens_mini import MOVIES, RATINGS, TAGS

from lrdqn.config import InputError
from lrdqn.logs.kuailive import read_kuailive
from lrdqn.logs.movielens import read_movielens

WRONG = ("-1", "", "NaN", "inf", "text", "1e400", "9" * 19)


def damage(file: Path, column: str, value: str | None = None, times: int | None = None) -> None:
    """Replace a column's value in the first row, or multiply the whole column."""
    header, *rows = (line.split(",") for line in file.read_text().splitlines())
    at = header.index(column)
    for row in rows if times else rows[:1]:
        row[at] = str(int(row[at]) * times) if times else str(value)
    file.write_text("".join(",".join(row) + "\n" for row in [header, *rows]))


@pytest.fixture
def movielens(tmp_path: Path) -> Path:
    for name, text in (("ratings", RATINGS), ("movies", MOVIES), ("tags", TAGS)):
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


@pytest.fixture
def kuailive(tmp_path: Path) -> Path:
    return make_mini(users=20, streamers=30, rooms=90).write(tmp_path)


@pytest.mark.parametrize("value", [*WRONG, "1000001000000", "4102444801"])
@pytest.mark.parametrize("file", ["ratings", "tags"])
def test_times_of_movielens_are_seconds(movielens: Path, file: str, value: str) -> None:
    damage(movielens / f"{file}.csv", "timestamp", value)
    with pytest.raises(InputError, match=rf"{file}\.csv:2: timestamp=.*must be"):
        read_movielens(movielens)


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("click", "user_id"),
        ("click", "timestamp"),
        ("click", "watch_live_time"),
        ("comment", "timestamp"),
        ("gift", "gift_price"),
        ("room", "start_timestamp"),
        ("room", "end_timestamp"),
    ],
)
def test_columns_of_kuailive_are_whole_numbers_in_range(
    kuailive: Path, file: str, column: str, value: str
) -> None:
    damage(kuailive / f"{file}.csv", column, value)
    with pytest.raises(InputError, match=rf"{file}\.csv:2: {column}.*must be"):
        read_kuailive(kuailive)


@pytest.mark.parametrize(
    ("file", "column"),
    [("click", "timestamp"), ("like", "timestamp"), ("click", "watch_live_time")],
)
def test_a_column_a_thousand_times_too_large_is_refused(
    kuailive: Path, file: str, column: str
) -> None:
    damage(kuailive / f"{file}.csv", column, times=1000)
    with pytest.raises(InputError, match=rf"{file}\.csv:\d+: {column}=\d+: must be milliseconds"):
        read_kuailive(kuailive)


def test_watches_in_seconds_are_refused(kuailive: Path) -> None:
    file = kuailive / "click.csv"
    header, *rows = (line.split(",") for line in file.read_text().splitlines())
    at = header.index("watch_live_time")
    for row in rows:
        row[at] = str(int(row[at]) // 1000)
    file.write_text("".join(",".join(row) + "\n" for row in [header, *rows]))
    with pytest.raises(InputError, match=r"watch_live_time=\d+: must be milliseconds watched"):
        read_kuailive(kuailive)


@pytest.mark.parametrize("value", ["20220301", "1746374400000", "2022", "2022-13-01", "3022-01-01"])
def test_dates_are_written_with_dashes(kuailive: Path, value: str) -> None:
    damage(kuailive / "streamer.csv", "first_live_timestamp", value)
    with pytest.raises(InputError, match=r"streamer\.csv:2: first_live_timestamp=.*must be a date"):
        read_kuailive(kuailive)
