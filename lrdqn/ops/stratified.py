"""Stratified sampling (Schaul et al. 2016, appendix B.2.1)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, PRNGKeyArray


def strata(key: PRNGKeyArray, n: int, total: Float[Array, ""]) -> Float[Array, "n"]:
    """Draw one number from each of n equal parts of ``[0, total)``, in order.

    They are float64, whatever ``jax_enable_x64`` says. float32 numbers near the end of the last of
    256 parts lie 2^-16 of a part apart: among 2^20 items, some ten would share such a step.

    Args:
        key: of the draws.
        n: number of parts.
        total: positive.
    """
    bits = jax.random.bits(key, (2, n), jnp.uint32)
    with jax.enable_x64(True):
        high, low = bits.astype(jnp.float64) * np.float64(2**-32)
        place = jnp.arange(n).astype(jnp.float64) + (high + low * np.float64(2**-32))
        return jnp.minimum(
            place * (total.astype(jnp.float64) / np.float64(n)),
            total.astype(jnp.float64) * np.float64(1 - 2**-53),
        )
