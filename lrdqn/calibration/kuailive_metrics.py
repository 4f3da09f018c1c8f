"""Metrics of a KuaiLive log under the names of ``targets.LOG_TARGETS``, the same as the simulated
world's."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from jaxtyping import Float, Int

from lrdqn.calibration.window_metrics import log_sd
from lrdqn.envs.live.daily_patterns import HOURLY_WATCH
from lrdqn.evaluation.gini import gini
from lrdqn.logs.kuailive import DAY_MS, SHIFT_MS, KuaiLive, window_of
from lrdqn.logs.watch_log import index_in


def kuailive_metrics(log: KuaiLive) -> dict[str, float]:
    """Return the metrics of the whole log by the names of ``LOG_TARGETS``; NaN where there is
    nothing to count."""
    return (
        _watch_metrics(log)
        | _gift_metrics(log)
        | _room_metrics(log)
        | _concentration_metrics(log)
        | {"next-day return": next_day_return(log.clicks.user, log.clicks.time)}
    )


def hourly_watch(log: KuaiLive) -> Float[np.ndarray, "24"]:
    """Return the share of watch time by the hour of the click (China Standard Time)."""
    assert log.clicks.amount is not None
    by_hour = np.bincount(
        (log.clicks.time + SHIFT_MS) % DAY_MS // 3_600_000, log.clicks.amount, minlength=24
    )
    return by_hour / max(by_hour.sum(), 1e-9)


def _watch_metrics(log: KuaiLive) -> dict[str, float]:
    clicks = log.clicks
    assert clicks.amount is not None
    seconds = clicks.amount / 1000
    minutes = seconds.sum() / 60
    counts = {"comments": log.comments.size, "likes": log.likes.size, "gifts": log.gifts.size}
    shares = hourly_watch(log)
    metrics = {
        "watch per click, mean (s)": float(seconds.mean()),
        "watch per click, median (s)": float(np.median(seconds)),
        "share of watches < 3 s": float((seconds < 3).mean()),
        "share of watches > 600 s": float((seconds > 600).mean()),
        "hour with most watching": float(np.argmax(shares)) + 0.5,
        "hourly watch shares, L1 distance": float(
            np.abs(shares - HOURLY_WATCH / HOURLY_WATCH.sum()).sum()
        ),
        **{f"{k} per click": n / clicks.size for k, n in counts.items()},
        **{
            f"{k} per viewer-minute": n / minutes if minutes > 0 else math.nan
            for k, n in counts.items()
        },
    }
    if log.negatives is not None:
        metrics["click per impression"] = clicks.size / (clicks.size + log.negatives)
    return metrics


def _gift_metrics(log: KuaiLive) -> dict[str, float]:
    price = log.gifts.amount
    if price is None or not len(price):
        return {}
    p50, p90, p95, p99 = np.quantile(price, [0.50, 0.90, 0.95, 0.99])
    users, streamers = (
        np.bincount(np.unique(ids, return_inverse=True)[1], price)
        for ids in (log.gifts.user, log.gifts.streamer)
    )
    return {
        "gift price p50": float(p50),
        "gift price p90": float(p90),
        "gift price p95": float(p95),
        "gift price p99": float(p99),
        "gift price mean": float(price.mean()),
        "Gini of gifts, users": gini(users),
        "Gini of gifts, streamers": gini(streamers),
    }


def _room_metrics(log: KuaiLive) -> dict[str, float]:
    start, days = window_of(log.clicks.time)
    rooms = log.rooms
    within = (rooms.start >= start) & (rooms.start < start + days * DAY_MS)
    starts, ends = np.sort(rooms.start), np.sort(rooms.end)
    # Rooms that began before the window may be missing on its first day.
    first = start + (DAY_MS if days > 2 else 0)
    at = np.arange(first, start + days * DAY_MS, 900_000)
    live = np.searchsorted(starts, at, side="right") - np.searchsorted(ends, at, side="right")
    low, high = np.percentile(live, [10, 90])
    hours = np.bincount((rooms.start[within] + SHIFT_MS) % DAY_MS // 3_600_000, minlength=24)
    return {
        "rooms per streamer-day": within.sum() / len(np.unique(rooms.streamer)) / days,
        "live set p90 / p10": float(high / max(low, 1)),
        "hour with most room starts": float(
            np.argmax(hours + np.roll(hours, 1) + np.roll(hours, -1))
        )
        + 0.5,
    }


def _concentration_metrics(log: KuaiLive) -> dict[str, float]:
    clicks = log.clicks
    assert clicks.amount is not None
    everything = (clicks, log.comments, log.likes, log.gifts)
    streamers = np.unique(np.concatenate([log.streamer_id, clicks.streamer]))
    of_streamer = sum(
        (_count(index_in(streamers, e.streamer), len(streamers)) for e in everything),
        np.zeros(len(streamers)),
    )
    users, dense = np.unique(clicks.user, return_inverse=True)
    of_user = sum(
        (_count(index_in(users, e.user), len(users)) for e in everything), np.zeros(len(users))
    )
    watch = np.bincount(dense, clicks.amount / 1000)

    pair = dense.astype(np.int64) * len(streamers) + index_in(streamers, clicks.streamer)
    pairs, at = np.unique(pair, return_inverse=True)
    top = np.zeros(len(users))
    np.maximum.at(top, pairs // len(streamers), np.bincount(at, clicks.amount / 1000))
    share = top[watch > 0] / watch[watch > 0]
    return {
        "clicks on familiar streamers": 1 - len(pairs) / clicks.size,
        "streamers with < 5 interactions": float((of_streamer < 5).mean()),
        "streamers with > 40 interactions": float((of_streamer > 40).mean()),
        "users with < 50 interactions": float((of_user < 50).mean()),
        "watch time of a user, log-sd": log_sd(watch[watch > 0]) if len(share) else float("nan"),
        "top streamer's share of a user, p50": float(np.quantile(share, 0.5))
        if len(share)
        else float("nan"),
        "top streamer's share of a user, p90": float(np.quantile(share, 0.9))
        if len(share)
        else float("nan"),
    }


def _count(index: Int[np.ndarray, "n"], length: int) -> Int[np.ndarray, "L"]:
    return np.bincount(index[index >= 0], minlength=length)


def next_day_return(user: Int[np.ndarray, "n"], time: Int[np.ndarray, "n"]) -> float:
    """Return the share of a user's days with a click that are followed by another such day; the
    window's last day is left out."""
    day = (time + SHIFT_MS) // DAY_MS
    day, users = day - day.min(), np.unique(user, return_inverse=True)[1]
    days = int(day.max()) + 2
    there = np.unique(users * days + day)
    asked = there[there % days < day.max()]
    return float(np.isin(asked + 1, there).mean()) if len(asked) else float("nan")


def lognormal_sd(inequality: float) -> float:
    """Return the log-sd of the lognormal with Gini coefficient G, ``sqrt(2) Phi^-1((1 + G) / 2)``;
    G is clipped to [0.01, 0.999]."""
    return float(np.sqrt(2) * NormalDist().inv_cdf((1 + min(max(inequality, 0.01), 0.999)) / 2))
