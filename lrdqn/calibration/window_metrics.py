"""Metrics of a window of three weeks: those that depend on how often each user and each streamer
is met (envs/live/README.md, section 13).

A window is a log of many sessions whose users are drawn by their activity, at KuaiLive's
proportions of users, streamers and clicks. KuaiLive's published values cover only users with a
click, a comment, a like and a gift in the window, and only their clicks; so do these metrics. The
sessions of one user are independent: each begins with the user's stored past.
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
    """Totals of one world's window, by user ``[U]`` or by streamer ``[S]``."""

    hours: np.ndarray
    spent: np.ndarray
    top_share: np.ndarray
    """Share of a user's watch time that went to the streamer watched longest."""
    chosen: np.ndarray
    """Users with at least a click, a comment, a like and a gift; the published values cover only
    these."""
    clicks: np.ndarray
    """Clicks of the chosen users; the fields below count only these clicks too."""
    earned: np.ndarray
    unseen: float
    """Share of the last day's clicks that fell on streamers without a click before."""


def tally(log: dict[str, np.ndarray], users: int, streamers: int) -> Tallies:
    """Return the totals of a log ``{field: [T, N]}`` made by ``world_metrics.make_log``."""
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
    """Return the log-sd of the lognormal with the median and the 90 % quantile of ``hours``."""
    return float(np.log(np.quantile(hours, 0.9) / np.median(hours)) / NORMAL_P90)


def window_statistics(each: Sequence[Tallies]) -> dict[str, float]:
    """Return the metrics of one or several windows. Users and streamers are pooled over windows,
    because the Gini coefficient of a small sample is biased downwards.

    Pooled small platforms are still less unequal than a large one, whose richest users are richer.
    The same laws give a Gini of gifts over users and streamers of 0.912 and 0.891 in 8 windows of
    5,000 streamers, of 0.938 and 0.906 in 3 of 20,000, and of 0.937 and 0.926 in one of 50,000;
    single windows of 20,000 lie between 0.921 and 0.951, and between 0.889 and 0.925.
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
