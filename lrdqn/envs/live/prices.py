"""Price ladder of gifts, and the shares of its rungs by the user's wealth.

Source: envs/live/README.md, section 6.
"""

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
"""Share of gifts on each rung, fitted to KuaiLive's quantiles; normalised in use."""
GIVERS_RANK = 0.986
"""Mean wealth rank over gifts, where gifts are proportional to a wealth of log-sd
``WEALTH_SIGMA``."""


def along_last(values: np.ndarray, axes: int) -> Float[Array, "... K"]:
    """Return constants along the last of ``axes`` axes."""
    return jnp.asarray(values, jnp.float32).reshape((1,) * (axes - 1) + (-1,))


def price_shares(rank: Float[Array, "*N"], tilt: Float[Array, ""] | float) -> Float[Array, "*N 14"]:
    """Return ``p_r(u) ~ p_r exp(tilt (R_u - GIVERS_RANK) r)`` on the rungs r = 0 .. 13.

    Centred at the mean rank over gifts, so that the gifts of all users keep the published shares
    (within 1 % of each).

    Args:
        rank: R_u, the rank of the user's wealth, in (0, 1).
        tilt: ``price_tilt``. Source: GiftLive.
    """
    rank, rung = rank[..., None], np.arange(len(PRICES))
    lean = tilt * (rank - GIVERS_RANK) * along_last(rung, rank.ndim)
    return jax.nn.softmax(along_last(np.log(PRICE_SHARES), rank.ndim) + lean, axis=-1)


def gifts_by_price(
    u: Float[Array, "*N"], gifts: Float[Array, "*N"], shares: Float[Array, "*N 14"]
) -> Float[Array, "*N 14"]:
    """Return the numbers of a watch's gifts on each rung of the price ladder, from one uniform.

    ``floor(n F_r + u) - floor(n F_{r-1} + u)`` with F the cumulated shares: systematic sampling,
    which puts ``n p_r`` gifts on rung r on average and is never more than one off; a single gift
    takes rung r with probability p_r. Gifts of a watch do not share one price, since a few wealthy
    users would then determine the quantiles of all prices. Source: Madow and Madow 1944.
    """
    u, gifts = u[..., None], gifts[..., None]
    # the last edge is 1 whatever the rounding, and u is below 1: all gifts are passed, and none
    # before the first rung
    passed = jnp.minimum(jnp.floor(gifts * jnp.cumsum(shares, axis=-1) + u), gifts)
    passed = jnp.concatenate(
        [passed[..., :-1], jnp.broadcast_to(gifts, (*passed.shape[:-1], 1))], axis=-1
    )
    return passed - jnp.concatenate([jnp.zeros_like(passed[..., :1]), passed[..., :-1]], axis=-1)
