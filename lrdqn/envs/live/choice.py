"""Utility of the shown streams, and the choice among them and "nothing".

Source: envs/live/README.md, section 5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.config import UserLawConfig
from lrdqn.envs.live.daily_patterns import DAY
from lrdqn.envs.live.session import Session
from lrdqn.envs.live.world import LiveParams, affinity, fresh_utility
from lrdqn.ops.choice import first_taken

HIGHLIGHT_SHARE = 0.3
HIGHLIGHT_SECONDS = 120


class StreamUtility(NamedTuple):
    """Utility and experience of the shown streams to each user."""

    utility: Float[Array, "N K"]
    experience: Float[Array, "N K"]
    affinity: Float[Array, "N K"]
    highlight: Float[Array, "N K"]


def highlight(
    room: Int[Array, "..."], time: Int[Array, "..."], salt: Int[Array, ""]
) -> Float[Array, "..."]:
    """Return 1 where the room's current bin of ``HIGHLIGHT_SECONDS`` is a highlight, else 0.

    ``H = 1{hash(room, t // HIGHLIGHT_SECONDS) < HIGHLIGHT_SHARE 2^32}``: a closed form, so that
    sessions with clocks of their own agree on it. Source: share and length, KuaiLive-M3.
    """
    x = mixed(room, time // HIGHLIGHT_SECONDS, salt.astype(jnp.uint32))
    return (x < jnp.uint32(int(HIGHLIGHT_SHARE * 2**32))).astype(jnp.float32)


def mixed(room: Int[Array, "..."], at: Int[Array, "..."], salt: Array) -> Array:
    """Return a hash of (room, at) to 32 bits; the mixing constants are MurmurHash3's finaliser
    (Appleby, public domain)."""
    x = room.astype(jnp.uint32) * jnp.uint32(0x9E3779B1) + at.astype(jnp.uint32) + salt
    for multiplier, shift in ((0x85EBCA6B, 16), (0xC2B2AE35, 13)):
        x = (x ^ (x >> jnp.uint32(shift))) * jnp.uint32(multiplier)
    return x ^ (x >> jnp.uint32(16))


def loyalty_kernel(seconds: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return ``K(D) = (1 + cos(2 pi D / 24 h)) / 2 * (1 - exp(-D / 30 min))``: users come back at
    the same hour, and not at once.

    Source: envs/live/README.md, section 5.
    """
    return 0.5 * (1 + jnp.cos(2 * jnp.pi * seconds / DAY)) * (1 - jnp.exp(-seconds / 1800.0))


def decayed_loyalty(
    session: Session, law: UserLawConfig
) -> tuple[Float[Array, "N L"], Float[Array, "N L"]]:
    """Return ``D``, seconds since the last visit of each slot's streamer, and ``l exp(-D / tau)``,
    tau being ``loyalty_days``.

    Source: envs/live/README.md, section 7.
    """
    gap = jnp.maximum(session.time[:, None] - session.loyalty_seen, 0).astype(jnp.float32)
    return gap, session.loyalty_strength * jnp.exp(-gap / (law.loyalty_days * DAY))


def appeal(
    state: Session, streamer: Int[Array, "N K"], room: Int[Array, "N K"], params: LiveParams
) -> StreamUtility:
    """Return utility and experience at each session's own time (decision clock); see
    ``appeal_at``."""
    return appeal_at(state, streamer, highlight(room, state.time[:, None], params.salt), params)


def appeal_at(
    state: Session,
    streamer: Int[Array, "N K"],
    is_highlight: Float[Array, "N K"],
    params: LiveParams,
) -> StreamUtility:
    """Return utility V (it draws a click) and experience Q (it leaves a user content) of each shown
    stream.

    ``V = V_0 + w_l l' K(D) + w_H (H - 0.3) - w_f f_g`` and ``Q = q_a a + q_k k + q_h h``, with V_0
    ``fresh_utility``, l' and D ``decayed_loyalty``, K ``loyalty_kernel``.

    Args:
        state: sessions.
        streamer: shown to each of them.
        is_highlight: H, 1 in a highlight.
        params: the world.

    Source: envs/live/README.md, section 5; the weights are design choices.
    """
    law = params.law
    gap, strength = decayed_loyalty(state, law)
    pull = strength * loyalty_kernel(gap)
    same = streamer[:, :, None] == state.loyalty[:, None, :]
    loyal = jnp.sum(jnp.where(same, pull[:, None, :], 0.0), axis=2)
    tired = jnp.einsum("ng,nkg->nk", state.fatigue, params.streamers.category[streamer])
    taste = affinity(params, state.interest, streamer)
    utility = (
        fresh_utility(params, taste, state.category_bias, streamer)
        + law.loyalty * loyal
        + law.highlight * (is_highlight - HIGHLIGHT_SHARE)
        - law.fatigue * tired
    )
    experience = (
        law.experience_affinity * taste
        + law.experience_skill * params.streamers.skill[streamer]
        + law.experience_hook * params.streamers.hook[streamer]
    )
    return StreamUtility(utility, experience, taste, is_highlight)


ChoiceModel = Callable[
    [Float[Array, "*N K"], Bool[Array, "*N K"], UserLawConfig], Float[Array, "*N K"]
]
"""``model(utility, shown, law) -> P(the stream at each place is watched)``; the rest, up to 1, is
the probability of "nothing"."""


def logits(
    utility: Float[Array, "*N K"], shown: Bool[Array, "*N K"], law: UserLawConfig
) -> Float[Array, "*N K"]:
    """Return ``l = c_0 + c_1 V``, against 0 for "nothing"; minus infinity where a place shows
    nothing."""
    return jnp.where(shown, law.click_bias + law.click_slope * utility, -jnp.inf)


def against_nothing(ends: Float[Array, "*N K"]) -> Float[Array, "*N K"]:
    """Return ``exp(e_i) / (1 + sum_j exp(e_j))``."""
    return jax.nn.softmax(jnp.concatenate([ends, jnp.zeros_like(ends[..., :1])], axis=-1), axis=-1)[
        ..., :-1
    ]


def multinomial_logit(
    utility: Float[Array, "*N K"], shown: Bool[Array, "*N K"], law: UserLawConfig
) -> Float[Array, "*N K"]:
    """Return ``P(i) = exp(l_i) / (1 + sum_j exp(l_j))``, the multinomial logit; for K = 1 this is
    ``sigmoid(l)``."""
    return against_nothing(logits(utility, shown, law))


def proportional(
    utility: Float[Array, "*N K"], shown: Bool[Array, "*N K"], law: UserLawConfig
) -> Float[Array, "*N K"]:
    """Return ``P(i) = v_i / (v_0 + sum_j v_j)`` with ``v = max(0, l - floor)``, and
    ``v_0 = -floor`` for "nothing".

    Source: RecSim's multinomial proportional choice (Ie et al. 2019b, section 4), on the same
    logits as ``mnl``.
    """
    v = jnp.maximum(logits(utility, shown, law) - law.choice_floor, 0.0)
    return v / (jnp.sum(v, axis=-1, keepdims=True) - law.choice_floor)


def attention(like: Float[Array, "*N K"], law: UserLawConfig) -> Float[Array, "*N K"]:
    """Return ``decay^rank``, the probability that each place is examined (position-based model;
    Richardson et al. 2007)."""
    return law.position_decay ** jax.lax.broadcasted_iota(jnp.float32, like.shape, like.ndim - 1)


def position_multinomial(
    utility: Float[Array, "*N K"], shown: Bool[Array, "*N K"], law: UserLawConfig
) -> Float[Array, "*N K"]:
    """Return ``P(i) = a_i exp(l_i) / (1 + sum_j a_j exp(l_j))`` with attention ``a = decay^rank``.

    Like ``mnl`` a ratio of weights, so that the value of a slate decomposes. Source: Abeliuk et
    al. 2016, "Assortment optimization under a multinomial logit model with position bias and social
    influence", 4OR 14.
    """
    return against_nothing(logits(utility, shown, law) + jnp.log(attention(utility, law)))


def exponential_cascade(
    utility: Float[Array, "*N K"], shown: Bool[Array, "*N K"], law: UserLawConfig
) -> Float[Array, "*N K"]:
    """Return the probability that each place is the first taken from the top, each with
    ``min(1, attention scale exp(l))``.

    Source: RecSim's exponential cascade (Ie et al. 2019b).
    """
    appeal = jnp.exp(logits(utility, shown, law))
    return first_taken(jnp.minimum(attention(utility, law) * law.cascade_scale * appeal, 1.0))


def position_based(
    utility: Float[Array, "*N K"], shown: Bool[Array, "*N K"], law: UserLawConfig
) -> Float[Array, "*N K"]:
    """Return the probability that each place is the first taken: examined with ``decay^rank``, then
    taken with ``sigmoid(l)``."""
    return first_taken(attention(utility, law) * jax.nn.sigmoid(logits(utility, shown, law)))


def independent(
    utility: Float[Array, "*N K"], shown: Bool[Array, "*N K"], law: UserLawConfig
) -> Float[Array, "*N K"]:
    """Return the probability that each place is the first taken, each with ``sigmoid(l)``;
    ``bernoulli`` in the config."""
    return first_taken(jax.nn.sigmoid(logits(utility, shown, law)))


CHOICE_MODELS: dict[str, ChoiceModel] = {
    "mnl": multinomial_logit,
    "proportional": proportional,
    "cascade": exponential_cascade,
    "pbm": position_based,
    "bernoulli": independent,
    "position_mnl": position_multinomial,
}
"""By ``env.choice_model``."""


def odds(
    chances_of: ChoiceModel,
    utility: Float[Array, "N C"],
    shown: Bool[Array, "N C"],
    law: UserLawConfig,
) -> Float[Array, "N C"]:
    """Return ``v = p / (1 - p)``, p being the probability of a stream that is shown alone: its
    weight against 1 for "nothing".

    Slate optimisers (``ops.slates``) work with these weights. They are exact for the models that
    are ratios of weights, apart from position effects (``mnl``, ``proportional``,
    ``position_mnl``); for the models that scan from the top they are an approximation.
    """
    alone = chances_of(utility[..., None], shown[..., None], law)[..., 0]
    return alone / jnp.maximum(1 - alone, 1e-6)
