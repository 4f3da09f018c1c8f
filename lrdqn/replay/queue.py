"""A queue in place of a replay memory: each stored transition is learnt from once, in the order in
which it was written."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from lrdqn.config import InputError, ReplayConfig
from lrdqn.replay import ring
from lrdqn.types import Hypers, Replay, Sample, Transition


class QueueState(NamedTuple):
    """The transitions of the last iteration, and the position of the next batch."""

    data: Transition
    """Leaves ``[capacity, ...]``."""
    position: Int[Array, ""]


def make_queue(config: ReplayConfig, capacity: int) -> Replay:
    """Return a first-in, first-out queue, for agents that learn from fresh sessions only.

    ``add`` takes exactly ``capacity`` transitions and resets the position; each ``sample`` returns
    the next ``batch_size`` of them, with probability 1 and weight 1, and ``update_priorities``
    advances the position. The caller shuffles the transitions before ``add``.

    Args:
        config: batch size.
        capacity: transitions of one iteration, a multiple of the batch size.

    Raises:
        InputError: in ``add`` (when it is traced), if the number of transitions differs from
            ``capacity``.

    Source: Gallici et al. 2024 (PQN), algorithm 2 (minibatches of a rollout).
    """
    k = config.batch_size

    def init(example: Transition) -> QueueState:
        return QueueState(ring.init(example, capacity).data, jnp.int32(0))

    def add(
        state: QueueState,
        transitions: Transition,
        hypers: Hypers,
        complete: Bool[Array, "n"] | None = None,
    ) -> QueueState:
        del hypers
        if complete is not None:
            raise InputError("replay=queue: takes whole rollouts, not decisions of many steps")
        if ring.capacity_of(transitions) != capacity:
            raise InputError(
                f"replay=queue: {ring.capacity_of(transitions)} "
                f"transitions at once: must be {capacity}"
            )
        # The write goes through the ring for its checks of shapes and types; a full turn ends where
        # it began.
        store, _ = ring.add(ring.Ring(state.data, jnp.int32(0), jnp.int32(0)), transitions)
        return QueueState(store.data, jnp.int32(0))

    def sample(state: QueueState, key: PRNGKeyArray, hypers: Hypers) -> Sample:
        del key, hypers
        batch = jax.tree.map(
            lambda x: jax.lax.dynamic_slice_in_dim(x, state.position, k), state.data
        )
        ones = jnp.ones((k,), jnp.float32)
        return Sample(batch, state.position + jnp.arange(k, dtype=jnp.int32), ones, ones)

    def update_priorities(
        state: QueueState, indices: Int[Array, "B"], td_error: Float[Array, "B"], hypers: Hypers
    ) -> QueueState:
        del indices, td_error, hypers
        return state._replace(position=(state.position + k) % capacity)

    return Replay(init, add, sample, update_priorities)
