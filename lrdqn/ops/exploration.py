"""Choice of an action from action values. The functions take one session; callers ``vmap`` them and
draw the random numbers in one block."""

from __future__ import annotations

import chex
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.ops.masking import masked


def greedy(q: Float[Array, "A"], mask: Bool[Array, "A"]) -> Int[Array, ""]:
    """Return ``argmax_{a in mask} q(a)``; ties go to the lowest index.

    Args:
        q: action values ``[A]``.
        mask: available actions ``[A]``, at least one.
    """
    chex.assert_rank([q, mask], [1, 1])
    return jnp.argmax(masked(q, mask)).astype(jnp.int32)


def epsilon_greedy(
    u: Float[Array, ""], q: Float[Array, "A"], mask: Bool[Array, "A"], epsilon: Float[Array, ""]
) -> Int[Array, ""]:
    """Return an action that with probability ``epsilon`` is uniform over the available actions (the
    greedy one among them), else greedy.

    One uniform number makes both decisions: explore where ``u < epsilon``; given that,
    ``u / epsilon`` is again uniform on [0, 1) and is cut into n equal parts, one per available
    action. ``jax.random.uniform`` draws float32 from a grid of step 2^-23, so an action has its
    probability ``epsilon / n`` to within 2^-23 (1.2e-7), however small epsilon is.

    Args:
        u: one uniform number in [0, 1).
        q: action values ``[A]``.
        mask: available actions ``[A]``, at least one.
        epsilon: in [0, 1]; 0 never explores and 1 always does.

    Source: Mnih et al. 2015, algorithm 1.
    """
    chex.assert_rank([u, q, mask, epsilon], [0, 1, 1, 0])
    place = jnp.cumsum(mask, dtype=jnp.int32)
    count = place[-1]
    # In IEEE arithmetic u / epsilon * count stays below count; the clamp is for compilers that
    # multiply by a reciprocal. The floor under epsilon keeps 0 / 0 out of the branch that is not
    # taken.
    part = jnp.floor(
        u / jnp.maximum(epsilon, jnp.finfo(u.dtype).tiny) * count.astype(u.dtype)
    ).astype(jnp.int32)
    explored = jnp.argmax(place > jnp.minimum(part, count - 1)).astype(jnp.int32)
    return jnp.where(u < epsilon, explored, greedy(q, mask))
