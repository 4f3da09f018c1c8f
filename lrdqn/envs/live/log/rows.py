"""The log as a flat table with a row for each streamer that was shown."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.log.impressions import ImpressionLog
from lrdqn.ops.history import STAY_SECONDS


class Rows(NamedTuple):
    """Impressions, ``I = T N K``."""

    user: Int[Array, "I"]
    streamer: Int[Array, "I"]
    clicked: Float[Array, "I"]
    stayed: Float[Array, "I"]
    """1 for a watch of more than ``STAY_SECONDS``."""
    seconds: Float[Array, "I"]
    impatient: Float[Array, "I"]
    """1 where the user then left for want of patience."""
    decisions: Float[Array, "I"]
    """Requests that followed in the session."""
    returned: Float[Array, "I"]
    """1 where the user came back on the day after the session."""
    context: Float[Array, "I X"]
    """Context and changing features of the request, as the policy saw them."""
    weight: Float[Array, "I"]
    """1, and 0 for an empty place."""
    complete: Float[Array, "I"]
    """1 where the end of the session lies in the log, so that what followed is known."""


class Following(NamedTuple):
    """Later events of a request's session, ``[T, N]``."""

    decisions: Float[Array, "T N"]
    returned: Float[Array, "T N"]
    complete: Bool[Array, "T N"]


def what_followed(log: ImpressionLog) -> Following:
    """Return requests that followed, whether the user came back, and whether both are known."""

    def back(after: Following, row: Any) -> tuple[Following, Following]:
        last, returned = row
        now = Following(
            jnp.where(last, 0.0, after.decisions + 1),
            jnp.where(last, returned, after.returned),
            last | after.complete,
        )
        return now, now

    none = jnp.zeros(log.last.shape[1:])
    start = Following(none, none, none.astype(bool))
    rows = (log.last, log.returned.astype(jnp.float32))
    return jax.lax.scan(back, start, rows, reverse=True)[1]


def rows_of(log: ImpressionLog, nothing: int) -> Rows:
    """Return a row for each place of each slate.

    Args:
        log: of one world.
        nothing: id of the streamer that marks an empty place.
    """
    shape = log.shown.shape
    clicked = log.place[..., None] == jnp.arange(shape[-1])[None, None]
    following = what_followed(log)

    def spread(x: Array) -> Array:
        return jnp.broadcast_to(x[..., None], shape).reshape(-1).astype(jnp.float32)

    seconds = jnp.where(clicked, log.seconds[..., None], 0.0).reshape(-1)
    here = log.obs.candidates[..., None, :] == log.shown[..., :, None]
    features = jnp.einsum(
        "tnkc,tncf->tnkf", here.astype(jnp.float32), log.obs.features.astype(jnp.float32)
    )
    context = jnp.broadcast_to(
        log.obs.context[..., None, :].astype(jnp.float32), (*shape, log.obs.context.shape[-1])
    )
    return Rows(
        user=jnp.broadcast_to(log.obs.user[..., None], shape).reshape(-1),
        streamer=log.shown.reshape(-1).astype(jnp.int32),
        clicked=clicked.reshape(-1).astype(jnp.float32),
        stayed=(seconds > STAY_SECONDS).astype(jnp.float32),
        seconds=seconds,
        impatient=spread(log.impatient),
        decisions=spread(following.decisions),
        returned=spread(following.returned),
        context=jnp.concatenate([context, features], axis=-1).reshape(
            -1, context.shape[-1] + features.shape[-1]
        ),
        weight=(log.shown != nothing).reshape(-1).astype(jnp.float32),
        complete=spread(following.complete),
    )
