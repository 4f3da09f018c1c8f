"""One tick of a watch: how likely it ends, at which second, and which reactions it brings
(envs/live/README.md, section 10).

The decision clock draws the length of a watch at the click. Here the length follows from a leaving
rate that highlights and content change. With their weights at zero both clocks have the same law
and, for the same random number, the same length.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erfc, ndtri
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.choice import HIGHLIGHT_SHARE
from lrdqn.envs.live.config import UserLawConfig
from lrdqn.envs.live.engagement import reaction_factor, reactions
from lrdqn.envs.live.prices import gifts_by_price, price_shares
from lrdqn.envs.live.session import Session
from lrdqn.envs.live.tick.state import Watch
from lrdqn.envs.live.world import LiveParams

LEAST_SIGMA = 1e-3
HALF = -0.6931472
"""log 0.5"""
ROOT_HALF = 0.70710678


def dwell(
    stayed: Bool[Array, "N"], law: UserLawConfig
) -> tuple[Float[Array, "N"], Float[Array, "N"]]:
    """Return log median and log-sd of the watch: of an engaged one, or of a bounce."""
    median = jnp.where(stayed, law.dwell_median, law.bounce_median)
    return jnp.log(median), jnp.maximum(
        jnp.where(stayed, law.dwell_sigma, law.bounce_sigma), LEAST_SIGMA
    )


def log_upper(z: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return ``log P(Z > z)`` of a standard normal, precise in both tails down to ``e^-85``, where
    it stays constant; no watch reaches it."""
    tail = 0.5 * erfc(jnp.abs(z) * ROOT_HALF)
    return jnp.where(z > 0, jnp.log(jnp.maximum(tail, 1e-37)), jnp.log1p(-tail))


def log_survival(
    seconds: Float[Array, "2 N"], stayed: Bool[Array, "N"], law: UserLawConfig
) -> Float[Array, "2 N"]:
    """Return ``log S(w) = log P(Z > (ln w - mu) / sigma)`` of the lognormal from which the decision
    clock draws the watch."""
    mu, sigma = dwell(stayed, law)
    return log_upper((jnp.log(jnp.maximum(seconds, 1e-9)) - mu[None]) / sigma[None])


def seconds_at(
    log_s: Float[Array, "N"], stayed: Bool[Array, "N"], law: UserLawConfig
) -> Float[Array, "N"]:
    """Return the inverse, ``w = exp(mu - sigma Phi^-1(S))``, precise in both tails."""
    mu, sigma = dwell(stayed, law)
    early = log_s > HALF
    z = ndtri(jnp.where(early, -jnp.expm1(log_s), jnp.exp(log_s)))
    return jnp.exp(mu + sigma * jnp.where(early, z, -z))


def budget_of(z: Float[Array, "N"]) -> Float[Array, "N"]:
    """Return ``-log(1 - u)`` for the standard normal z = Phi^-1(u): the cumulative hazard at which
    the user leaves, exponential."""
    return -log_upper(z)


def pace(
    is_highlight: Float[Array, "N"], drift: Float[Array, "N"], highlight: float, content: float
) -> Float[Array, "N"]:
    """Return ``exp(-eta (H - share) - zeta (theta . z - mean))``, the rate at which the hazard
    budget is used up, about 1 on average.

    Args:
        is_highlight: H; ``share`` is the share of time in highlights (``HIGHLIGHT_SHARE``).
        drift: standardised affinity of user and current content, less that with the streamer's
            style: ``mean`` is the pair's own, since affinity with the style has already acted on
                whether the user stays.
        highlight, content: eta and zeta.
    """
    return jnp.exp(-highlight * (is_highlight - HIGHLIGHT_SHARE) - content * drift)


