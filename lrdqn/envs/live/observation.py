"""What may be seen. The observation is built from an explicit list, so that hidden truth cannot leak (SIMULATOR rule 3)."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from lrdqn.envs.live.candidates import DAY
from lrdqn.envs.live.session import Candidates, Session
from lrdqn.types import LiveObs


def context(state: Session) -> Float[Array, "N 5"]:
    """Hour of day on the circle, log minutes in the session, log decisions, log misses of the session."""
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


def observe(state: Session, candidates: Candidates) -> LiveObs:
    """The observation of N sessions: 4 + 10 bytes of user and context, 5 bytes a watch, 11 bytes a candidate (S < 32,767)."""
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
