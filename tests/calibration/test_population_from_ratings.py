"""Fields of a population fitted to ratings, against values worked out by hand and against loops."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from data.movielens_mini import write_tastes

from lrdqn.calibration.factors import Factors, fit_factors
from lrdqn.calibration.population_from_ratings import (
    REAL,
    population_card,
    rated_population,
    top_tags,
)
from lrdqn.calibration.scales import POPULARITY_MEAN, POPULARITY_SD
from lrdqn.envs.live.affinity import POPULARITY_MU, POPULARITY_SIGMA
from lrdqn.envs.live.population_arrays import Population, problem
from lrdqn.logs.movielens import read_movielens
from lrdqn.logs.rating_log import RatingLog

Make = Callable[[int, int, int, int], Population]


@pytest.fixture
def vectors() -> Factors:
    user = np.float32([[3, 4], [0, 2], [-1, 0]])
    item = np.float32([[0, 5], [0.6, 0.8], [0, 0], [-2, 0]])
    return Factors(user, item, 0.3, 0.25, 0.1, 3)


@pytest.fixture
def made(log: RatingLog, vectors: Factors, make_defaults: Make) -> Population:
    return rated_population(log, vectors, make_defaults(3, 4, 2, 3), history=3, tags=2)


def test_what_a_log_does_not_tell_stays(made: Population, make_defaults: Make) -> None:
    defaults = make_defaults(3, 4, 2, 3)
    for name in Population._fields:
        same = np.array_equal(getattr(made, name), getattr(defaults, name))
        assert same == (name not in REAL), name


def test_types_and_shapes(made: Population) -> None:
    assert problem({name: np.asarray(value) for name, value in made._asdict().items()}) is None
    assert made.history.shape == (3, 3)
    assert made.loyalty.shape == (3, 2)
    assert made.tags.shape == (4, 2)


def test_vectors_become_directions(made: Population) -> None:
    np.testing.assert_allclose(made.interest, [[0.6, 0.8], [0, 1], [-1, 0]], atol=1e-6)
    rest = np.array([-0.4, 1.8]) / np.hypot(0.4, 1.8)
    np.testing.assert_allclose(made.style, [[0, 1], [0.6, 0.8], rest, [-1, 0]], atol=1e-6)
    pairs = np.array([np.dot(x, y) for x in made.interest for y in made.style], np.float64)
    assert made.affinity_mean == pytest.approx(pairs.mean(), abs=1e-6)
    assert made.affinity_scale == pytest.approx(pairs.std(), abs=1e-6)


def test_categories_and_tags(log: RatingLog, made: Population) -> None:
    np.testing.assert_array_equal(made.category, log.item_category)
    # "funny" by two users, "noir" four times by one, "slow, but good" once by one.
    assert top_tags(log, 2) == ["funny", "noir"]
    assert top_tags(log, 9) == ["funny", "noir", "slow, but good"]
    np.testing.assert_array_equal(made.tags, [[1, 1], [0, 1], [0, 1], [0, 1]])


def test_more_tag_columns_than_tags(log: RatingLog, vectors: Factors, make_defaults: Make) -> None:
    made = rated_population(log, vectors, make_defaults(3, 4, 2, 3), history=1, tags=5)
    np.testing.assert_array_equal(made.tags[:, 3:], np.zeros((4, 2)))
    np.testing.assert_array_equal(made.tags[3], [0, 1, 1, 0, 0])


def test_popularity(made: Population) -> None:
    logs = [np.log(4), np.log(2), np.log(3), np.log(2)]  # 3, 1, 2 and 1 ratings
    mean = sum(logs) / 4
    sd = (sum((x - mean) ** 2 for x in logs) / 4) ** 0.5
    np.testing.assert_allclose(
        made.log_popularity, [0.670 + 1.792 * (x - mean) / sd for x in logs], rtol=1e-5
    )
    assert (POPULARITY_MEAN, POPULARITY_SD) == (POPULARITY_MU, POPULARITY_SIGMA)


def test_skill(made: Population) -> None:
    # Shrunk means with m = 23.5 / 7: (13.5 + 10 m) / 13, (2 + 10 m) / 11, (7 + 10 m) / 12, (1 + 10
    # m) / 11 = 3.621, 3.234, 3.381, 3.143: ranks 4, 2, 3, 1, middles 0.875, 0.375, 0.625, 0.125
    z = np.array([NormalDist().inv_cdf(p) for p in (0.875, 0.375, 0.625, 0.125)])
    np.testing.assert_allclose(made.skill, z / z.std(), rtol=1e-5)


def test_category_bias(log: RatingLog, made: Population) -> None:
    events = list(zip(log.user.tolist(), log.item.tolist(), log.rating.tolist(), strict=True))
    mean = sum(r for _, _, r in events) / len(events)
    quality = []
    for i in range(4):
        own = [r for _, j, r in events if j == i]
        quality.append((sum(own) + 10 * mean) / (len(own) + 10))
    bias = np.zeros((3, 3))
    for u in range(3):
        own = [(i, r - quality[i]) for v, i, r in events if v == u]
        centre = sum(e for _, e in own) / len(own)
        for g in range(3):
            weight = sum(float(log.item_category[i, g]) for i, _ in own)
            total = sum(float(log.item_category[i, g]) * (e - centre) for i, e in own)
            bias[u, g] = total / (weight + 5)
    np.testing.assert_allclose(made.category_bias, bias * 0.5 / bias.std(), rtol=1e-4, atol=1e-6)
    assert made.category_bias.std() == pytest.approx(0.5, rel=1e-5)
    # user 20 gave the comedy "Delta" 1 star, and half of a comedy 4: disliked comedy, liked drama
    assert made.category_bias[2, 1] < 0 < made.category_bias[2, 2]


def test_a_log_of_one_opinion_has_no_bias_and_no_skill(
    log: RatingLog, vectors: Factors, make_defaults: Make
) -> None:
    flat = log._replace(rating=np.full_like(log.rating, 4))
    made = rated_population(flat, vectors, make_defaults(3, 4, 2, 3), history=1, tags=2)
    np.testing.assert_allclose(made.category_bias, 0, atol=1e-5)
    np.testing.assert_array_equal(made.skill, np.zeros(4))


@pytest.mark.parametrize(("users", "streamers"), [(2, 4), (3, 5)])
def test_defaults_of_another_size(
    log: RatingLog, vectors: Factors, make_defaults: Make, users: int, streamers: int
) -> None:
    with pytest.raises(ValueError, match=r"of defaults: [25], but the log has [34]"):
        rated_population(log, vectors, make_defaults(users, streamers, 2, 3), history=1, tags=1)


def test_factors_of_another_log(log: RatingLog, vectors: Factors, make_defaults: Make) -> None:
    with pytest.raises(ValueError, match="items of factors: 3, but the log has 4"):
        rated_population(
            log,
            vectors._replace(item=vectors.item[:3]),
            make_defaults(3, 4, 2, 3),
            history=1,
            tags=1,
        )


def test_the_card(log: RatingLog, vectors: Factors, made: Population) -> None:
    card = population_card(log, vectors, made)
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert (
        card["users"],
        card["streamers"],
        card["ratings"],
        card["items_without_ratings_dropped"],
    ) == (3, 4, 7, 1)
    assert card["categories"] == ["(no genres listed)", "Comedy", "Drama"]
    assert card["tags"] == ["funny", "noir"]
    assert card["streamers_with_a_tag"] == 4
    assert "no commercial use" in card["licence"]
    assert "Harper" in card["licence"]
    assert sorted([*card["real"], *card["defaults"]]) == sorted(Population._fields)
    assert "hook" in card["defaults"]
    fit = card["fit"]
    assert (
        fit["factors"],
        fit["recall"],
        fit["recall_of_unit_vectors"],
        fit["recall_of_popularity"],
    ) == (2, 0.3, 0.25, 0.1)
    assert (fit["beats_popularity"], fit["unit_vectors_beat_popularity"]) == (True, True)


def test_the_card_hides_no_failure(log: RatingLog, vectors: Factors, made: Population) -> None:
    worse = population_card(log, vectors._replace(cosine_recall=0.05), made)["fit"]
    assert (worse["beats_popularity"], worse["unit_vectors_beat_popularity"]) == (True, False)
    unknown = population_card(log, vectors._replace(held_out_users=0), made)["fit"]
    assert (
        unknown["recall"] is unknown["recall_of_popularity"] is unknown["beats_popularity"] is None
    )


def test_a_log_of_two_tastes_makes_a_population(make_defaults: Make, tmp_path: Path) -> None:
    """From the files to the arrays: every field is there, and movies that the same people like
    point the same way."""
    log = read_movielens(write_tastes(tmp_path))
    users, streamers, categories = log.n_users, log.n_items, len(log.category_names)
    made = rated_population(
        log,
        fit_factors(log, 8, 0),
        make_defaults(users, streamers, 8, categories),
        history=20,
        tags=16,
    )
    assert problem({name: np.asarray(value) for name, value in made._asdict().items()}) is None
    assert made.log_popularity.mean() == pytest.approx(POPULARITY_MEAN, abs=1e-3)
    assert made.log_popularity.std() == pytest.approx(POPULARITY_SD, abs=1e-3)
    assert made.skill.mean() == pytest.approx(0, abs=1e-3)
    assert made.skill.std() == pytest.approx(1, abs=1e-3)
    # everybody has twenty ratings, of one half of the movies
    assert made.history.max() < streamers
    assert np.all(np.diff(np.sort(made.history, axis=1), axis=1) > 0)
    near, comedy = made.style @ made.style.T, made.category[:, 0] > 0
    same = comedy[:, None] == comedy[None]
    assert near[same].mean() > near[~same].mean() + 0.3
