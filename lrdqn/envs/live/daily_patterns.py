"""Activity, wealth and preferred hours of users, on the host.

Source: envs/live/README.md, section 2.
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from lrdqn.envs.live.affinity import Floats

DAY = 86_400
"""Seconds of a day."""
ACTIVITY_SIGMA = 1.75
"""Log-sd of the number of sessions of a user. Published figures are of users with a click, a
comment, a like and a gift within three weeks, which narrows the law: the watch time of such users
has log-sd 1.2 (KuaiLive: 1.22)."""
WEALTH_SIGMA = 3.2
"""Log-sd of the wealth of users. Among such users, gifts have a Gini coefficient of 0.912 where 8
worlds of 4,500 users are pooled, and of 0.937 in one of 45,000 (KuaiLive: 0.942). Wealth is
stratified: the last of 4,500 strata lies at z = 3.69, and a share ``1 - Phi(3.69 - 3.2) = 0.31`` of
the lognormal's total lies beyond, 0.15 with 45,000 users. In small worlds a wider law therefore
hardly raises the coefficient: at a log-sd of 3.7 half of the total lies beyond."""
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
within 0.1 %)."""
START_SPREAD = 2.0
"""Sd, in hours, of a session's start around the user's preferred hour (design)."""
INTERACTIONS_MEDIAN, INTERACTIONS_SIGMA = 60.0, 1.2
"""Median and log-sd of a user's watches before the first session: 43.8 % of users have fewer than
50 (KuaiLive)."""
COLD_INTERACTIONS = 10
"""Watches below which a user belongs to the cold cohort."""


class Habits(NamedTuple):
    """Habits of U users, arrays ``[U]``: float32, ``interactions`` int32."""

    activity: np.ndarray
    """Mean 1 over users."""
    wealth: np.ndarray
    """Mean 1 over sessions."""
    interactions: np.ndarray
    active_hour: np.ndarray


def draw_habits(new_users: float, rng: np.random.Generator, users: int) -> Habits:
    """Draw lognormal activity and wealth, interactions that grow with activity, and preferred hours
    by ``preferred_hours``.

    Everything but the pairing is stratified, so that a world of few users, too, has the stated
    rates: activity and wealth are quantiles, wealth is divided by its mean over sessions, and hours
    are quantiles over the users' sessions.

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
    # active users have many watches behind them
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
    """Return the shares ``[24]`` of preferred hours with which session starts, normal around them,
    follow ``HOURLY_WATCH``.

    The spread of starts is removed from the shares by expectation-maximisation (Richardson 1972;
    Lucy 1974), which keeps them positive: ``g <- g K^T (h / K g)``, ``K_ij`` being the probability
    of a start in hour i given a preferred time in hour j.
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
