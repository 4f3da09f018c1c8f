"""Arrivals: which user comes to a place that a session has left, and when."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from lrdqn.envs.live.candidates import DAY
from lrdqn.envs.live.daily_patterns import HOURLY_WATCH, START_SPREAD
from lrdqn.envs.live.user_dynamics import by_activity
from lrdqn.envs.live.world import LiveParams

CALLED = 8
"""Users drawn per arrival, of whom one is chosen by preferred hour."""


def hourly(time: Int[Array, "..."]) -> Float[Array, "..."]:
    """Return ``24 share(hour)``, the activity of the hour of day, 1 on average (KuaiLive's curve of
    watch time)."""
    return jnp.asarray(24 * HOURLY_WATCH / HOURLY_WATCH.sum(), jnp.float32)[time % DAY // 3600]


def arrival_chance(time: Int[Array, ""], rate: float) -> Float[Array, ""]:
    """Return ``min(1, rate x 24 share(hour))``, the probability of an arrival in this tick, so that
    waits are geometric."""
    return jnp.minimum(rate * hourly(time), 1.0)


def who_comes(u: Float[Array, "B 9"], time: Int[Array, ""], params: LiveParams) -> Int[Array, "B"]:
    """Draw the arriving user: one of eight users drawn by activity, with weight ``exp(-d^2 / 2)``.

    d is the distance in hours between now and the user's preferred hour, over 2. This is sampling
    and importance resampling (Rubin 1987): O(1) per arrival, whatever the number of users.

    Args:
        u: uniforms: eight for the users, the last for the choice.
        time: now.
        params: the world.
    """
    hours, called = params.users.active_hour, by_activity(u[:, :CALLED], params)
    hour = (time % DAY).astype(jnp.float32) / 3600
    off = (hours[called] - hour + 12) % 24 - 12
    fits = jnp.exp(-0.5 * (off / START_SPREAD) ** 2) + 1e-6
    upto = jnp.cumsum(fits, axis=1)
    chosen = jnp.sum(u[:, CALLED:] * upto[:, -1:] > upto, axis=1)
    return jnp.take_along_axis(called, jnp.minimum(chosen, CALLED - 1)[:, None], axis=1)[:, 0]


def starting_instant(u: Float[Array, "2"], days: int, seconds: int) -> Int[Array, ""]:
    """Draw the starting time: a day uniform over the ``days`` after the world's first, and an hour
    by its share of watch time; a whole tick."""
    day = 1 + jnp.minimum((u[0] * days).astype(jnp.int32), days - 1)
    upto = jnp.asarray(HOURLY_WATCH.cumsum() / HOURLY_WATCH.sum(), jnp.float32)
    hour = jnp.minimum(jnp.sum(u[1] > upto), 23)
    below = jnp.where(hour > 0, upto[jnp.maximum(hour - 1, 0)], 0.0)
    within = jnp.clip((u[1] - below) / (upto[hour] - below), 0.0, 0.999)
    time = day * DAY + ((hour.astype(jnp.float32) + within) * 3600).astype(jnp.int32)
    return time // seconds * seconds
