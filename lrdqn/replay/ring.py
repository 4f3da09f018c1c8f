"""Ring buffer of the replays: the newest ``capacity`` transitions, the oldest overwritten first."""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

from lrdqn.config import InputError
from lrdqn.types import PyTree, Transition

LARGEST_CAPACITY = 2**30
"""Position plus batch size must fit in int32."""


class Ring(NamedTuple):
    """Slots ``[0, size)`` are filled; ``position`` is the slot written next."""

    data: Transition
    """Leaves ``[capacity, ...]``, in the types of the example."""
    position: Int[Array, ""]
    size: Int[Array, ""]


def init(example: Transition, capacity: int) -> Ring:
    """Return an empty ring with room for ``capacity`` transitions like ``example``.

    Args:
        example: one unbatched transition, whose shapes and types (int16, float16, uint8, bool, ...)
            the ring keeps.
        capacity: transitions kept.

    Raises:
        InputError: if the capacity is not in ``[1, 2^30]``.
    """
    if not 1 <= capacity <= LARGEST_CAPACITY:
        raise InputError(f"replay.capacity={capacity}: must be in [1, {LARGEST_CAPACITY}]")
    data = jax.tree.map(
        lambda x: jnp.zeros((capacity, *jnp.shape(x)), jnp.asarray(x).dtype), example
    )
    return Ring(data, jnp.int32(0), jnp.int32(0))


def capacity_of(data: PyTree) -> int:
    """Return the number of slots, the length of the leading axis of every leaf."""
    return jax.tree.leaves(data)[0].shape[0]


def add(
    ring: Ring, batch: Transition, complete: Bool[Array, "n"] | None = None
) -> tuple[Ring, Int[Array, "n"]]:
    """Write ``batch`` into the next n slots, continuing from slot 0 past the end, and return the
    ring and the slots ``[n]``, oldest first.

    Where ``complete`` is given, only those transitions are written, into as many slots, and the
    slots of the others lie beyond the ring.

    n is static and free: it need not divide the capacity, and calls may differ in it.

    Args:
        ring: storage.
        batch: leaves ``[n, ...]`` with the example's shapes and types.
        complete: marks the transitions to write; all if it is ``None``.

    Raises:
        InputError: if n is 0 or more than the capacity (when the call is traced).
        AssertionError: if a shape or type is not the example's (likewise); nothing is cast
            silently.
    """
    n, capacity = capacity_of(batch), capacity_of(ring.data)
    if not 1 <= n <= capacity:
        raise InputError(
            f"replay.add: {n} transitions at once: must be in [1, replay.capacity={capacity}]"
        )
    jax.tree.map(lambda slots, x: chex.assert_shape(x, (n, *slots.shape[1:])), ring.data, batch)
    jax.tree.map(lambda slots, x: chex.assert_type(x, slots.dtype), ring.data, batch)
    count, mode = n, "promise_in_bounds"
    indices = (ring.position + jnp.arange(n, dtype=jnp.int32)) % capacity
    if complete is not None:
        count, mode = jnp.sum(complete, dtype=jnp.int32), "drop"
        following = ring.position + jnp.cumsum(complete, dtype=jnp.int32) - 1
        beyond = capacity + jnp.arange(n, dtype=jnp.int32)
        indices = jnp.where(complete, following % capacity, beyond)
    # A scatter, not dynamic_update_slice: that one clamps a batch that runs over the end, and
    # batches of several sizes (warm-up, training) leave the position anywhere. Under vmap both
    # compile to the same scatter.
    data = jax.tree.map(
        lambda slots, x: slots.at[indices].set(x, mode=mode, unique_indices=True),
        ring.data,
        batch,
    )
    ring = Ring(data, (ring.position + count) % capacity, jnp.minimum(ring.size + count, capacity))
    return ring, indices


def take(ring: Ring, indices: Int[Array, "B"]) -> Transition:
    """Return the transitions at ``indices``, leaves ``[B, ...]``. The caller must ensure that these
    slots are filled."""
    return jax.tree.map(lambda slots: slots.at[indices].get(mode="promise_in_bounds"), ring.data)
