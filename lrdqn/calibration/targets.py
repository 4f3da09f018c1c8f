"""The world against real figures: what a logged policy leaves behind, next to what KuaiLive and
KuaiRand published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PRNGKeyArray

from lrdqn.envs.live.daily_patterns import HOURLY_WATCH
from lrdqn.envs.live.prices import PRICES
from lrdqn.evaluation.statistics import bootstrap_mean
from lrdqn.types import Env, Policy, PyTree, View

LOGGED = (
    "clicked",
    "stayed",
    "stream_ended",
    "hour",
    "seconds",
    "reward/comments",
    "reward/likes",
    "gifts",
    "gifts_by_price",
    "left",
    "impatient",
    "returned",
)
FOLLOWED = 64
"""Sessions of which the whole request is logged."""


class Target(NamedTuple):
    """One published figure. ``tolerance`` is relative, or absolute where ``absolute``; ``None`` is
    for information."""

    name: str
    value: float
    tolerance: float | None
    source: str
    absolute: bool = False


TARGETS = (
    Target("rooms per streamer-day", 1.22, 0.05, "KuaiLive (derived)"),
    Target("live set p90 / p10", 2.27, 0.15, "KuaiLive-Agent (shop rooms)"),
    Target("hour with most room starts", 20.0, 3.0, "KuaiLive paper (18-22 h, +-1)", absolute=True),
    Target("hour with most watching", 20.5, 1.0, "KuaiLive heat map", absolute=True),
    Target("hourly watch shares, L1 distance", 0.0, 0.10, "KuaiLive heat map", absolute=True),
    Target("watch per click, mean (s)", 82.6, 0.10, "KuaiLive (derived)"),
    Target("watch per click, median (s)", 4.87, 0.10, "GiftLive EDA"),
    Target("share of watches < 3 s", 0.333, None, "mixture fit"),
    Target("share of watches > 600 s", 0.031, None, "mixture fit"),
    Target("comments per click", 0.0400, 0.10, "KuaiLive counts"),
    Target("likes per click", 0.0365, 0.10, "KuaiLive counts"),
    Target("gifts per click", 0.0148, 0.10, "KuaiLive counts"),
    Target("comments per viewer-minute", 0.0291, 0.10, "KuaiLive (derived)"),
    Target("likes per viewer-minute", 0.0265, 0.10, "KuaiLive (derived)"),
    Target("gifts per viewer-minute", 0.0108, 0.10, "KuaiLive (derived)"),
    Target("gift price p50", 2.0, 0.15, "GiftLive EDA"),
    Target("gift price p90", 88.0, 0.15, "GiftLive EDA"),
    Target("gift price p95", 298.0, 0.15, "GiftLive EDA"),
    Target("gift price p99", 1488.0, 0.15, "GiftLive EDA"),
    Target("gift price mean", 82.7, 0.15, "GiftLive EDA"),
    Target("next-day return", 0.90, 0.02, "GiftLive EDA (.89-.91)", absolute=True),
    Target("clicks on familiar streamers", 0.469, 0.03, "KuaiLive-Agent", absolute=True),
    Target("streamers with < 5 interactions", 0.70, 0.03, "KuaiLive paper", absolute=True),
    Target("streamers with > 40 interactions", 0.046, 0.03, "KuaiLive paper", absolute=True),
    Target("watch time of a user, log-sd", 1.22, 0.10, "GiftLive EDA (of quantiles)"),
    Target("Gini of gifts, users", 0.942, 0.02, "GiftLive EDA", absolute=True),
    Target("Gini of gifts, streamers", 0.930, 0.02, "GiftLive EDA", absolute=True),
    Target("top streamer's share of a user, p50", 0.356, 0.05, "GiftLive EDA", absolute=True),
    Target("top streamer's share of a user, p90", 0.812, 0.05, "GiftLive EDA", absolute=True),
    Target("clicks on streamers unseen before", 0.0684, 0.03, "KuaiLive-Agent", absolute=True),
    Target("click per impression, random", 0.18, None, "KuaiRand random log"),
    Target("click per impression, reference", 0.45, None, "KuaiRand standard log"),
)
"""Targets of SIMULATOR section 8."""


class Row(NamedTuple):
    """One line of the calibration table."""

    target: Target
    simulated: float
    low: float
    """Ends of the 95 % bootstrap interval over worlds."""
    high: float
    passed: bool | None


def make_log(
    env: Env, policy: Policy
) -> Callable[[PyTree, PyTree, PRNGKeyArray], dict[str, Array]]:
    """Build ``log(policy_state, world, key) -> {field: [T, N, ...]}``: one cohort of sessions, each
    logged to its end.

    ``alive`` marks impressions of sessions that had not ended before; ``offered`` is the request,
    -1 where a place was empty, of the first ``FOLLOWED`` sessions.
    """

    def log(policy_state: PyTree, world: PyTree, key: PRNGKeyArray) -> dict[str, Array]:
        reset_key, act_key, env_key = jax.random.split(key, 3)
        state, obs = env.reset(reset_key, world)
        catalogue = env.catalogue(world)

        def one(carry: Any, t: Array) -> tuple[Any, dict[str, Array]]:
            state, obs, policy_state, alive = carry
            action, policy_state = policy.act(
                policy_state, View(obs, catalogue), jax.random.fold_in(act_key, t)
            )

            def shown(x: Array) -> Array:
                return jnp.take_along_axis(x, action[:, None], axis=1)[:, 0]

            state, step = env.step(jax.random.fold_in(env_key, t), state, action, world)
            row = {k: step.info[k] for k in LOGGED} | {
                "alive": alive,
                "familiar": shown(obs.features[..., 3]) > 0,
                "user": obs.user,
                "time": state.session.time,
                "streamer": shown(obs.candidates),
                "place": action,
                "offered": jnp.where(obs.mask, obs.candidates, -1)[:FOLLOWED],
            }
            return (state, step.obs, policy_state, alive & ~(step.terminated | step.truncated)), row

        start = (state, obs, policy_state, jnp.ones(env.spec.sessions, bool))
        return jax.lax.scan(one, start, jnp.arange(env.spec.horizon))[1]

    return log


def schedule_statistics(
    start: np.ndarray, count: np.ndarray, bin_seconds: int, days: int, debut: np.ndarray
) -> dict[str, float]:
    """Rooms per streamer-day, spread of rooms on air over the hours, hour with most starts; first
    day left out.

    Args:
        start: of every room, in seconds ``[S+1, R]``.
        count: rooms on air in each time bin.
        bin_seconds: length of a bin.
        days: of the schedule.
        debut: hours after the world's beginning from which each streamer counts ``[S]``.
    """
    streamers = len(debut)
    begins = start[:streamers].ravel()
    begins = begins[(begins >= 86_400) & (begins < days * 86_400)]
    bins_per_day = 86_400 // bin_seconds
    live = count[bins_per_day : days * bins_per_day]
    low, high = np.percentile(live, [10, 90])
    hours = np.bincount((begins % 86_400) // 3600, minlength=24)
    smooth = hours + np.roll(hours, 1) + np.roll(hours, -1)
    return {
        "rooms per streamer-day": len(begins) / np.sum(days - np.maximum(debut / 24, 1.0)),
        "live set p90 / p10": high / max(low, 1),
        "hour with most room starts": float(np.argmax(smooth)) + 0.5,
    }


def price_quantile(sent: np.ndarray, q: float) -> float:
    """The lowest price that at least a share q of the gifts does not pass; NaN where none was
    sent."""
    return (
        float(PRICES[np.searchsorted(np.cumsum(sent), q * sent.sum())])
        if sent.sum()
        else float("nan")
    )


def log_statistics(log: dict[str, np.ndarray]) -> dict[str, float]:
    """Figures per click, per viewer-minute, per gift and per session of a log
    ``{field: [T, N]}``."""
    alive = log["alive"]
    clicked = alive & log["clicked"]
    seconds, gifts = log["seconds"][clicked], log["gifts"][clicked]
    clicks, minutes = clicked.sum(), seconds.sum() / 60
    counts = {
        "comments": log["reward/comments"][clicked].sum(),
        "likes": log["reward/likes"][clicked].sum(),
        "gifts": gifts.sum(),
    }
    sent = log["gifts_by_price"][clicked].sum(axis=0, dtype=np.float64)
    p50, p90, p95, p99 = (price_quantile(sent, q) for q in (0.50, 0.90, 0.95, 0.99))
    left = alive & log["left"]
    by_hour = np.bincount(log["hour"][clicked], seconds, minlength=24)
    return {
        "hour with most watching": float(np.argmax(by_hour)) + 0.5,
        "hourly watch shares, L1 distance": float(
            np.abs(by_hour / by_hour.sum() - HOURLY_WATCH / HOURLY_WATCH.sum()).sum()
        ),
        "watch per click, mean (s)": seconds.mean(),
        "watch per click, median (s)": np.median(seconds),
        "share of watches < 3 s": (seconds < 3).mean(),
        "share of watches > 600 s": (seconds > 600).mean(),
        **{f"{k} per click": v / clicks for k, v in counts.items()},
        **{f"{k} per viewer-minute": v / minutes for k, v in counts.items()},
        "gift price p50": p50,
        "gift price p90": p90,
        "gift price p95": p95,
        "gift price p99": p99,
        "gift price mean": sent @ PRICES / max(sent.sum(), 1),
        "next-day return": (left & log["returned"]).sum() / left.sum(),
        "clicks on familiar streamers": log["familiar"][clicked].mean(),
        "click per impression, reference": clicks / alive.sum(),
    }


def compare(figures: dict[str, float], each: Sequence[dict[str, float]]) -> list[Row]:
    """Each target next to its figure; ``passed`` is ``None`` where the target is for information
    only.

    Args:
        figures: of all worlds together.
        each: of every world by itself.
    """
    rows = []
    for target in TARGETS:
        simulated = float(figures[target.name])
        off = abs(simulated - target.value) / (1.0 if target.absolute else abs(target.value))
        interval = bootstrap_mean(np.array([of[target.name] for of in each]))
        passed = None if target.tolerance is None else bool(off <= target.tolerance)
        rows.append(Row(target, simulated, interval.low, interval.high, passed))
    return rows
