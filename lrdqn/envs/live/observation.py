"""Observations of the live world, built from an explicit list, so that hidden state cannot leak.

``env.obs`` chooses a level: ``observable`` is what a platform has, ``noisy`` the same with noise,
``full`` the hidden state too. Source: envs/live/README.md, section 9.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from lrdqn.envs.live.choice import StreamUtility, appeal
from lrdqn.envs.live.daily_patterns import DAY
from lrdqn.envs.live.session import Candidates, Session
from lrdqn.envs.live.world import LiveParams
from lrdqn.observations import LiveObs

Observe = Callable[[Session, Candidates, LiveParams], LiveObs]
NOISE = (0.5, 1.0, 0.0, 0.1)
"""Standard deviation of the noise on log viewers, hours on air, followed and recency, at
``env.obs_noise=1``."""
RECENT_NOISE = (0.5, 0.5, 0.5)
"""The same on the logs of the last minutes' comments, likes and gifts, which the tick clock
shows."""


def context(state: Session) -> Float[Array, "N 5"]:
    """Return sine and cosine of the hour of day, log minutes in the session, log decisions and log
    misses, ``[N, 5]``."""
    angle = 2 * jnp.pi * (state.time % DAY).astype(jnp.float32) / DAY
    minutes = (state.time - state.started).astype(jnp.float32) / 60
    columns = (
        jnp.sin(angle),
        jnp.cos(angle),
        jnp.log1p(minutes),
        jnp.log1p(state.decisions.astype(jnp.float32)),
        jnp.log1p(state.misses.astype(jnp.float32)),
    )
    return jnp.stack(columns, axis=1).astype(jnp.float16)


def observable(state: Session, candidates: Candidates, params: LiveParams) -> LiveObs:
    """Return what a platform sees of N sessions.

    4 + 10 bytes of user and context, 5 bytes a watch, 11 bytes a candidate (S < 32,767).
    """
    del params
    return LiveObs(
        user=state.user,
        context=context(state),
        history=state.history,
        history_watch=state.history_watch,
        history_reaction=state.history_reaction,
        candidates=candidates.streamer.astype(state.history.dtype),
        features=candidates.features,
        mask=candidates.mask,
    )


def full(state: Session, candidates: Candidates, params: LiveParams) -> LiveObs:
    """Return what is observable and, in further columns, the hidden state.

    In ``context``: patience, satisfaction, log minutes of free time. In ``features``, of each
    candidate: utility, experience, affinity, highlight. It measures how much of a learner's
    distance to a privileged policy is due to partial observability.
    """
    stream_utility = appeal(state, candidates.streamer, candidates.room, params)
    return with_hidden_user_state(state, revealed(candidates, stream_utility, params), params)


def revealed(
    candidates: Candidates, stream_utility: StreamUtility, params: LiveParams
) -> Candidates:
    """Return candidates with utility, experience, affinity and highlight behind their features;
    zeros where nothing is on offer."""
    hidden = jnp.stack(
        [
            stream_utility.utility,
            stream_utility.experience,
            stream_utility.affinity,
            stream_utility.highlight,
        ],
        axis=2,
    )
    hidden = jnp.where((candidates.streamer != params.nothing)[..., None], hidden, 0.0)
    return candidates._replace(
        features=jnp.concatenate([candidates.features, hidden.astype(jnp.float16)], axis=2)
    )


def with_hidden_user_state(state: Session, candidates: Candidates, params: LiveParams) -> LiveObs:
    """Return what is observable, with patience, satisfaction and log minutes of free time behind
    the context."""
    seen = observable(state, candidates, params)
    minutes = jnp.maximum(state.until - state.time, 0).astype(jnp.float32) / 60
    mood = jnp.stack([state.patience, state.satisfaction, jnp.log1p(minutes)], axis=1)
    return seen._replace(context=jnp.concatenate([seen.context, mood.astype(jnp.float16)], axis=1))


OBSERVE: dict[str, Observe] = {"observable": observable, "noisy": observable, "full": full}
"""By ``env.obs``; noise is added where a request is made (``blur``), since what is seen of it must
not change afterwards."""


def blur(
    candidates: Candidates, noise: float, normals: Float[Array, "N C F"], scale: tuple[float, ...]
) -> Candidates:
    """Return candidates with noisy features, ``x + noise scale normals``; features of places that
    show nothing stay 0."""
    added = noise * jnp.asarray([[scale]], jnp.float32) * normals
    on_offer = jnp.any(candidates.features != 0, axis=2, keepdims=True)
    blurred = candidates.features.astype(jnp.float32) + jnp.where(on_offer, added, 0.0)
    return candidates._replace(features=blurred.astype(candidates.features.dtype))
