"""The MovieLens reader: a small log worked out by hand, and one-line errors."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lrdqn.config import InputError
from lrdqn.logs.movielens import read_movielens
from lrdqn.logs.rating_log import RatingLog


def test_reads_what_is_there(log: RatingLog) -> None:
    assert log.source == "movielens"
    assert (log.n_users, log.n_items, log.dropped_items) == (3, 4, 1)
    np.testing.assert_array_equal(log.user, [0, 0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(log.item, [0, 1, 2, 0, 2, 3, 0])
    np.testing.assert_array_equal(log.rating, np.float32([5, 2, 4, 4.5, 3, 1, 4]))
    np.testing.assert_array_equal(log.timestamp, [1000, 4600, 8200, 5000, 5000, 2_000_000, 0])
    assert [a.dtype.name for a in (log.user, log.item, log.rating, log.timestamp)] == [
        "int32",
        "int32",
        "float32",
        "int64",
    ]
    assert log.item_title == ("Alpha (1990)", "Beta, The (1991)", "Gamma (1992)", "Delta (1994)")
    # the only movie of "Horror" has no rating
    assert log.category_names == ("(no genres listed)", "Comedy", "Drama")
    np.testing.assert_array_equal(
        log.item_category, np.float32([[0, 0.5, 0.5], [0, 0, 1], [1, 0, 0], [0, 1, 0]])
    )
    assert log.item_tags == (
        (0, "funny", 3),
        (0, "funny", 7),
        (0, "noir", 3),
        (1, "noir", 3),
        (2, "noir", 3),
        (3, "noir", 3),
        (3, "slow, but good", 99),
    )


def same(a: RatingLog, b: RatingLog) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_line_ends_byte_order_marks_and_column_order_do_not_matter(
    log: RatingLog, folder: Path
) -> None:
    for name in ("ratings.csv", "movies.csv", "tags.csv"):
        text = (folder / name).read_text()
        (folder / name).write_bytes(
            b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n\r\n"
        )
    assert same(read_movielens(folder), log)
    rows = [
        line.split(",") for line in (folder / "ratings.csv").read_text(encoding="utf-8-sig").split()
    ]
    (folder / "ratings.csv").write_text(
        "\n".join(",".join([row[3], "x", row[2], row[1], row[0]]) for row in rows)
    )
    assert same(read_movielens(folder), log)


WRONG = [
    (
        "ratings.csv",
        "3,20,2.0,4600",
        "3,20,5.5,4600",
        "ratings.csv:3: rating='5.5': must be a number in [0.5, 5.0]",
    ),
    (
        "ratings.csv",
        "3,20,2.0,4600",
        "3,20,0,4600",
        "ratings.csv:3: rating='0': must be a number in [0.5, 5.0]",
    ),
    (
        "ratings.csv",
        "3,20,2.0,4600",
        "3,20,nan,4600",
        "ratings.csv:3: rating='nan': must be a number in [0.5, 5.0]",
    ),
    (
        "ratings.csv",
        "3,20,2.0,4600",
        "3,20,good,4600",
        "ratings.csv:3: rating='good': must be a number in [0.5, 5.0]",
    ),
    (
        "ratings.csv",
        "3,20,2.0,4600",
        "3,20,0_4,4600",
        "ratings.csv:3: rating='0_4': must be a number in [0.5, 5.0]",
    ),
    (
        "ratings.csv",
        "7,10,4.5,5000",
        "7.5,10,4.5,5000",
        "ratings.csv:5: userId='7.5': must be a whole number",
    ),
    (
        "ratings.csv",
        "7,10,4.5,5000",
        ",10,4.5,5000",
        "ratings.csv:5: userId='': must be a whole number",
    ),
    (
        "ratings.csv",
        "7,10,4.5,5000",
        "7,x,4.5,5000",
        "ratings.csv:5: movieId='x': must be a whole number",
    ),
    (
        "ratings.csv",
        "7,10,4.5,5000",
        "7,60,4.5,5000",
        "ratings.csv:5: movieId='60': must be a movie of movies.csv",
    ),
    (
        "ratings.csv",
        "7,10,4.5,5000",
        "7,30,4.5,5000",
        "ratings.csv:6: movieId='30': user 7 has rated this movie on an earlier line",
    ),
    (
        "ratings.csv",
        "20,10,4.0,0",
        "20,10,4.0,-1",
        "ratings.csv:8: timestamp='-1': must be a whole number",
    ),
    (
        "ratings.csv",
        "20,10,4.0,0",
        "20,10,4.0,1e9",
        "ratings.csv:8: timestamp='1e9': must be a whole number",
    ),
    (
        "ratings.csv",
        "20,10,4.0,0",
        "20,10,4.0," + "9" * 19,
        "ratings.csv:8: timestamp='9999999999999999999': must be a whole number",
    ),
    (
        "ratings.csv",
        "20,10,4.0,0",
        "20,10,4.0,\u00b2",
        "ratings.csv:8: timestamp='\u00b2': must be a whole number",
    ),
    ("ratings.csv", "20,10,4.0,0", "20,10,4.0", "ratings.csv:8: has 3 values; must have 4"),
    ("ratings.csv", "20,10,4.0,0", "20,10,4.0,0,1", "ratings.csv:8: has 5 values; must have 4"),
    (
        "ratings.csv",
        "rating,",
        "stars,",
        "ratings.csv:1: column rating is missing; the header must name userId, movieId, rating",
    ),
    (
        "movies.csv",
        ",genres\n",
        ",genre\n",
        "movies.csv:1: column genres is missing; the header must name movieId, title, genres",
    ),
    ("movies.csv", "50,Delta", "20,Delta", "movies.csv:6: movieId='20': must be there once"),
    ("movies.csv", "50,Delta", "-5,Delta", "movies.csv:6: movieId='-5': must be a whole number"),
    ("movies.csv", ",Comedy\n", ",\n", "movies.csv:6: genres='': must be names separated by '|'"),
    (
        "movies.csv",
        "Comedy|Drama",
        "Comedy||Drama",
        "movies.csv:2: genres='Comedy||Drama': must be names separated by '|'",
    ),
    ("movies.csv", '"Beta, The (1991)"', '"Beta, The" x', "movies.csv:3: "),
    ("tags.csv", "99,50", "99,51", "tags.csv:9: movieId='51': must be a movie of movies.csv"),
    ("tags.csv", "99,50", "x,50", "tags.csv:9: userId='x': must be a whole number"),
    ("tags.csv", "lost,5", "lost,soon", "tags.csv:8: timestamp='soon': must be a whole number"),
    ("tags.csv", "tag,", "word,", "tags.csv:1: column tag is missing"),
]


@pytest.mark.parametrize(("name", "old", "new", "message"), WRONG)
def test_a_bad_row_is_named(folder: Path, name: str, old: str, new: str, message: str) -> None:
    text = (folder / name).read_text()
    assert text.count(old) == 1
    (folder / name).write_text(text.replace(old, new))
    with pytest.raises(InputError, match="^" + re.escape(f"{folder}/{message}")) as caught:
        read_movielens(folder)
    assert "\n" not in str(caught.value)


def test_line_numbers_count_lines_of_the_file_and_not_rows(folder: Path) -> None:
    text = (folder / "movies.csv").read_text()
    (folder / "movies.csv").write_text(
        text.replace("Beta, The (1991)", "Beta,\nThe\n(1991)").replace(",Comedy\n", ",\n")
    )
    with pytest.raises(InputError, match=re.escape("movies.csv:8: genres=''")):
        read_movielens(folder)


def test_a_log_without_ratings_is_refused(folder: Path) -> None:
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n")
    with pytest.raises(InputError, match=r"ratings\.csv: has no ratings; must have at least one"):
        read_movielens(folder)
    (folder / "ratings.csv").write_text("")
    with pytest.raises(InputError, match=r"ratings\.csv:1: column userId is missing"):
        read_movielens(folder)


def test_bytes_that_are_not_utf8_are_refused(folder: Path) -> None:
    (folder / "tags.csv").write_bytes(b"userId,movieId,tag,timestamp\n3,10,caf\xe9,1\n")
    with pytest.raises(InputError, match=r"tags\.csv: byte 0xe9 .*must be UTF-8"):
        read_movielens(folder)


@pytest.mark.parametrize("name", ["ratings.csv", "movies.csv", "tags.csv"])
def test_missing_files_are_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"^path={re.escape(str(folder))}: has no {name}"):
        read_movielens(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^path=.*nowhere: no such folder; must be a MovieLens folder"
    ):
        read_movielens(tmp_path / "nowhere")
