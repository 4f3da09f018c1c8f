"""A MovieLens log small enough to work out by hand, one with two tastes to fit, and a population
for what ratings do not tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lrdqn.envs.live.population_arrays import Population
from lrdqn.logs.movielens import read_movielens
from lrdqn.logs.rating_log import RatingLog

RATINGS = """userId,movieId,rating,timestamp
3,10,5.0,1000
3,20,2.0,4600
3,30,4.0,8200
7,10,4.5,5000
7,30,3.0,5000
20,50,1.0,2000000
20,10,4.0,0
"""
MOVIES = """movieId,title,genres
10,Alpha (1990),Comedy|Drama
20,"Beta, The (1991)",Drama
30,Gamma (1992),(no genres listed)
40,Nobody's (1993),Horror
50,Delta (1994),Comedy
"""
# "noir" has more uses, "funny" more users.
TAGS = """userId,movieId,tag,timestamp
3,10,Funny,1
7,10, funny ,2
3,10,noir,4
3,20,noir,4
3,30,noir,4
3,50,noir,4
20,40,lost,5
99,50,"slow, but good",6
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("ratings.csv", RATINGS), ("movies.csv", MOVIES), ("tags.csv", TAGS)):
        (tmp_path / name).write_bytes(text.encode())
    return tmp_path


@pytest.fixture
def log(folder: Path) -> RatingLog:
    return read_movielens(folder)


def write_tastes(folder: Path, users: int = 60, movies: int = 120, each: int = 20) -> Path:
    """Write a log of two groups of users who like one half of the movies each, the comedies or the
    dramas, and return its folder."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    half = movies // 2
    ratings = [
        f"{u + 1},{m + 1},{rng.choice([4.0, 4.5, 5.0])},{1_000_000 + t}"
        for u in range(users)
        for t, m in enumerate(rng.permutation(half)[:each] + half * (u >= users // 2))
    ]
    titles = [f"{m + 1},Movie {m + 1},{'Comedy' if m < half else 'Drama'}" for m in range(movies)]
    for name, header, rows in (
        ("ratings.csv", "userId,movieId,rating,timestamp", ratings),
        ("movies.csv", "movieId,title,genres", titles),
        ("tags.csv", "userId,movieId,tag,timestamp", ["1,1,funny,1", "2,1,funny,1"]),
    ):
        (folder / name).write_text("\n".join([header, *rows]) + "\n")
    return folder


@pytest.fixture(scope="session")
def make_defaults() -> Callable[[int, int, int, int], Population]:
    """Return ``make_defaults(users, streamers, d, categories)``, which makes a population whose
    values no fit would give."""

    def make(users: int, streamers: int, d: int, categories: int) -> Population:
        rng = np.random.default_rng(5)

        def real(*shape: int) -> np.ndarray:
            return rng.uniform(1, 2, shape).astype(np.float32)

        return Population(
            style=real(streamers, d),
            category=real(streamers, categories),
            tags=real(streamers, 3),
            log_popularity=real(streamers),
            skill=real(streamers),
            hook=real(streamers),
            room_rate=real(streamers),
            start_hour=real(streamers),
            debut=real(streamers),
            phase=real(categories),
            profile=real(users, 4),
            history=np.full((users, 2), -1, np.int32),
            history_watch=real(users, 2),
            history_reaction=np.full((users, 2), -1, np.int32),
            interactions=np.full(users, -1, np.int32),
            interest=real(users, d),
            category_bias=real(users, categories),
            wealth=real(users),
            activity=real(users),
            active_hour=real(users),
            loyalty=np.full((users, 2), -1, np.int32),
            loyalty_strength=real(users, 2),
            loyalty_hours=real(users, 2),
            followed=np.zeros((users, 2), bool),
            affinity_mean=np.float32(9),
            affinity_scale=np.float32(9),
            utility_mean=np.float32(7),
            utility_scale=np.float32(8),
        )

    return make
