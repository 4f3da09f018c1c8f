"""The reward: a weighted sum of parts, each reported by itself (SIMULATOR section 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from lrdqn.envs.live.config import RewardConfig
from lrdqn.envs.live.engagement import BOUNCE_SECONDS, Engagement


class RewardParts(NamedTuple):
    """Unweighted parts, all ``[N]``."""

    watch_minutes: Float[Array, "N"]
    comments: Float[Array, "N"]
    likes: Float[Array, "N"]
    follows: Float[Array, "N"]
    gift_value: Float[Array, "N"]
    bounces: Float[Array, "N"]
    no_clicks: Float[Array, "N"]
    comebacks: Float[Array, "N"]


def reward_parts(e: Engagement, comeback: Float[Array, "N"], weights: RewardConfig) -> RewardParts:
    """Parts of one impression; ``watch`` is capped at ``watch_cap_minutes``, gifts are ``log1p`` of
    the watch's total price.

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

    ``r = w_watch minutes + w_cm comments + ... + w_bounce 1{w < 3 s} + w_none 1{no click}
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
"""Follows and value of gifts that are still to be paid."""
Delay = Callable[[RewardParts, PendingReward, Bool[Array, "N"]], tuple[RewardParts, PendingReward]]
"""``delay(parts, pending_reward, over) -> parts paid now, pending_reward``; ``over`` marks the end
of a session, when everything is paid."""


def _paid(parts: RewardParts, paid: PendingReward) -> RewardParts:
    return parts._replace(follows=paid[:, 0], gift_value=paid[:, 1])


def _earned(parts: RewardParts) -> PendingReward:
    return jnp.stack([parts.follows, parts.gift_value], axis=1)


def at_once(
    parts: RewardParts, pending_reward: PendingReward, over: Bool[Array, "N"]
) -> tuple[RewardParts, PendingReward]:
    """``reward.delay=none``."""
    del over
    return parts, pending_reward


def with_the_next(
    parts: RewardParts, pending_reward: PendingReward, over: Bool[Array, "N"]
) -> tuple[RewardParts, PendingReward]:
    """``reward.delay=tick``: a decision pays for the follows and gifts of the one before; the last
    one for its own too."""
    earned, over = _earned(parts), over[:, None]
    return _paid(parts, pending_reward + jnp.where(over, earned, 0.0)), jnp.where(over, 0.0, earned)


def as_it_ends(
    parts: RewardParts, pending_reward: PendingReward, over: Bool[Array, "N"]
) -> tuple[RewardParts, PendingReward]:
    """``reward.delay=end``: the session's last decision pays for all of its follows and gifts."""
    total, over = pending_reward + _earned(parts), over[:, None]
    return _paid(parts, jnp.where(over, total, 0.0)), jnp.where(over, 0.0, total)


DELAYS: dict[str, Delay] = {"none": at_once, "tick": with_the_next, "end": as_it_ends}
"""By ``env.reward.delay``: delayed labels (SIMULATOR section 5). What is earned is paid within its
session, whichever."""
