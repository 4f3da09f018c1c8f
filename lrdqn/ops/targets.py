"""One-step TD targets with changing action sets. Scalar functions; callers ``vmap`` over the batch."""

from __future__ import annotations

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from lrdqn.ops.masking import masked

TargetRule = Callable[
    [Float[Array, ""], Float[Array, ""], Float[Array, "A"], Float[Array, "A"], Bool[Array, "A"]], Float[Array, ""]
]
"""``rule(r_t, discount_t, q_t_online, q_t_target, mask_t) -> target``"""


def bootstrap(
    r_t: Float[Array, ""], discount_t: Float[Array, ""], value_t: Float[Array, ""], mask_t: Bool[Array, "A"]
) -> Array:
    """``r + discount * value``, and ``r`` alone where nothing follows (discount 0, or no action on offer).

    The branch is on the discount and not left to the product: 0 times a value that has overflowed is NaN.
    """
    follows = (discount_t != 0) & jnp.any(mask_t)
    return jax.lax.stop_gradient(r_t + jnp.where(follows, discount_t * value_t, jnp.zeros_like(value_t)))


def max_target(
    r_t: Float[Array, ""],
    discount_t: Float[Array, ""],
    q_t_online: Float[Array, "A"],
    q_t_target: Float[Array, "A"],
    mask_t: Bool[Array, "A"],
) -> Float[Array, ""]:
    """Q-learning target ``y = r + discount * max_{a in mask} Q(s', a; theta^-)``; no gradient flows through it.

    Args:
        r_t: reward of the transition.
        discount_t: ``gamma ** elapsed``, 0 where the episode terminated; 0 gives exactly ``r_t``.
        q_t_online: ignored; there so that all rules share one signature.
        q_t_target: ``Q(s', .; theta^-) [A]``.
        mask_t: actions on offer in s' ``[A]``; with none of them the target is ``r_t``.

    Source: Mnih et al. 2015, algorithm 1.
    """
    chex.assert_rank([r_t, discount_t, q_t_online, q_t_target, mask_t], [0, 0, 1, 1, 1])
    chex.assert_equal_shape([q_t_online, q_t_target, mask_t])
    return bootstrap(r_t, discount_t, jnp.max(masked(q_t_target, mask_t)), mask_t)


def double_target(
    r_t: Float[Array, ""],
    discount_t: Float[Array, ""],
    q_t_online: Float[Array, "A"],
    q_t_target: Float[Array, "A"],
    mask_t: Bool[Array, "A"],
) -> Float[Array, ""]:
    """Double Q-learning target ``y = r + discount * Q(s', argmax_{a in mask} Q(s', a; theta); theta^-)``; no gradient.

    Args:
        r_t: reward of the transition.
        discount_t: ``gamma ** elapsed``, 0 where the episode terminated; 0 gives exactly ``r_t``.
        q_t_online: ``Q(s', .; theta) [A]``, which chooses; ties go to the lowest index.
        q_t_target: ``Q(s', .; theta^-) [A]``, which judges.
        mask_t: actions on offer in s' ``[A]``; with none of them the target is ``r_t``.

    Source: van Hasselt, Guez and Silver 2016, equation 4.
    """
    chex.assert_rank([r_t, discount_t, q_t_online, q_t_target, mask_t], [0, 0, 1, 1, 1])
    chex.assert_equal_shape([q_t_online, q_t_target, mask_t])
    best = jnp.argmax(masked(q_t_online, mask_t))
    return bootstrap(r_t, discount_t, q_t_target[best], mask_t)


TARGETS: dict[str, TargetRule] = {"max": max_target, "double": double_target}
