"""Places of the largest values, in a way that learners on several devices can compute apart."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int


def largest(x: Float[Array, "*B A"], count: int) -> Int[Array, "*B K"]:
    """Return the places of the ``count`` largest values along the last axis, largest first; of
    equal ones, the lower place comes first.

    The same places as ``jax.lax.top_k``, for which XLA gathers the rows of all devices. Two
    gatherings in one program may be met in different orders by two devices, which then wait for
    each other for ever; a sort stays on its device.
    """
    return jnp.argsort(-x, axis=-1)[..., :count].astype(jnp.int32)
