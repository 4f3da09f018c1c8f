"""Ridge regressions of many groups at once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

BLOCK = 32
"""Rows of one block: a group's rows are laid out in whole blocks, whose products are one batched
matrix product."""


def group_moments(
    x: Float[Array, "I p"],
    y: Float[Array, "I"],
    weight: Float[Array, "I"],
    group: Int[Array, "I"],
    groups: int,
) -> tuple[Float[Array, "G p p"], Float[Array, "G p"]]:
    """Return ``sum_i w_i x_i x_i^T`` and ``sum_i w_i y_i x_i`` over the rows of each group.

    Rows are sorted by group and cut into blocks of one group each, so that the largest array has
    ``I / BLOCK + G`` matrices and not I.

    Args:
        x: features.
        y: outcomes.
        weight: of each row; 0 leaves it out.
        group: of each row, below ``groups``.
        groups: G.
    """
    rows, blocks = group.shape[0], group.shape[0] // BLOCK + groups
    order = jnp.argsort(group)
    of = group[order]
    count = jnp.bincount(group, length=groups)
    first_row = jnp.cumsum(count) - count
    needed = -(-count // BLOCK)
    first_block = jnp.cumsum(needed) - needed
    rank = jnp.arange(rows) - first_row[of]
    at = (first_block[of] + rank // BLOCK) * BLOCK + rank % BLOCK
    source = jnp.full(blocks * BLOCK, rows, jnp.int32).at[at].set(order.astype(jnp.int32))
    extended = jnp.concatenate([x, y[:, None]], axis=1)
    left = jnp.concatenate([x * weight[:, None], jnp.zeros((1, x.shape[1]), x.dtype)])[source]
    right = jnp.concatenate([extended, jnp.zeros((1, x.shape[1] + 1), x.dtype)])[source]
    products = jnp.einsum(
        "bip,biq->bpq",
        left.reshape(blocks, BLOCK, -1),
        right.reshape(blocks, BLOCK, -1),
        precision=jax.lax.Precision.HIGHEST,
    )
    owner = jnp.minimum(
        jnp.searchsorted(first_block + needed, jnp.arange(blocks), side="right"), groups - 1
    )
    moments = jax.ops.segment_sum(products, owner, num_segments=groups, indices_are_sorted=True)
    return moments[..., :-1], moments[..., -1]


def solve_ridge(
    gram: Float[Array, "G p p"],
    moment: Float[Array, "G p"],
    penalty: float,
    prior: Float[Array, "G p"],
) -> Float[Array, "G p"]:
    """Return ``argmin_w sum_i w_i (y_i - w . x_i)^2 + penalty |w - prior|^2`` of each group,
    ``(gram + penalty I)^{-1} (moment + penalty prior)``."""
    ridge = gram + penalty * jnp.eye(gram.shape[-1], dtype=gram.dtype)[None]
    return solve_positive_definite(ridge, moment + penalty * prior)


def solve_positive_definite(
    a: Float[Array, "G p p"], b: Float[Array, "G p"]
) -> Float[Array, "G p"]:
    """Return ``a^{-1} b`` by Gauss-Jordan elimination, which needs no pivots where a is positive
    definite.

    Plain array operations, which may stand inside a loop: LAPACK's solver waits for ever there on a
    CPU device with one thread (jaxlib 0.10).
    """
    size = b.shape[-1]

    def eliminate(k: Array, rows: Array) -> Array:
        pivot = jax.lax.dynamic_slice_in_dim(rows, k, 1, axis=1)
        pivot = pivot / jax.lax.dynamic_slice_in_dim(pivot, k, 1, axis=2)
        factor = jax.lax.dynamic_slice_in_dim(rows, k, 1, axis=2)
        return jnp.where((jnp.arange(size) == k)[None, :, None], pivot, rows - factor * pivot)

    start = jnp.concatenate([a, b[..., None]], axis=2)
    return jax.lax.fori_loop(0, size, eliminate, start)[..., -1]
