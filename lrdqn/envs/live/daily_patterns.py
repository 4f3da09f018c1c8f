"""How often, when and with how much to give users come (SIMULATOR sections 5 and 6), on the
host."""

from __future__ import annotations

from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from lrdqn.envs.live.affinity import Floats

DAY = 86_400
"""Seconds of a day."""
ACTIVITY_SIGMA = 1.75
"""Log-sd of how many sessions users have. The published figures are of users seen to click,
comment, like and give within three weeks, whom that narrows: their watch time then has log-sd 1.2
(KuaiLive: 1.22)."""
WEALTH_SIGMA = 3.2
"""Log-sd of the wealth of viewers. Among those same users, gifts then have a Gini coefficient of
.912 where 8 worlds of 4,500 users are pooled, but of .937 in one of 45,000 (KuaiLive: .942). Wealth
is drawn by strata: 4,500 users end at z = 3.69, and a share ``1 - Phi(3.69 - 3.2) = .31`` of a
lognormal's total lies beyond, .15 with 45,000 users. So a wider one hardly raises it in small
worlds: at a log-sd of 3.7 half of the total lies beyond."""
HOURLY_WATCH = np.array(
    [
        0.0409,
        0.0237,
        0.0147,
        0.0115,
        0.0120,
        0.0186,
        0.0262,
        0.0289,
        0.0320,
        0.0338,
        0.0361,
        0.0423,
        0.0506,
        0.0438,
        0.0419,
        0.0402,
        0.0384,
        0.0424,
        0.0546,
        0.0734,
        0.0865,
        0.0800,
        0.0734,
        0.0543,
    ]
)
"""Share of watch time by hour of the day, KuaiLive, China Standard Time (digitised; sums to 1
within .1 %)."""
START_SPREAD = 2.0
"""Hours by which a session's start is off the user's preferred hour (SIMULATOR section 6)."""
INTERACTIONS_MEDIAN, INTERACTIONS_SIGMA = 60.0, 1.2
"""Watches that a user has behind them, lognormal: 43.8 % of users have fewer than 50 (KuaiLive)."""
COLD_INTERACTIONS = 10
"""Below it, a user counts as cold (SIMULATOR section 7)."""


class Habits(NamedTuple):
    """Of U users, float32 but for ``interactions`` (int32)."""

    activity: np.ndarray
    """Mean 1 over users."""
    wealth: np.ndarray
    """Mean 1 over sessions."""
    interactions: np.ndarray
    active_hour: np.ndarray


def draw_habits(new_users: float, rng: np.random.Generator, users: int) -> Habits:
    """Lognormal activity and wealth, interactions that go with activity, preferred hours by
    ``preferred_hours``.

    All but the pairing is stratified, so that a world of few users has the stated rates: activity
    and wealth are quantiles, wealth is divided by its mean over sessions, and hours are quantiles
    of the sessions that the users have.

    Args:
        new_users: share of users who have just joined, with 0 to 9 interactions.
        rng: source of randomness.
        users: U.
    """
    quantile = np.vectorize(NormalDist().inv_cdf)
    strata = (np.arange(users) + 0.5) / users
    often = quantile(rng.permutation(strata))
    activity = np.exp(ACTIVITY_SIGMA * often)
    wealth = np.exp(WEALTH_SIGMA * quantile(rng.permutation(strata)))
    # who comes often has been here often
    interactions = np.floor(INTERACTIONS_MEDIAN * np.exp(INTERACTIONS_SIGMA * often))
    interactions = np.where(
        rng.random(users) < new_users, rng.integers(0, COLD_INTERACTIONS, users), interactions
    )
    order = rng.permutation(users)
    share = np.empty(users)
    share[order] = (np.cumsum(activity[order]) - 0.5 * activity[order]) / activity.sum()
    by_hour = np.concatenate([[0.0], np.cumsum(preferred_hours())])
    return Habits(
        activity=(activity / activity.mean()).astype(np.float32),
        wealth=(wealth / np.average(wealth, weights=activity)).astype(np.float32),
        interactions=interactions.astype(np.int32),
        active_hour=(np.interp(share, by_hour, np.arange(25)) % 24).astype(np.float32),
    )


@cache
def preferred_hours() -> Floats:
    """Shares ``[24]`` of users by preferred hour, such that starts, a normal around it, follow
    ``HOURLY_WATCH``.

    The spread of starts is taken out of the shares by expectation-maximisation (Richardson 1972;
    Lucy 1974), which keeps them positive: ``g <- g K^T (h / K g)``, K the chance of a start in hour
    i with a preferred time in hour j.
    """
    fine = (np.arange(240) + 0.5) / 10
    off = (fine[:, None] - fine[None, :] + 12) % 24 - 12
    near = np.exp(-0.5 * (off / START_SPREAD) ** 2)
    kernel = (near / near.sum(axis=0)).reshape(24, 10, 24, 10).sum(axis=1).mean(axis=2)
    wanted = HOURLY_WATCH / HOURLY_WATCH.sum()
    found = wanted.copy()
    for _ in range(300):
        found = found * (kernel.T @ (wanted / (kernel @ found)))
    return found / found.sum()
