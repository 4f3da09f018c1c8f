"""Three weeks of a platform: what depends on how often each user and each streamer is met
(SIMULATOR section 8).

A log of many sessions whose users are drawn by their activity, at KuaiLive's proportions of users,
streamers and clicks, is such a window. What KuaiLive published is of users who clicked, commented,
liked and gave in it, and of their clicks alone; so are these figures. Sessions of one user do not
see each other (each begins with the user's stored past).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lrdqn.envs.live.prices import PRICES
from lrdqn.evaluation.gini import gini

DAY = 86_400
NORMAL_P90 = 1.2816
"""90 % quantile of the standard normal."""


class Tallies(NamedTuple):
    """Totals of one world's window, by user ``[U]`` and by streamer ``[S]``."""

    hours: np.ndarray
    spent: np.ndarray
    top_share: np.ndarray
    """Share of a user's watching that went to the streamer watched longest."""
    chosen: np.ndarray
    """Users with a click, a comment, a like and a gift at least: whom the published figures are
    of."""
    clicks: np.ndarray
    """Of chosen users, as all below."""
    earned: np.ndarray
    unseen: float
    """Of the last day's clicks, the share on streamers that nobody had clicked before."""


def tally(log: dict[str, np.ndarray], users: int, streamers: int) -> Tallies:
    """Totals of a log ``{field: [T, N]}`` (``calibration.make_log``)."""
    clicked = log["alive"] & log["clicked"]
    user, streamer, time = (
        log[name][clicked].astype(np.int64) for name in ("user", "streamer", "time")
    )
    seconds, spent = log["seconds"][clicked], log["gifts_by_price"][clicked] @ PRICES

    def by_user(x: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(user, x, users)

    pair, at = np.unique(user * streamers + streamer, return_inverse=True)
    longest = np.zeros(users)
    np.maximum.at(longest, pair // streamers, np.bincount(at, seconds))
    watched = by_user(seconds)
    chosen = by_user() > 0
    for reaction in ("reward/comments", "reward/likes", "gifts"):
        chosen &= by_user(log[reaction][clicked]) > 0
    theirs = chosen[user]
    last = theirs & (time >= time.max(initial=0) - DAY)
    known = np.bincount(streamer[theirs & ~last], minlength=streamers) > 0
    return Tallies(
        hours=watched / 3600,
        spent=by_user(spent),
        top_share=longest / np.maximum(watched, 1e-9),
        chosen=chosen,
        clicks=np.bincount(streamer[theirs], minlength=streamers),
        earned=np.bincount(streamer[theirs], spent[theirs], streamers),
        unseen=float((~known[streamer[last]]).mean()) if last.any() else float("nan"),
    )


def log_sd(hours: np.ndarray) -> float:
    """Of a lognormal with this median and 90 % quantile."""
    return float(np.log(np.quantile(hours, 0.9) / np.median(hours)) / NORMAL_P90)


def window_statistics(each: Sequence[Tallies]) -> dict[str, float]:
    """Figures of one window or several; users and streamers are pooled, for Gini coefficients of
    few are biased downwards.

    Small platforms pooled are still less unequal than a large one, whose richest users are richer.
    One set of laws gives a Gini of gifts over users and streamers of .912 and .891 in 8 windows of
    5,000 streamers, of .938 and .906 in 3 of 20,000, and of .937 and .926 in one of 50,000; single
    windows of 20,000 lie between .921 and .951, and .889 and .925.
    """

    def pooled(name: str) -> np.ndarray:
        return np.concatenate([getattr(t, name) for t in each])

    hours, chosen, clicks, earned = (
        pooled("hours"),
        pooled("chosen"),
        pooled("clicks"),
        pooled("earned"),
    )
    hours = hours[chosen]
    shares = pooled("top_share")[chosen]
    nobody = float("nan")
    return {
        "watch time of a user, log-sd": log_sd(hours) if chosen.any() else nobody,
        "Gini of gifts, users": gini(pooled("spent")[chosen]) if chosen.any() else nobody,
        "Gini of gifts, streamers": gini(earned[earned > 0]) if (earned > 0).any() else nobody,
        "top streamer's share of a user, p50": float(np.median(shares)) if chosen.any() else nobody,
        "top streamer's share of a user, p90": float(np.quantile(shares, 0.9))
        if chosen.any()
        else nobody,
        "streamers with < 5 interactions": float((clicks < 5).mean()),
        "streamers with > 40 interactions": float((clicks > 40).mean()),
        "clicks on streamers unseen before": float(np.mean([t.unseen for t in each])),
    }