def leave(
    budget: Float[Array, "N"],
    watched: Float[Array, "N"],
    stayed: Bool[Array, "N"],
    rate: Float[Array, "N"],
    tick: float,
    law: UserLawConfig,
) -> tuple[Float[Array, "N"], Float[Array, "N"]]:
    """Return when users leave in the tick that begins now, and the hazard budget that remains.

    ``P(leave in tick) = 1 - [S(w + tick) / S(w)]^rate``. One exponential number serves a whole
    watch: each tick takes ``rate (log S(w) - log S(w + tick))`` off the budget, and the user leaves
    where it is used up, at ``log S(w + s) = log S(w) - budget / rate``.

    Returns:
        Seconds of the watch at which the users leave (infinite where not in this tick), and the
        budget after it.
    """
    before, after = log_survival(jnp.stack([watched, watched + tick]), stayed, law)
    used = rate * (before - after)
    wished = jnp.clip(seconds_at(before - budget / rate, stayed, law), watched, watched + tick)
    return jnp.where(budget <= used, wished, jnp.inf), jnp.maximum(budget - used, 0.0)


class TickDraws(NamedTuple):
    """Uniforms of one tick of a watch."""

    reactions: Float[Array, "3 N"]
    price: Float[Array, "N"]


class Event(NamedTuple):
    """Events of one tick of a watch, zeros where nobody watches, ``[N]``."""

    seconds: Float[Array, "N"]
    comments: Float[Array, "N"]
    likes: Float[Array, "N"]
    gifts: Float[Array, "N"]
    by_price: Float[Array, "N 14"]
    finished: Bool[Array, "N"]
    """The watch ends within this tick."""


def play_tick(
    draws: TickDraws,
    watch: Watch,
    session: Session,
    watching: Bool[Array, "N"],
    now: Int[Array, ""],
    rate: Float[Array, "N"],
    is_highlight: Float[Array, "N"],
    tick: int,
    params: LiveParams,
) -> tuple[Watch, Event]:
    """Play one tick of every watch, until the user leaves, has no time left, or the room goes off
    air; return the watches and their events.

    Args:
        draws: random numbers.
        watch: so far; ``ends`` as it stands now.
        session: as of the click; the watch began at its time.
        watching: which sessions watch.
        now: second at which the tick begins.
        rate: ``pace`` in this tick.
        is_highlight: H of the streamer watched.
        tick: seconds (static).
        params: the world.
    """
    law = params.law
    watched = jnp.where(watching, (now - session.time).astype(jnp.float32), 0.0)
    left = (watch.ends - session.time).astype(jnp.float32)
    free = jnp.maximum(session.until - session.time, 0).astype(jnp.float32)
    wished, budget = leave(watch.budget, watched, watch.stayed, rate, float(tick), law)
    stop = jnp.clip(jnp.minimum(wished, jnp.minimum(left, free)), 0.0, None)
    finished = watching & (stop <= watched + tick)
    seconds = jnp.where(
        watching, jnp.maximum(jnp.minimum(stop, watched + tick) - watched, 0.0), 0.0
    )
    per_minute = seconds / 60 * reaction_factor(watch.utility, is_highlight, law)
    comments, likes, gifts = reactions(
        draws.reactions, per_minute, params.users.wealth[session.user], law
    )
    by_price = gifts_by_price(
        draws.price, gifts, price_shares(params.users.wealth_rank[session.user], law.price_tilt)
    )
    on = watch._replace(
        budget=jnp.where(watching, budget, watch.budget),
        seconds=jnp.where(watching, watched + seconds, watch.seconds),
        cut=watch.cut | (finished & (left < wished) & (left <= free)),
        comments=watch.comments + comments,
        likes=watch.likes + likes,
        by_price=watch.by_price + by_price,
    )
    return on, Event(seconds, comments, likes, gifts, by_price, finished)


def drift_of(
    content: Float[Array, "S+1 d"],
    interest: Float[Array, "N d"],
    streamer: Int[Array, "N"],
    params: LiveParams,
) -> Float[Array, "N"]:
    """Return ``(theta_u . z_s - theta_u . e_s) / scale`` ``[N]``, the affinity with the current
    content less that with the streamer's style."""
    off = content - params.streamers.style
    return jnp.sum(interest * off[streamer], axis=1) / params.affinity_scale
