"""What choice models share, whatever world they belong to: a scan from the top, and one draw."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int


def first_taken(taken: Float[Array, "*N K"]) -> Float[Array, "*N K"]:
    """The first place that is taken, each with a chance of its own:
    ``P(i) = p_i prod_{j < i} (1 - p_j)``."""
    passed = jnp.cumprod(1 - taken, axis=-1)
    return taken * jnp.concatenate([jnp.ones_like(taken[..., :1]), passed[..., :-1]], axis=-1)


def choose(
    u: Float[Array, "N"], chances: Float[Array, "N K"]
) -> tuple[Bool[Array, "N"], Int[Array, "N"]]:
    """One uniform per session, by inverting the cumulative sum of a choice model's probabilities.

    Args:
        u: uniforms in (0, 1).
        chances: of each place; what is left to 1 is "nothing".

    Returns:
        clicked ``[N]`` and the place ``[N]`` clicked (0 where none).
    """
    below = u[:, None] < jnp.cumsum(chances, axis=1)
    return below[:, -1], jnp.argmax(below, axis=1)
