"""Values of actions that are not there: one finite floor, below every real value."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

MASKED: float = float(np.finfo(np.float32).min)
"""Stands for "no such action". Finite, since a discount of 0 times minus infinity is NaN."""


def masked(q: Float[Array, "*B A"], mask: Bool[Array, "*B A"]) -> Float[Array, "*B A"]:
    """``q`` where ``mask``, else ``MASKED``: an argmax over it never leaves the mask while the mask
    holds an action.

    Values on offer are floored at ``MASKED / 2``, so that not even minus infinity sinks to the
    level of what is missing.

    Args:
        q: action values ``[..., A]``.
        mask: which actions exist ``[..., A]``.
    """
    return jnp.where(mask, jnp.maximum(q, MASKED / 2), MASKED)
