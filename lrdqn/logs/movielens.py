"""Reader of a MovieLens folder: ``ratings.csv``, ``movies.csv`` and ``tags.csv`` as GroupLens
publishes them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from lrdqn.config import InputError
from lrdqn.logs.csv import SECONDS_2100
from lrdqn.logs.rating_log import HIGHEST, LOWEST, RatingLog

LICENCE = (
    "GroupLens usage licence: research use, no commercial use without "
    "permission, no endorsement; redistribution, of "
    "transformations too, only under the same conditions; acknowledge F. "
    "M. Harper and J. A. Konstan, The MovieLens Datasets: "
    "History and Context, ACM TiiS 5(4):19, 2015, doi 10.1145/2827872"
)
DIGITS = 18
"""Largest number of digits that always fits int64."""
NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")


def read_movielens(path: Path) -> RatingLog:
    """Read a MovieLens folder; LF and CRLF line ends, further columns and any order of columns are
    accepted.

    Movies without ratings are left out with their tags (``dropped_items`` counts them). "(no genres
    listed)" is a category of its own: spreading such a movie over all genres would claim that it is
    a bit of each.

    Args:
        path: folder with ``ratings.csv`` (userId, movieId, rating, timestamp), ``movies.csv``
            (movieId, title, genres) and ``tags.csv`` (userId, movieId, tag, timestamp).

    Returns:
        The log. Users and items are numbered in the order of their ids.

    Raises:
        InputError: a folder, file, column or value is missing or wrong. The line names file, line
            number (the header's is 1), column, value and what is allowed.
    """
    if not path.is_dir():
        raise InputError(
            f"path={path}: no such folder; must be a MovieLens folder "
            "with ratings.csv, movies.csv and tags.csv"
        )
    for name in ("ratings.csv", "movies.csv", "tags.csv"):
        if not (path / name).is_file():
            raise InputError(
                f"path={path}: has no {name}; must be a MovieLens folder "
                "with ratings.csv, movies.csv and tags.csv"
            )

    movies = _read_movies(path / "movies.csv")
    users, items, ratings, times = _read_ratings(path / "ratings.csv", movies)
    user_ids, user = np.unique(users, return_inverse=True)
    item_ids, item = np.unique(items, return_inverse=True)
    kept = {int(movie): index for index, movie in enumerate(item_ids)}

    genres = [movies[movie][1] for movie in kept]
    names = sorted({name for row in genres for name in row})
    column = {name: index for index, name in enumerate(names)}
    category = np.zeros((len(kept), len(names)), np.float32)
    for index, row in enumerate(genres):
        category[index, [column[name] for name in row]] = 1 / len(row)

    return RatingLog(
        source="movielens",
        licence=LICENCE,
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        rating=ratings,
        timestamp=times,
        n_users=len(user_ids),
        n_items=len(item_ids),
        item_title=tuple(movies[movie][0] for movie in kept),
        item_category=category,
        category_names=tuple(names),
        item_tags=tuple(
            (kept[movie], tag, who)
            for movie, tag, who in _read_tags(path / "tags.csv", movies)
            if movie in kept
        ),
        dropped_items=len(movies) - len(kept),
    )


def _wrong(file: Path, line: int, column: str, value: str, allowed: str) -> NoReturn:
    raise InputError(f"{file}:{line}: {column}={value!r}: {allowed}")


def _rows(file: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, the values of ``columns``) of every row; blank lines are skipped."""
    with file.open(newline="", encoding="utf-8-sig") as text:
        reader = csv.reader(text, strict=True)
        try:
            header = next(reader, [])
            for name in columns:
                if name not in header:
                    raise InputError(
                        f"{file}:1: column {name} is missing; the "
                        f"header must name {', '.join(columns)}"
                    )
            at = [header.index(name) for name in columns]
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise InputError(
                        f"{file}:{reader.line_num}: has {len(row)} values; "
                        f"must have {len(header)}, as the header"
                    )
                yield reader.line_num, [row[i] for i in at]
        except csv.Error as error:
            raise InputError(
                f"{file}:{reader.line_num}: {error}; must be comma-separated values"
            ) from error
        except UnicodeDecodeError as error:
            raise InputError(
                f"{file}: byte {error.object[error.start]:#04x} after "
                f"line {reader.line_num}; must be UTF-8 text"
            ) from error


def _whole(file: Path, line: int, column: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= DIGITS):
        _wrong(file, line, column, value, f"must be a whole number of at most {DIGITS} digits")
    return int(value)


def _time(file: Path, line: int, value: str) -> int:
    seconds = _whole(file, line, "timestamp", value)
    if seconds > SECONDS_2100:
        _wrong(file, line, "timestamp", value, "must be seconds since 1970, before 2100")
    return seconds


def _movie(file: Path, line: int, value: str, movies: dict[int, tuple[str, list[str]]]) -> int:
    movie = _whole(file, line, "movieId", value)
    if movie not in movies:
        _wrong(file, line, "movieId", value, "must be a movie of movies.csv")
    return movie


def _read_movies(file: Path) -> dict[int, tuple[str, list[str]]]:
    """Return ``movieId -> (title, genres)``."""
    movies: dict[int, tuple[str, list[str]]] = {}
    for line, (movie_id, title, listed) in _rows(file, ("movieId", "title", "genres")):
        movie = _whole(file, line, "movieId", movie_id)
        if movie in movies:
            _wrong(
                file, line, "movieId", movie_id, "must be there once; an earlier line has it too"
            )
        genres = list(dict.fromkeys(genre.strip() for genre in listed.split("|")))
        if "" in genres:
            _wrong(
                file,
                line,
                "genres",
                listed,
                "must be names separated by '|', or (no genres listed)",
            )
        movies[movie] = (title, genres)
    return movies


def _read_ratings(
    file: Path, movies: dict[int, tuple[str, list[str]]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the columns userId, movieId, rating, timestamp."""
    users, items, ratings, times, seen = [], [], [], [], set[tuple[int, int]]()
    for line, (user_id, movie_id, stars, time) in _rows(
        file, ("userId", "movieId", "rating", "timestamp")
    ):
        pair = (_whole(file, line, "userId", user_id), _movie(file, line, movie_id, movies))
        rating = float(stars) if NUMBER.fullmatch(stars) else -1.0
        if not LOWEST <= rating <= HIGHEST:
            _wrong(file, line, "rating", stars, f"must be a number in [{LOWEST}, {HIGHEST}]")
        if pair in seen:
            _wrong(
                file,
                line,
                "movieId",
                movie_id,
                f"user {user_id} has rated this movie on an earlier line; must be rated once",
            )
        seen.add(pair)
        users.append(pair[0])
        items.append(pair[1])
        ratings.append(rating)
        times.append(_time(file, line, time))
    if not users:
        raise InputError(f"{file}: has no ratings; must have at least one row below the header")
    return (
        np.array(users, np.int64),
        np.array(items, np.int64),
        np.array(ratings, np.float32),
        np.array(times, np.int64),
    )


def _read_tags(
    file: Path, movies: dict[int, tuple[str, list[str]]]
) -> Iterator[tuple[int, str, int]]:
    """Yield (movieId, tag, userId) of every row, tags in lower case without outer blanks; empty
    tags are skipped."""
    for line, (user_id, movie_id, tag, time) in _rows(
        file, ("userId", "movieId", "tag", "timestamp")
    ):
        who, movie, name = (
            _whole(file, line, "userId", user_id),
            _movie(file, line, movie_id, movies),
            tag.strip().lower(),
        )
        _time(file, line, time)
        if name:
            yield movie, name, who
