"""The factorisation: split, recall, repeatability, and tastes that popularity cannot find."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lrdqn.calibration import factors
from lrdqn.calibration.factors import fit_factors, held_out, recall_at, unit_rows
from lrdqn.config import InputError
from lrdqn.logs.rating_log import RatingLog


def make_log(
    user: list[int], item: list[int], rating: list[float], timestamp: list[int]
) -> RatingLog:
    n_users, n_items = max(user) + 1, max(item) + 1
    return RatingLog(
        source="test",
        licence="none",
        user=np.array(user, np.int32),
        item=np.array(item, np.int32),
        rating=np.array(rating, np.float32),
        timestamp=np.array(timestamp, np.int64),
        n_users=n_users,
        n_items=n_items,
        item_title=tuple(map(str, range(n_items))),
        item_category=np.ones((n_items, 1), np.float32),
        category_names=("any",),
        item_tags=(),
        dropped_items=0,
    )


@pytest.fixture(scope="module")
def tastes() -> RatingLog:
    """Two groups of users who each like one half of the items, so that a list of popular items is
    half wrong for every user."""
    rng = np.random.default_rng(0)
    user, item, rating, time = [], [], [], []
    for u in range(60):
        own = np.arange(60) + (0 if u < 30 else 60)
        for t, i in enumerate(rng.permutation(own)[:20]):
            user.append(u)
            item.append(int(i))
            rating.append(float(rng.choice([4.0, 4.5, 5.0])))
            time.append(t)
    return make_log(user, item, rating, time)


def test_the_newest_fifth_of_each_user_is_held_out() -> None:
    # user 0: 10 events in falling order of time; user 1: 4 events; user 2: 5 events, three of them
    # in the same second
    user = [0] * 10 + [1] * 4 + [2] * 5
    time = [*range(100, 90, -1), 1, 2, 3, 4, 7, 5, 7, 7, 1]
    late = held_out(make_log(user, [*range(10), *range(4), *range(5)], [4.0] * 19, time))
    np.testing.assert_array_equal(np.flatnonzero(late), [0, 1, 17])


def test_recall_by_hand() -> None:
    # Scores of user 0 and 1: items 0..5 = 6, 5, 4, 3, 2, 1. User 2 scores them the other way round.
    user, item = (
        np.array([[1.0], [1.0], [-1.0]]),
        np.array([[6.0], [5.0], [4.0], [3.0], [2.0], [1.0]]),
    )
    log = make_log(
        [0, 0, 0, 0, 1, 1, 1, 2, 2],
        [0, 1, 2, 5, 0, 3, 4, 5, 3],
        [5.0, 4.0, 3.5, 5.0, 1.0, 4.0, 3.0, 2.0, 3.0],
        [0] * 9,
    )
    late = np.array([False, True, True, True, True, True, True, False, True])
    # user 0 knows item 0: top 2 = 1, 2; wanted 1, 2, 5 -> 2/3. user 1: top 2 = 0, 1; wanted 3 (0
    # and 4 are not liked) -> 0. user 2 wants nothing.
    assert recall_at(log, late, user, item, k=2) == (pytest.approx((2 / 3 + 0) / 2), 2)
    # with four places user 1 gets 0, 1, 2, 3
    assert recall_at(log, late, user, item, k=4) == (pytest.approx((2 / 3 + 1) / 2), 2)
    assert recall_at(log, np.zeros(9, bool), user, item, k=2) == (0.0, 0)


def test_an_item_met_before_is_not_looked_for() -> None:
    log = make_log([0, 0, 0], [0, 0, 1], [5.0, 5.0, 5.0], [1, 2, 3])
    late = np.array([False, True, True])
    assert recall_at(log, late, np.ones((1, 1)), np.array([[2.0], [1.0]]), k=1) == (1.0, 1)


def test_recall_does_not_depend_on_the_block(
    tastes: RatingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    user, item = rng.normal(size=(60, 4)), rng.normal(size=(120, 4))
    whole = recall_at(tastes, held_out(tastes), user, item)
    monkeypatch.setattr(factors, "BLOCK", 7)
    assert recall_at(tastes, held_out(tastes), user, item) == (pytest.approx(whole[0]), whole[1])


def test_unit_rows() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0], [0.0, 2.0]]))
    mean = np.array([0.3, 0.9]) / np.hypot(0.3, 0.9)
    np.testing.assert_allclose(rows, [[0.6, 0.8], mean, [0, 1]], atol=1e-12)
    np.testing.assert_array_equal(unit_rows(np.zeros((2, 3))), [[1, 0, 0], [1, 0, 0]])


def test_the_fit_finds_tastes(tastes: RatingLog) -> None:
    fit = fit_factors(tastes, 4, seed=0)
    assert fit.user.shape == (60, 4)
    assert fit.item.shape == (120, 4)
    assert fit.user.dtype == fit.item.dtype == np.float32
    assert fit.held_out_users == 60
    # With 16 items known, 44 of the user's half are left: a list of 20 of them has recall 20/44 =
    # 0.45, a random list 0.19.
    assert 0.38 < fit.recall < 0.55
    assert 0.38 < fit.cosine_recall < 0.55
    # half of a popular list is of the wrong half
    assert fit.popularity_recall < 0.8 * fit.recall
    assert fit.popularity_recall < 0.8 * fit.cosine_recall
    cosine = unit_rows(fit.user) @ unit_rows(fit.item).T
    assert cosine[:30, :60].mean() > cosine[:30, 60:].mean() + 0.5
    assert cosine[30:, 60:].mean() > cosine[30:, :60].mean() + 0.5


def test_the_measurement_does_not_see_what_it_predicts(
    tastes: RatingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, seen = factors._least_squares, []

    def spy(log: RatingLog, keep: np.ndarray, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        seen.append(keep.copy())
        return fit(log, keep, d, seed)

    monkeypatch.setattr(factors, "_least_squares", spy)
    result = fit_factors(tastes, 4, seed=0)
    np.testing.assert_array_equal(seen[0], ~held_out(tastes))
    assert seen[1].all()
    # what is returned is the second fit, and the recall is of the first
    whole = fit(tastes, seen[1], 4, 0)
    np.testing.assert_array_equal(result.item, whole[1])
    assert result.recall == recall_at(tastes, held_out(tastes), *fit(tastes, seen[0], 4, 0))[0]


def test_popularity_counts_likes_before_the_split_only(monkeypatch: pytest.MonkeyPatch) -> None:
    # four users: all like item 0 early and item 3 late, all dislike item 1 early, two like item 2
    # early
    log = make_log(
        [u for u in range(4) for _ in range(5)],
        [0, 1, 2, 4, 3, 0, 1, 2, 4, 3, 0, 1, 5, 4, 3, 0, 1, 5, 4, 3],
        [4.0, 3.0, 3.5, 1.0, 5.0] * 2 + [4.0, 1.0, 3.0, 1.0, 5.0] * 2,
        [1, 2, 3, 4, 5] * 4,
    )
    scored, measure = [], factors.recall_at

    def spy(
        log: RatingLog, late: np.ndarray, user: np.ndarray, item: np.ndarray
    ) -> tuple[float, int]:
        scored.append(user @ item.T)
        return measure(log, late, user, item)

    monkeypatch.setattr(factors, "recall_at", spy)
    fit = fit_factors(log, 2, seed=0)
    np.testing.assert_array_equal(scored[2], [[4, 0, 2, 0, 0, 0]] * 4)
    # a list of all six items finds everything
    assert (fit.popularity_recall, fit.held_out_users) == (1.0, 4)


def test_same_seed_same_vectors(tastes: RatingLog) -> None:
    a, b, c = fit_factors(tastes, 4, 1), fit_factors(tastes, 4, 1), fit_factors(tastes, 4, 2)
    np.testing.assert_array_equal(a.user, b.user)
    np.testing.assert_array_equal(a.item, b.item)
    assert a[2:] == b[2:]
    assert not np.array_equal(a.item, c.item)


def test_the_vectors_solve_the_equation_with_these_weights() -> None:
    rng = np.random.default_rng(2)
    pairs = rng.permutation(12 * 9)[:60]
    user, item = (
        np.concatenate([pairs // 9, np.arange(12)]),
        np.concatenate([pairs % 9, np.arange(12) % 9]),
    )
    pairs = np.unique(user * 9 + item)
    user, item, rating = pairs // 9, pairs % 9, rng.choice([1.0, 3.0, 3.5, 5.0], len(pairs))
    log = make_log(user.tolist(), item.tolist(), rating.tolist(), [0] * len(pairs))
    x, y = factors._least_squares(log, np.ones(len(pairs), bool), 2, seed=0)

    def solved(liked: float, other: float) -> np.ndarray:
        # the last half-sweep: each item's ridge regression on the users (two steps of its solver
        # are exact for d = 2)
        rows = []
        for i in range(9):
            c, p = np.ones(12), np.zeros(12)
            for u, r in zip(user[item == i], rating[item == i], strict=True):
                c[u], p[u] = liked if r >= 3.5 else other, 1.0
            rows.append(np.linalg.solve(x.T @ (c[:, None] * x) + 0.1 * np.eye(2), x.T @ (c * p)))
        return np.array(rows)

    np.testing.assert_allclose(y, solved(20, 4), rtol=2e-3, atol=1e-4)
    assert np.abs(y - solved(20, 20)).max() > 0.02
    assert np.abs(y - solved(20, 1)).max() > 0.02


@pytest.mark.parametrize("d", [0, 61])
def test_vectors_longer_than_the_log_allows(tastes: RatingLog, d: int) -> None:
    with pytest.raises(
        InputError,
        match=rf"^factors={d}: must lie in \[2, 60\], as test has 60 users and 120 items$",
    ):
        fit_factors(tastes, d, seed=0)


def test_without_the_library_it_says_what_to_install(
    tastes: RatingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "implicit.als", None)
    with pytest.raises(
        InputError, match=r"implicit.* is not installed; pip install 'lrdqn\[calibrate\]'$"
    ):
        fit_factors(tastes, 4, seed=0)
