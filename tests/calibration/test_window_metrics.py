"""Metrics of a window of three weeks against a walk through a log, click by click."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from lrdqn.calibration.window_metrics import log_sd, tally, window_statistics
from lrdqn.envs.live.prices import PRICES
from lrdqn.evaluation.gini import gini

U, S, T, N = 12, 9, 40, 30


def made(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    gifts = rng.multinomial(1, [0.3, 0.1, *[0.05] * 12], size=(T, N)) * rng.poisson(0.3, (T, N, 1))
    return {
        "alive": rng.random((T, N)) < 0.7,
        "clicked": rng.random((T, N)) < 0.5,
        "user": rng.integers(0, U, (T, N)),
        "streamer": (S * rng.random((T, N)) ** 2).astype(np.int16),
        "time": rng.integers(0, 5 * 86_400, (T, N)),
        "seconds": rng.exponential(100, (T, N)),
        "gifts_by_price": gifts,
        "gifts": gifts.sum(axis=2),
        "reward/comments": rng.poisson(0.1, (T, N)),
        "reward/likes": rng.poisson(0.1, (T, N)),
    }


def test_tallies_are_those_of_a_walk() -> None:
    log = made(0)
    watched, spent, pair = defaultdict(float), defaultdict(float), defaultdict(float)
    done: dict[str, set[int]] = {"reward/comments": set(), "reward/likes": set(), "gifts": set()}
    events = [
        (t, n) for t in range(T) for n in range(N) if log["alive"][t, n] and log["clicked"][t, n]
    ]
    for t, n in events:
        u, s = int(log["user"][t, n]), int(log["streamer"][t, n])
        watched[u] += log["seconds"][t, n]
        pair[u, s] += log["seconds"][t, n]
        spent[u] += float(log["gifts_by_price"][t, n] @ PRICES)
        for name, who in done.items():
            if log[name][t, n]:
                who.add(u)
    chosen = set.intersection(*done.values())
    assert 0 < len(chosen) < U
    clicks, earned = np.zeros(S), np.zeros(S)
    theirs = [(t, n) for t, n in events if int(log["user"][t, n]) in chosen]
    for t, n in theirs:
        clicks[log["streamer"][t, n]] += 1
        earned[log["streamer"][t, n]] += log["gifts_by_price"][t, n] @ PRICES
    end = max(log["time"][t, n] for t, n in events)
    before = {int(log["streamer"][t, n]) for t, n in theirs if log["time"][t, n] < end - 86_400}
    last = [int(log["streamer"][t, n]) for t, n in theirs if log["time"][t, n] >= end - 86_400]
    got = tally(log, U, S)
    assert set(np.flatnonzero(got.chosen)) == chosen
    for u in range(U):
        assert got.hours[u] == pytest.approx(watched[u] / 3600)
        assert got.spent[u] == pytest.approx(spent[u])
        assert got.top_share[u] == pytest.approx(max(pair[u, s] for s in range(S)) / watched[u])
    np.testing.assert_allclose(got.clicks, clicks)
    np.testing.assert_allclose(got.earned, earned)
    assert got.unseen == pytest.approx(np.mean([s not in before for s in last]))


def test_windows_are_pooled_by_user_and_streamer() -> None:
    parts = [tally(made(i), U, S) for i in (1, 2)]
    got = window_statistics(parts)
    users = np.concatenate([t.spent[t.chosen] for t in parts])
    assert got["Gini of gifts, users"] == pytest.approx(gini(users))
    clicks = np.concatenate([t.clicks for t in parts])
    assert got["streamers with > 40 interactions"] == pytest.approx((clicks > 40).mean())
    rng = np.random.default_rng(0)
    assert log_sd(np.exp(1 + 1.22 * rng.normal(size=400_000))) == pytest.approx(1.22, abs=0.01)
