"""Operations on a log of watches and the fields that follow from it, by hand and against loops."""

from __future__ import annotations

import numpy as np
import pytest

from lrdqn.logs.watch_history import history_fields, loyalty_fields, next_session
from lrdqn.logs.watch_log import (
    CHINA,
    DAY,
    WatchLog,
    first_meetings,
    index_in,
    latest_watch,
    mean_hour,
    most_active,
    sorted_log,
)

MIDNIGHT = 100 * DAY - CHINA


def random_log(n: int = 400, users: int = 7, items: int = 25) -> WatchLog:
    rng = np.random.default_rng(3)
    seconds = np.exp(rng.normal(3, 2, n)).astype(np.float32)
    reaction = np.where(rng.random(n) < 0.1, rng.integers(1, 8, n), 0).astype(np.int32)
    user = np.append(np.arange(users), rng.integers(users, size=n - users)).astype(np.int32)
    item = rng.integers(items, size=n).astype(np.int32)
    return sorted_log(
        WatchLog(
            "x",
            "y",
            user,
            item,
            MIDNIGHT + rng.integers(0, 21 * DAY, n),
            seconds,
            reaction,
            users,
            items,
        )
    )


def test_the_most_active_are_chosen_and_ties_go_to_the_smaller_id() -> None:
    ids = np.array([9, 9, 4, 4, 7, 2])
    assert most_active(ids, 1).tolist() == [4]
    assert most_active(ids, 3).tolist() == [2, 4, 9]
    assert most_active(ids, 99).tolist() == [2, 4, 7, 9]
    assert index_in(np.array([2, 4, 9]), np.array([9, 3, 2, 10])).tolist() == [2, -1, 0, -1]
    assert index_in(np.zeros(0, int), np.array([9])).tolist() == [-1]


def test_a_reaction_belongs_to_the_watch_under_way() -> None:
    pair, time = np.array([5, 8, 5, 5]), np.array([100, 100, 300, 200])
    of, at = np.array([5, 5, 5, 5, 8, 6, -1]), np.array([100, 199, 250, 9_000, 50, 100, 100])
    assert latest_watch(pair, time, of, at).tolist() == [0, 0, 3, 2, 1, -1, -1]
    assert latest_watch(np.zeros(0, int), np.zeros(0, int), of, at).tolist() == [-1] * 7


def test_reactions_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    pair, time = rng.integers(6, size=60), rng.permutation(600)[:60]
    of, at = rng.integers(8, size=200), rng.integers(-50, 700, 200)

    def one(p: int, t: int) -> int:
        mine = [i for i in range(60) if pair[i] == p]
        begun = [i for i in mine if time[i] <= t]
        return (
            max(begun, key=lambda i: time[i])
            if begun
            else min(mine, key=lambda i: time[i])
            if mine
            else -1
        )

    assert latest_watch(pair, time, of, at).tolist() == [one(*x) for x in zip(of, at, strict=True)]


def test_history_is_the_newest_first() -> None:
    log = random_log()
    got = history_fields(log, 5)
    for user in range(log.n_users):
        rows = [i for i in range(len(log.user)) if log.user[i] == user][::-1][:5]
        assert got["history"][user].tolist() == [*log.item[rows], *[log.n_items] * (5 - len(rows))]
        assert got["history_watch"][user, : len(rows)].tolist() == log.seconds[rows].tolist()
        assert got["history_reaction"][user, : len(rows)].tolist() == log.reaction[rows].tolist()


def test_loyalties_are_the_law_run_over_the_log() -> None:
    log = random_log()
    now = np.full(log.n_users, MIDNIGHT + 22 * DAY)
    followed = np.zeros(len(log.user), bool)
    followed[::50] = True
    slots, full, bounced = 18, [], []
    got = loyalty_fields(log, slots, now, followed)
    for user in range(log.n_users):
        known = {}
        for i in np.flatnonzero(log.user == user):
            strength, seen, met, follows = known.get(
                int(log.item[i]), (0.0, log.time[i], False, False)
            )
            strength *= np.exp(-(log.time[i] - seen) / (7 * DAY))
            strength += 0.3 * (1 - strength) * min(1, log.seconds[i] / 600)
            liked = log.seconds[i] >= 60 or log.reaction[i] > 0
            known[int(log.item[i])] = (strength, log.time[i], met or liked, follows or followed[i])
        met = {k: v for k, v in known.items() if v[2]}
        best = sorted(met, key=lambda k: -met[k][0] * np.exp(-(now[user] - met[k][1]) / (7 * DAY)))[
            :slots
        ]
        assert got["loyalty"][user].tolist() == best + [log.n_items] * (slots - len(best))
        np.testing.assert_allclose(
            got["loyalty_strength"][user, : len(best)], [met[k][0] for k in best], rtol=1e-6
        )
        hours = [np.clip((now[user] - met[k][1]) / 3600, 1, 336) for k in best]
        np.testing.assert_allclose(got["loyalty_hours"][user, : len(best)], hours, rtol=1e-6)
        assert got["followed"][user, : len(best)].tolist() == [bool(met[k][3]) for k in best]
        assert np.all(got["loyalty_strength"][user, len(best) :] == 0)
        full.append(len(best) == slots)
        bounced.append(len(met) < len(known))
    assert set(full) == {True, False}, "or nothing was left out"
    assert any(bounced), "or all were liked"


def test_the_next_session_starts_at_the_active_hour_an_hour_later_at_least() -> None:
    log = sorted_log(
        random_log()._replace(
            user=np.array([0, 1, 2], np.int32),
            item=np.zeros(3, np.int32),
            n_users=3,
            time=MIDNIGHT + np.array([20, 20, 20]) * 3600,
            seconds=np.ones(3, np.float32),
            reaction=np.zeros(3, np.int32),
        )
    )
    assert ((next_session(log, np.array([21.0, 20.5, 19.0])) - MIDNIGHT) / 3600).tolist() == [
        21,
        44.5,
        43,
    ]


def test_hours_are_averaged_on_the_circle() -> None:
    group, hour = np.array([0, 0, 1, 1, 1]), np.array([23.0, 1.0, 6.0, 8.0, 10.0])
    got = mean_hour(group, hour, 3)
    assert min(got[0], 24 - got[0]) == pytest.approx(0, abs=1e-9)
    assert got[1] == pytest.approx(8)
    angle = np.exp(2j * np.pi * hour / 24).sum()
    assert got[2] == pytest.approx(np.angle(angle) * 12 / np.pi % 24)


def test_a_pair_counts_once_when_it_met() -> None:
    log = random_log()
    ratings = first_meetings(log)
    pairs = {}
    for u, i, t, liked in zip(log.user, log.item, log.time, log.liked, strict=True):
        first, before_ = pairs.get((u, i), (t, False))
        pairs[u, i] = (first, before_ or liked)
    assert len(ratings.user) == len(pairs)
    for u, i, t, rating in zip(
        ratings.user, ratings.item, ratings.timestamp, ratings.rating, strict=True
    ):
        assert pairs[u, i] == (t, rating == 5.0)
