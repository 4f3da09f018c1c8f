"""Drift of interests with what is watched. Source: envs/live/README.md, section 7."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from lrdqn.envs.live.config import UserLawConfig
from lrdqn.envs.live.engagement import Engagement, bounced
from lrdqn.envs.live.session import Session
from lrdqn.envs.live.world import LiveParams

Drift = Callable[[Session, Int[Array, "N"], Engagement, Float[Array, "N"], LiveParams], Session]
"""``drift(state, streamer, e, u, params) -> state`` with the interests moved; u is uniform."""

RECSIM_SLOPE = 0.3
"""Step of a topic at interest 0 (RecSim, interest evolution)."""


def stay_put(
    state: Session,
    streamer: Int[Array, "N"],
    e: Engagement,
    u: Float[Array, "N"],
    params: LiveParams,
) -> Session:
    """Leave the interests as they are (``drift=none``)."""
    del streamer, e, u, params
    return state


def towards(
    interest: Float[Array, "N d"], style: Float[Array, "N d"], e: Engagement, law: UserLawConfig
) -> Float[Array, "N d"]:
    """Return ``normalise(theta + a min(1, w / 600) (e - theta))``: a is ``interest_rate`` after an
    engaged watch, ``-interest_rate / 2`` after a bounce, 0 otherwise."""
    rate = (
        jnp.where(e.stayed, 1.0, jnp.where(bounced(e), -0.5, 0.0))
        * law.interest_rate
        * jnp.minimum(1.0, e.seconds / 600)
    )
    moved = interest + rate[:, None] * (style - interest)
    return moved / jnp.maximum(jnp.linalg.norm(moved, axis=1, keepdims=True), 1e-12)


def smooth(
    state: Session,
    streamer: Int[Array, "N"],
    e: Engagement,
    u: Float[Array, "N"],
    params: LiveParams,
) -> Session:
    """Turn the interest towards the style of the stream watched (``drift=smooth``)."""
    del u
    return state._replace(
        interest=towards(state.interest, params.streamers.style[streamer], e, params.law)
    )


def one_topic(
    bias: Float[Array, "N G"],
    topic: Float[Array, "N G"],
    clicked: Float[Array, "N 1"],
    u: Float[Array, "N"],
) -> Float[Array, "N G"]:
    """Return ``clip(I +- a(I) m (m - I), -1, 1)`` with ``a = RECSIM_SLOPE (1 - |I|)``, up with
    probability ``sum_g m_g (I_g + 1) / 2``.

    m is the document: one topic, or shares of several.

    Source: RecSim, interest evolution (Ie et al. 2019b), ``UtilityModelUserState``.
    """
    change = RECSIM_SLOPE * (1 - jnp.abs(bias)) * topic * (topic - bias)
    up = u < jnp.sum(topic * (bias + 1) / 2, axis=1)
    return jnp.clip(bias + clicked * jnp.where(up[:, None], change, -change), -1.0, 1.0)


def recsim(
    state: Session,
    streamer: Int[Array, "N"],
    e: Engagement,
    u: Float[Array, "N"],
    params: LiveParams,
) -> Session:
    """Move the category bias by RecSim's rule, up or down, after a click (``drift=recsim``)."""
    topic, clicked = params.streamers.category[streamer], e.clicked.astype(jnp.float32)[:, None]
    bias = jnp.clip(state.category_bias, -1.0, 1.0)
    return state._replace(category_bias=one_topic(bias, topic, clicked, u))


DRIFTS: dict[str, Drift] = {"none": stay_put, "smooth": smooth, "recsim": recsim}
"""By ``env.drift``."""
