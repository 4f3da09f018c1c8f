"""Metrics of the simulated world: a log of a policy on it, and statistics of log and schedule under
the names of ``targets.TARGETS``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PRNGKeyArray

from lrdqn.envs.live.daily_patterns import HOURLY_WATCH
from lrdqn.envs.live.prices import PRICES
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
"""Sessions whose requests are logged in full."""


def make_log(
    env: Env, policy: Policy
) -> Callable[[PyTree, PyTree, PRNGKeyArray], dict[str, Array]]:
    """Build ``log(policy_state, world, key) -> {field: [T, N, ...]}``, which logs one cohort of N
    sessions to their ends.

    ``alive`` marks impressions of sessions that had not ended before. ``offered`` holds the
    candidates of the first ``FOLLOWED`` sessions, -1 where a place is empty.
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
    """Return the metrics of a schedule: rooms per streamer-day, spread of the rooms on air, hour
    with most starts. The first day, on which the world fills, is left out.

    Args:
        start: start of every room in seconds, ``[S+1, R]``.
        count: rooms on air in each time bin.
        bin_seconds: length of a bin.
        days: length of the schedule.
        debut: hours after the world's beginning from which each streamer counts, ``[S]``.
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
    """Return the lowest price that a share of at least q of the gifts does not exceed; NaN where no
    gift was sent."""
    return (
        float(PRICES[np.searchsorted(np.cumsum(sent), q * sent.sum())])
        if sent.sum()
        else float("nan")
    )


def log_statistics(log: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the metrics per click, per viewer-minute, per gift and per session of a log
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
