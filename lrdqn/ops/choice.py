"""Parts that the choice models of all environments share: a scan of a list from the top, and the
draw of a choice."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int


def first_taken(taken: Float[Array, "*N K"]) -> Float[Array, "*N K"]:
    """Return the probability that place i is the first one taken,
    ``P(i) = p_i prod_{j < i} (1 - p_j)``, where ``p_i`` is the probability of taking place i once
    it is reached."""
    passed = jnp.cumprod(1 - taken, axis=-1)
    return taken * jnp.concatenate([jnp.ones_like(taken[..., :1]), passed[..., :-1]], axis=-1)


def choose(
    u: Float[Array, "N"], chances: Float[Array, "N K"]
) -> tuple[Bool[Array, "N"], Int[Array, "N"]]:
    """Draw a choice from one uniform per session, by inverting the cumulative sum of the
    probabilities.

    Args:
        u: uniforms in (0, 1) ``[N]``.
        chances: probability of each place ``[N, K]``; the remainder to 1 is that of "nothing".

    Returns:
        Whether a place was clicked ``[N]``, and which one ``[N]`` (0 where none was).
    """
    below = u[:, None] < jnp.cumsum(chances, axis=1)
    return below[:, -1], jnp.argmax(below, axis=1)
