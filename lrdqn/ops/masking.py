"""Masking of unavailable actions: their values are set to one finite floor, below every real
value."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

MASKED: float = float(np.finfo(np.float32).min)
"""Value of an unavailable action. It is finite, since a discount of 0 times minus infinity is
NaN."""


def masked(q: Float[Array, "*B A"], mask: Bool[Array, "*B A"]) -> Float[Array, "*B A"]:
    """Return ``q`` where ``mask``, else ``MASKED``: an argmax over the result stays inside the mask
    as long as the mask holds an action.

    Values of available actions are floored at ``MASKED / 2``, so that even minus infinity stays
    above the value of an unavailable action.

    Args:
        q: action values ``[..., A]``.
        mask: available actions ``[..., A]``.
    """
    return jnp.where(mask, jnp.maximum(q, MASKED / 2), MASKED)
