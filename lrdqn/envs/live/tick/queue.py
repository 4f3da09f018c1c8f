"""Queue of a tick: a compact batch of the sessions that wait to be offered rooms, the longest
waiting first.

Drawing candidates is the main cost of a session. Only sessions that must be served need new ones,
about a third of all, so a batch of fixed length is gathered, served and put back; a session that
does not fit waits for the next tick.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

T = TypeVar("T")

CLASSES = 4
"""Waits of 0, 1, 2 and at least 3 ticks are distinguished."""


class Batch(NamedTuple):
    """A batch of B of the N places."""

    slot: Int[Array, "B"]
    """Index of the place; 0 in empty rows."""
    chosen: Bool[Array, "N"]
    row: Int[Array, "N"]
    """Row in the batch, where chosen."""


def first_in_line(waiting: Bool[Array, "N"], waited: Int[Array, "N"], size: int) -> Batch:
    """Return the first ``size`` of the waiting sessions: by waits of at least 3, of 2, 1 and 0
    ticks, then by place.

    Rows are found by counting instead of sorting: each session's row is the number of those before
    it. Cost is O(N).

    Args:
        waiting: which sessions are in the queue.
        waited: ticks waited so far.
        size: B (static).
    """
    n = waiting.shape[0]
    group = CLASSES - 1 - jnp.clip(waited, 0, CLASSES - 1)
    member = (waiting[:, None] & (group[:, None] == jnp.arange(CLASSES)[None])).astype(jnp.int32)
    total = jnp.sum(member, axis=0)
    before = jnp.cumsum(member, axis=0) - member + (jnp.cumsum(total) - total)[None]
    row = jnp.sum(member * before, axis=1)
    chosen = waiting & (row < size)
    slot = (
        jnp.zeros(size, jnp.int32)
        .at[jnp.where(chosen, row, size)]
        .set(jnp.arange(n, dtype=jnp.int32), mode="drop")
    )
    return Batch(slot, chosen, jnp.where(chosen, row, 0))


def taken(tree: T, batch: Batch) -> T:
    """Return the rows of the batch."""
    return jax.tree.map(lambda x: x[batch.slot], tree)


def put_back(tree: T, rows: T, batch: Batch) -> T:
    """Return ``tree`` with the batch's rows at their places; a gather, which vectorises where a
    scatter loops."""

    def put(x: Array, new: Array) -> Array:
        flag = batch.chosen.reshape(batch.chosen.shape + (1,) * (x.ndim - 1))
        return jnp.where(flag, new[batch.row], x)

    return jax.tree.map(put, tree, rows)
