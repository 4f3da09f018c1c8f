"""History and loyalty fields of the small log, worked out by hand (movie 10 is item 0, 20 is 1, 30
is 2, 50 is 3; 4 stands for none)."""

from __future__ import annotations

import numpy as np
import pytest

from lrdqn.envs.live.config import UserLawConfig
from lrdqn.logs.rating_history import (
    history_fields,
    loyalty_fields,
    loyalty_strength,
    watch_seconds,
)
from lrdqn.logs.rating_log import RatingLog, place_in_group


def test_history_is_newest_first(log: RatingLog) -> None:
    made = history_fields(log, 3)
    # User 7 rated both movies in one second; the later line is the newer one.
    np.testing.assert_array_equal(made["history"], [[2, 1, 0], [2, 0, 4], [3, 0, 4]])
    three = 4.04 * (216 / 4.04) ** (1 / 3)
    half = 216 * np.exp(1.43 / 2)
    np.testing.assert_allclose(
        made["history_watch"],
        [[216, 4.04, 216 * np.exp(1.43)], [three, half, 0], [4.04, 216, 0]],
        rtol=1e-5,
    )
    np.testing.assert_array_equal(made["history_reaction"], [[1, 0, 1], [0, 1, 0], [0, 1, 0]])
    assert [a.dtype.name for a in made.values()] == ["int32", "float32", "int32"]


def test_history_keeps_the_newest(log: RatingLog) -> None:
    np.testing.assert_array_equal(history_fields(log, 1)["history"], [[2], [2], [3]])


def test_seconds_grow_with_stars_and_follow_the_law() -> None:
    law = UserLawConfig()
    stars = np.arange(0.5, 5.01, 0.5)
    seconds = watch_seconds(stars)
    np.testing.assert_allclose(seconds[:5], law.bounce_median)
    assert np.all(np.diff(seconds[4:]) > 0)
    assert seconds[7] == pytest.approx(law.dwell_median)
    assert seconds[9] == pytest.approx(902.6, abs=0.1)


def test_strength_by_hand() -> None:
    np.testing.assert_allclose(
        loyalty_strength(np.array([0.5, 3.5, 4, 4.5, 5])), [0, 0, 0.3, 0.51, 0.657], atol=1e-9
    )


def test_loyalty_is_best_first_then_newest(log: RatingLog) -> None:
    made = loyalty_fields(log, 2)
    np.testing.assert_array_equal(made["loyalty"], [[0, 2], [0, 4], [0, 4]])
    np.testing.assert_allclose(
        made["loyalty_strength"], [[0.657, 0.3], [0.51, 0], [0.3, 0]], rtol=1e-5
    )
    # Two hours before the last rating; the last rating itself; 555 hours before it.
    np.testing.assert_allclose(made["loyalty_hours"], [[2, 1], [1, 336], [336, 336]])
    np.testing.assert_array_equal(made["followed"], [[True, False], [True, False], [False, False]])
    assert [a.dtype.name for a in made.values()] == ["int32", "float32", "float32", "bool"]


def test_equal_ratings_go_to_the_newest(log: RatingLog) -> None:
    equal = log._replace(rating=np.full_like(log.rating, 5))
    np.testing.assert_array_equal(loyalty_fields(equal, 2)["loyalty"], [[2, 1], [2, 0], [3, 0]])
    np.testing.assert_array_equal(loyalty_fields(equal, 1)["loyalty"], [[2], [2], [3]])


def test_an_item_met_twice_takes_one_slot_with_its_newest_rating(log: RatingLog) -> None:
    # User 3 returns to item 0 an hour after all else and gives it 4 stars.
    twice = log._replace(
        user=np.append(log.user, np.int32(0)),
        item=np.append(log.item, np.int32(0)),
        rating=np.append(log.rating, np.float32(4)),
        timestamp=np.append(log.timestamp, 8200 + 3600),
    )
    made = loyalty_fields(twice, 2)
    np.testing.assert_array_equal(made["loyalty"][0], [0, 2])
    np.testing.assert_allclose(made["loyalty_strength"][0], [0.3, 0.3], rtol=1e-5)
    np.testing.assert_array_equal(history_fields(twice, 4)["history"][0], [0, 2, 1, 0])


def test_random_logs_agree_with_a_twin_that_sorts_lists() -> None:
    rng = np.random.default_rng(4)
    pairs = rng.permutation(12 * 30)[:200]
    n = len(pairs)
    log = RatingLog(
        "test",
        "none",
        (pairs // 30).astype(np.int32),
        (pairs % 30).astype(np.int32),
        rng.choice(np.arange(0.5, 5.1, 0.5), n).astype(np.float32),
        rng.integers(0, 50, n) * 3600,
        12,
        30,
        tuple("x" * 30),
        np.ones((30, 1), np.float32),
        ("any",),
        (),
        0,
    )
    h, slots = 7, 4
    seen, loyal = history_fields(log, h), loyalty_fields(log, slots)
    for u in range(12):
        events = [(int(log.timestamp[e]), e) for e in range(n) if log.user[e] == u]
        newest = [e for _, e in sorted(events, reverse=True)]
        ids = [int(log.item[e]) for e in newest][:h]
        assert seen["history"][u].tolist() == ids + [30] * (h - len(ids))
        place = {e: p for p, e in enumerate(newest)}
        best = sorted(
            (e for e in newest if log.rating[e] >= 4),
            key=lambda e, place=place: (-log.rating[e], place[e]),
        )[:slots]
        assert loyal["loyalty"][u].tolist() == [int(log.item[e]) for e in best] + [30] * (
            slots - len(best)
        )
        last = max(t for t, _ in events)
        hours = [min(max((last - int(log.timestamp[e])) / 3600, 1), 336) for e in best]
        assert loyal["loyalty_hours"][u].tolist() == hours + [336] * (slots - len(best))
        assert loyal["followed"][u].tolist() == [bool(log.rating[e] >= 4.5) for e in best] + [
            False
        ] * (slots - len(best))


def test_place_in_group() -> None:
    np.testing.assert_array_equal(place_in_group(np.array([4, 4, 1, 1, 1, 7])), [0, 1, 0, 1, 2, 0])
    assert place_in_group(np.array([], int)).shape == (0,)
