"""Schedules as functions of a step that may be traced."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import ArrayLike, Float


def linear(step: ArrayLike, start: ArrayLike, end: ArrayLike, steps: ArrayLike) -> Float[Array, ""]:
    """Return ``(1 - f) start + f end`` with ``f = clip(step / steps, 0, 1)``; exactly ``start`` at
    step 0 and ``end`` from ``steps`` on.

    Args:
        step: steps done, float or integer.
        start: value at step 0.
        end: value from ``steps`` on.
        steps: length of the schedule, positive.
    """
    step, start, end, steps = (jnp.asarray(x, jnp.float32) for x in (step, start, end, steps))
    share = jnp.clip(step / steps, 0.0, 1.0)
    return (1.0 - share) * start + share * end


def falling(
    step: ArrayLike, start: ArrayLike, share: ArrayLike, steps: ArrayLike
) -> Float[Array, ""]:
    """Return ``start (1 - share f)`` with ``f = clip(step / steps, 0, 1)``; exactly ``start`` at
    every step where ``share`` is 0.

    Args:
        step: steps done, float or integer.
        start: value at step 0.
        share: fraction of ``start`` that is lost by ``steps``, in [0, 1].
        steps: length of the schedule, positive.
    """
    step, start, share, steps = (jnp.asarray(x, jnp.float32) for x in (step, start, share, steps))
    return start * (1.0 - share * jnp.clip(step / steps, 0.0, 1.0))
