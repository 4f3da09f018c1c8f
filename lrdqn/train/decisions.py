"""Whole decisions made of steps, in semi-Markov environments (``TimeStep.pending``).

Replay writes a fixed number of transitions per iteration, but a random number of decisions ends in
one. Steps that end none are replaced by complete decisions of the same iteration.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool

from lrdqn.types import Transition


def whole_decisions(
    rollout: Transition, complete: Bool[Array, "T N"], last: Transition
) -> tuple[Transition, Transition]:
    """Replace incomplete decisions: the k-th gap takes the (k mod n)-th of the n complete ones,
    oldest first.

    Args:
        rollout: leaves ``[T, N, ...]``.
        complete: marks whole decisions.
        last: one unbatched transition that fills all places if none is complete.

    Returns:
        The rollout without gaps, and the last complete transition (``last`` if there is none).
    """
    flag = complete.reshape(-1)
    size = flag.shape[0]
    count = jnp.sum(flag)
    seen = jnp.cumsum(flag) - flag
    # places of the complete ones, in order
    order = (
        jnp.zeros(size, jnp.int32)
        .at[jnp.where(flag, seen, size)]
        .set(jnp.arange(size, dtype=jnp.int32), mode="drop")
    )
    gap = jnp.arange(size) - seen
    source = jnp.where(flag, jnp.arange(size), order[gap % jnp.maximum(count, 1)])

    def fill(x: Array, kept: Array) -> Array:
        found = x.reshape(size, *x.shape[2:])[source]
        return jnp.where(count > 0, found, kept[None].astype(x.dtype)).reshape(x.shape)

    filled = jax.tree.map(fill, rollout, last)
    newest = order[jnp.maximum(count - 1, 0)]

    def keep(x: Array, kept: Array) -> Array:
        return jnp.where(count > 0, x.reshape(size, *x.shape[2:])[newest], kept).astype(kept.dtype)

    return filled, jax.tree.map(keep, rollout, last)
