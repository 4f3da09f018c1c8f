"""How interests move with what is watched (SIMULATOR section 6)."""

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
"""``drift(state, streamer, e, u, params) -> state`` with interests moved; u is uniform."""

RECSIM_SLOPE = 0.3
"""How far a topic of no interest either way can move (RecSim, interest evolution)."""


def stay_put(
    state: Session,
    streamer: Int[Array, "N"],
    e: Engagement,
    u: Float[Array, "N"],
    params: LiveParams,
) -> Session:
    """``drift=none``."""
    del streamer, e, u, params
    return state


def towards(
    interest: Float[Array, "N d"], style: Float[Array, "N d"], e: Engagement, law: UserLawConfig
) -> Float[Array, "N d"]:
    """``theta <- normalise(theta + a min(1, w / 600) (z - theta))`` after staying, with ``-a / 2``
    for a after a bounce."""
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
    """``drift=smooth``: the interest turns to the style of what was watched. Source: SIMULATOR
    section 6."""
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
    """``I <- clip(I +- a(I) m (m - I), -1, 1)`` with ``a = .3 (1 - |I|)``, up with chance
    ``sum_g m_g (I_g + 1) / 2``.

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
    """``drift=recsim``: a click moves the viewer's leaning to the stream's category, for good or
    for bad."""
    topic, clicked = params.streamers.category[streamer], e.clicked.astype(jnp.float32)[:, None]
    leaning = jnp.clip(state.category_bias, -1.0, 1.0)
    return state._replace(category_bias=one_topic(leaning, topic, clicked, u))


DRIFTS: dict[str, Drift] = {"none": stay_put, "smooth": smooth, "recsim": recsim}
"""By ``env.drift``."""
