"""State of N sessions, and the random numbers of one step."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri
from jaxtyping import Bool, Float, Int, PRNGKeyArray

T = TypeVar("T")


class Candidates(NamedTuple):
    """Streams offered by one request."""

    streamer: Int[Array, "N C"]
    room: Int[Array, "N C"]
    """Flat room index."""
    ends: Int[Array, "N C"]
    """Second at which the room goes off air."""
    features: Float[Array, "N C F"]
    mask: Bool[Array, "N C"]


class Session(NamedTuple):
    """State of N sessions. Times are int32 seconds since the world began, one clock per session."""

    user: Int[Array, "N"]
    time: Int[Array, "N"]
    started: Int[Array, "N"]
    until: Int[Array, "N"]
    """Second at which the user's free time ends."""
    interest: Float[Array, "N d"]
    category_bias: Float[Array, "N G"]
    patience: Float[Array, "N"]
    patience_cap: Float[Array, "N"]
    satisfaction: Float[Array, "N"]
    fatigue: Float[Array, "N G"]
    loyalty: Int[Array, "N L"]
    loyalty_strength: Float[Array, "N L"]
    loyalty_seen: Int[Array, "N L"]
    """Second of the last visit; can lie before the world began."""
    followed: Bool[Array, "N L"]
    history: Int[Array, "N H"]
    history_watch: Float[Array, "N H"]
    history_reaction: Int[Array, "N H"]
    misses: Int[Array, "N"]
    """Impressions of this session without a click or with a bounce."""
    pending_reward: Float[Array, "N 2"]
    """Follows and value of gifts that have not been paid yet (``reward.delay``)."""
    decisions: Int[Array, "N"]
    """Decisions of the episode."""
    session: Int[Array, "N"]
    """Index of the session within the episode; 0 unless ``episode=user``."""


class Draws(NamedTuple):
    """Random numbers of one impression, by name, so that two policies can share them (common random
    numbers)."""

    click: Float[Array, "N"]
    stay: Float[Array, "N"]
    reactions: Float[Array, "3 N"]
    """Of comments, likes and gifts."""
    follow: Float[Array, "N"]
    price: Float[Array, "N"]
    comeback: Float[Array, "N"]
    drift: Float[Array, "N"]
    watch: Float[Array, "N"]
    """Standard normal; the others are uniform."""


class Arrival(NamedTuple):
    """Random numbers that start a session: two uniform, three standard normal."""

    user: Float[Array, "N"]
    day: Float[Array, "N"]
    hour: Float[Array, "N"]
    patience: Float[Array, "N"]
    minutes: Float[Array, "N"]


def uniforms(key: PRNGKeyArray, shape: tuple[int, ...]) -> Array:
    """Draw uniforms clipped to [1e-7, 1 - 1e-7], so that their normal quantiles are finite."""
    return jnp.clip(jax.random.uniform(key, shape), 1e-7, 1 - 1e-7)


def draw(
    key: PRNGKeyArray, sessions: int, candidates: int
) -> tuple[Draws, Arrival, Float[Array, "2N C"]]:
    """Draw all random numbers of one step in one call: of the impression, of an arrival, and two
    sets for candidates.

    Normals are quantiles of ``uniforms``: the same number is the same quantile whatever the law's
    parameters.
    """
    u = uniforms(key, (15 + 2 * candidates, sessions))
    watch, hour, patience, minutes = ndtri(u[:4])
    click, stay, follow, price, comeback, drift, user, day = u[4:12]
    draws = Draws(click, stay, u[12:15], follow, price, comeback, drift, watch)
    return (
        draws,
        Arrival(user, day, hour, patience, minutes),
        u[15:].reshape(candidates, 2 * sessions).T,
    )


def select(flag: Bool[Array, "N"], if_true: T, if_false: T) -> T:
    """Choose row by row between two pytrees with leading axis N."""

    def pick(x: Array, y: Array) -> Array:
        return jnp.where(flag.reshape(flag.shape + (1,) * (x.ndim - 1)), x, y)

    return jax.tree.map(pick, if_true, if_false)
