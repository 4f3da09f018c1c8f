"""Reward: a weighted sum of parts, each reported by itself. Source: envs/live/README.md, section
8."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from lrdqn.envs.live.config import RewardConfig
from lrdqn.envs.live.engagement import BOUNCE_SECONDS, Engagement


class RewardParts(NamedTuple):
    """Unweighted parts of the reward, all ``[N]``."""

    watch_minutes: Float[Array, "N"]
    comments: Float[Array, "N"]
    likes: Float[Array, "N"]
    follows: Float[Array, "N"]
    gift_value: Float[Array, "N"]
    bounces: Float[Array, "N"]
    no_clicks: Float[Array, "N"]
    comebacks: Float[Array, "N"]


def reward_parts(e: Engagement, comeback: Float[Array, "N"], weights: RewardConfig) -> RewardParts:
    """Return the parts of one impression: minutes up to ``watch_cap_minutes``, counts, and
    ``log1p`` of the total price of the gifts.

    A watch that the room's end cut short is no bounce.
    """
    return RewardParts(
        watch_minutes=jnp.minimum(e.seconds / 60, weights.watch_cap_minutes),
        comments=e.comments,
        likes=e.likes,
        follows=e.followed.astype(jnp.float32),
        gift_value=jnp.log1p(e.spent),
        bounces=(e.clicked & ~e.cut & (e.seconds < BOUNCE_SECONDS)).astype(jnp.float32),
        no_clicks=(~e.clicked).astype(jnp.float32),
        comebacks=comeback,
    )


def scalarise(parts: RewardParts, weights: RewardConfig) -> Float[Array, "N"]:
    """Return the reward: the weighted sum of its parts.

    ``r = w_watch minutes + w_c comments + ... + w_b 1{w < 3 s} + w_0 1{no click}
    + w_ret 1{return}``
    """
    return (
        weights.watch * parts.watch_minutes
        + weights.comment * parts.comments
        + weights.like * parts.likes
        + weights.follow * parts.follows
        + weights.gift * parts.gift_value
        + weights.bounce * parts.bounces
        + weights.no_click * parts.no_clicks
        + weights.comeback * parts.comebacks
    )


PendingReward = Float[Array, "N 2"]
"""Follows and value of gifts that have not been paid yet."""
Delay = Callable[[RewardParts, PendingReward, Bool[Array, "N"]], tuple[RewardParts, PendingReward]]
"""``delay(parts, pending_reward, over) -> (parts paid now, pending_reward)``; ``over`` marks the
end of a session, when everything is paid."""


def _paid(parts: RewardParts, paid: PendingReward) -> RewardParts:
    return parts._replace(follows=paid[:, 0], gift_value=paid[:, 1])


def _earned(parts: RewardParts) -> PendingReward:
    return jnp.stack([parts.follows, parts.gift_value], axis=1)


def at_once(
    parts: RewardParts, pending_reward: PendingReward, over: Bool[Array, "N"]
) -> tuple[RewardParts, PendingReward]:
    """Pay at once (``reward.delay=none``)."""
    del over
    return parts, pending_reward


def with_the_next(
    parts: RewardParts, pending_reward: PendingReward, over: Bool[Array, "N"]
) -> tuple[RewardParts, PendingReward]:
    """Pay follows and gifts with the next decision, the last decision's own too
    (``reward.delay=tick``)."""
    earned, over = _earned(parts), over[:, None]
    return _paid(parts, pending_reward + jnp.where(over, earned, 0.0)), jnp.where(over, 0.0, earned)


def as_it_ends(
    parts: RewardParts, pending_reward: PendingReward, over: Bool[Array, "N"]
) -> tuple[RewardParts, PendingReward]:
    """Pay all follows and gifts of a session with its last decision (``reward.delay=end``)."""
    total, over = pending_reward + _earned(parts), over[:, None]
    return _paid(parts, jnp.where(over, total, 0.0)), jnp.where(over, 0.0, total)


DELAYS: dict[str, Delay] = {"none": at_once, "tick": with_the_next, "end": as_it_ends}
"""By ``env.reward.delay``: delayed labels. Under each rule everything is paid within its
session."""
