"""The price ladder of gifts, and how dearly each viewer buys from it (SIMULATOR section 5)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

PRICES = np.array([1, 2, 3, 5, 10, 20, 52, 99, 188, 299, 520, 1314, 3000, 10000], np.float32)
PRICE_SHARES = np.array(
    [
        0.439,
        0.108,
        0.044,
        0.062,
        0.109,
        0.070,
        0.045,
        0.035,
        0.028,
        0.020,
        0.017,
        0.011,
        0.006,
        0.0015,
    ]
)
"""How often each rung is sent; fits KuaiLive's quantiles. Normalised in use."""
GIVERS_RANK = 0.986
"""Mean wealth rank of whoever sends a gift, where gifts go by a wealth of log-sd 3.2: it buys as
all together do."""


def along_last(values: np.ndarray, axes: int) -> Float[Array, "... K"]:
    """Constants as the last of so many axes."""
    return jnp.asarray(values, jnp.float32).reshape((1,) * (axes - 1) + (-1,))


def price_shares(rank: Float[Array, "*N"], tilt: Float[Array, ""] | float) -> Float[Array, "*N 14"]:
    """``p_r(u) ~ p_r exp(tilt (rank_u - .986) r)`` on rung r = 0 .. 13: the wealthy buy higher up.

    Centred at the rank of the mean giver, so that the gifts of all viewers keep the published
    shares (within 1 % of each).

    Args:
        rank: place of the viewer among all by wealth, in (0, 1).
        tilt: .1. Source: GiftLive, by SIMULATOR section 5.
    """
    rank, rung = rank[..., None], np.arange(len(PRICES))
    lean = tilt * (rank - GIVERS_RANK) * along_last(rung, rank.ndim)
    return jax.nn.softmax(along_last(np.log(PRICE_SHARES), rank.ndim) + lean, axis=-1)


def gifts_by_price(
    u: Float[Array, "*N"], gifts: Float[Array, "*N"], shares: Float[Array, "*N 14"]
) -> Float[Array, "*N 14"]:
    """How many of a watch's gifts stand on each rung of the price ladder, from one uniform.

    ``floor(n F_r + u) - floor(n F_{r-1} + u)`` with F the cumulated shares: systematic sampling,
    which puts ``n p_r`` gifts on rung r on average and never more than one off; a single gift takes
    rung r with p_r. (One price for all gifts of a watch, the first version, let a few wealthy
    viewers decide the quantiles of all prices.) Source: Madow and Madow 1944.
    """
    u, gifts = u[..., None], gifts[..., None]
    # the last edge is 1 whatever the rounding, and u is below 1: all gifts are passed, and none
    # before the first rung
    passed = jnp.minimum(jnp.floor(gifts * jnp.cumsum(shares, axis=-1) + u), gifts)
    passed = jnp.concatenate(
        [passed[..., :-1], jnp.broadcast_to(gifts, (*passed.shape[:-1], 1))], axis=-1
    )
    return passed - jnp.concatenate([jnp.zeros_like(passed[..., :1]), passed[..., :-1]], axis=-1)
