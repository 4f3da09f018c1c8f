"""The log of a world: what a platform that followed a known policy has recorded of its requests.

It is the common ground of everything that learns from the past. Source: envs/live/README.md,
section 16.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.env import make_live
from lrdqn.envs.live.world import LiveParams
from lrdqn.observations import LiveObs
from lrdqn.ops.largest import largest
from lrdqn.types import View

SESSIONS = 512
"""Sessions that are logged side by side, at most; one that ends makes room for the next."""

Logits = Callable[[View], Float[Array, "N C"]]
"""``logits(view)``: the logging policy draws a slate by Plackett-Luce from these; places without a
room have the finite minimum."""


class ImpressionLog(NamedTuple):
    """Requests of N sessions side by side, T of each in the order of time; row t + 1 continues the
    session of row t unless that is its last. Nothing in it is hidden from a platform."""

    obs: LiveObs
    """The request as the policy saw it, ``[T, N, ...]``."""
    shown: Int[Array, "T N K"]
    """Streamers of the slate, top first; ``S`` is an empty place."""
    propensity: Float[Array, "T N"]
    """Probability with which the logging policy shows this slate in this order."""
    place: Int[Array, "T N"]
    """Place of the slate that was clicked; K where none was."""
    seconds: Float[Array, "T N"]
    """Seconds watched; 0 without a click."""
    reactions: Float[Array, "T N 4"]
    """Comments, likes, follows, and the value of gifts as the reward counts it."""
    reward: Float[Array, "T N"]
    last: Bool[Array, "T N"]
    """The session ends with this request."""
    impatient: Bool[Array, "T N"]
    """The user leaves, and not for want of time."""
    returned: Bool[Array, "T N"]
    """The user leaves and comes back on the next day."""

    @property
    def clicked(self) -> Bool[Array, "T N"]:
        """Return which requests led to a click."""
        return self.place < self.shown.shape[-1]


def logged_world(config: LiveConfig) -> LiveConfig:
    """Return the configuration under which the log is recorded: that of the world, each session
    with a clock of its own, and nothing but what a platform sees."""
    return dataclasses.replace(
        config,
        clock="decision",
        episode="session",
        obs="observable",
        live_signals=False,
        reward=dataclasses.replace(config.reward, delay="none"),
    )


def size(impressions: int) -> tuple[int, int]:
    """Return T and N of a log of at least ``impressions`` requests."""
    sessions = max(min(SESSIONS, impressions), 1)
    return -(-impressions // sessions), sessions


def make_recorder(
    config: LiveConfig, logits: Logits
) -> Callable[[PRNGKeyArray, LiveParams], ImpressionLog]:
    """Return ``record(key, world) -> ImpressionLog`` of ``env.log.impressions`` requests (rounded
    up to whole rows).

    Args:
        config: of the world.
        logits: the logging policy.
    """
    steps, sessions = size(config.log.impressions)
    env = make_live(logged_world(config), sessions)
    places = config.slate

    def record(key: PRNGKeyArray, world: LiveParams) -> ImpressionLog:
        reset_key, act_key, env_key = jax.random.split(key, 3)
        catalogue = env.catalogue(world)

        def advance(carry: Any, t: Array) -> tuple[Any, ImpressionLog]:
            state, obs = carry
            scores = logits(View(obs, catalogue))
            slate = plackett_luce(jax.random.fold_in(act_key, t), scores, places)
            action = slate[:, 0] if places == 1 else slate
            state, step = env.step(jax.random.fold_in(env_key, t), state, action, world)
            info = step.info
            row = ImpressionLog(
                obs=obs,
                shown=jnp.take_along_axis(obs.candidates, slate, axis=1),
                propensity=jnp.exp(log_probability(scores, slate)),
                place=cast(Array, step.clicked_place),
                seconds=info["seconds"],
                reactions=jnp.stack(
                    [
                        info[f"reward/{name}"]
                        for name in ("comments", "likes", "follows", "gift_value")
                    ],
                    axis=-1,
                ),
                reward=step.reward,
                last=step.terminated | step.truncated,
                impatient=info["impatient"],
                returned=info["returned"],
            )
            return (state, step.obs), row

        return jax.lax.scan(advance, env.reset(reset_key, world), jnp.arange(steps))[1]

    return record


def plackett_luce(key: PRNGKeyArray, logits: Float[Array, "N C"], places: int) -> Int[Array, "N K"]:
    """Draw K different candidates in order, each with probability ``softmax(logits)`` among those
    that are left.

    The K largest of ``logits + Gumbel noise`` are such a draw (Kool et al. 2019, section 3).
    """
    noisy = logits + jax.random.gumbel(key, logits.shape)
    return largest(noisy, places)


def log_probability(logits: Float[Array, "N C"], slate: Int[Array, "N K"]) -> Float[Array, "N"]:
    """Return the log-probability of a slate under ``plackett_luce``:
    ``sum_k (l_k - logsumexp of what is left)``."""
    total = jnp.zeros(logits.shape[0])
    left = logits
    for k in range(slate.shape[1]):
        chosen = jnp.take_along_axis(logits, slate[:, k : k + 1], axis=1)[:, 0]
        total += chosen - jax.nn.logsumexp(left, axis=1)
        left = jnp.where(jnp.arange(logits.shape[1])[None] == slate[:, k : k + 1], -jnp.inf, left)
    return total
