"""Losses on one TD error. The functions are scalar; callers ``vmap``, weight and average them."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

Loss = Callable[[Float[Array, ""]], Float[Array, ""]]


def mse(td: Float[Array, ""]) -> Float[Array, ""]:
    """Return ``td^2 / 2``, whose gradient is ``td``.

    Args:
        td: TD error, target minus value.
    """
    return 0.5 * jnp.square(td)


def huber(td: Float[Array, ""], delta: float = 1.0) -> Float[Array, ""]:
    """Return ``td^2 / 2`` for ``|td| <= delta``, else ``delta (|td| - delta / 2)``: the gradient is
    ``td`` clipped to ``+-delta``.

    Args:
        td: TD error, target minus value.
        delta: where the parabola turns into a line, in the units of ``td``.

    Source: Huber 1964; with delta 1 the error clipping of Mnih et al. 2015, Methods.
    """
    size = jnp.abs(td)
    inner = jnp.minimum(size, delta)
    # This form has no `where` over the two branches: the square of a huge error would overflow in
    # the branch that is not taken.
    return 0.5 * jnp.square(inner) + delta * (size - inner)


LOSSES: dict[str, Loss] = {"mse": mse, "huber": huber}
