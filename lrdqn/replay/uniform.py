"""Replay that samples every stored transition with the same probability (Lin 1992; Mnih et al.
2015)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from lrdqn.config import ReplayConfig
from lrdqn.replay import ring
from lrdqn.replay.ring import Ring
from lrdqn.types import Hypers, Replay, Sample, Transition


def make_uniform(config: ReplayConfig) -> Replay:
    """Return uniform replay: ``P(i) = 1 / size`` over the filled slots, with replacement, all
    weights 1. Its state is a ``Ring``.

    ``sample`` costs O(batch) whatever the capacity, and needs at least one stored transition.

    Args:
        config: capacity and batch size.

    Raises:
        InputError: in ``init``, if the capacity is out of range.
    """

    def init(example: Transition) -> Ring:
        return ring.init(example, config.capacity)

    def add(
        state: Ring,
        transitions: Transition,
        hypers: Hypers,
        complete: Bool[Array, "n"] | None = None,
    ) -> Ring:
        del hypers
        return ring.add(state, transitions, complete)[0]

    def sample(state: Ring, key: PRNGKeyArray, hypers: Hypers) -> Sample:
        del hypers
        indices = jax.random.randint(key, (config.batch_size,), 0, state.size, jnp.int32)
        probability = 1.0 / state.size.astype(jnp.float32)
        return Sample(
            transition=ring.take(state, indices),
            indices=indices,
            probabilities=jnp.full((config.batch_size,), probability),
            weights=jnp.ones((config.batch_size,), jnp.float32),
        )

    def update_priorities(
        state: Ring, indices: Int[Array, "B"], td_error: Float[Array, "B"], hypers: Hypers
    ) -> Ring:
        del indices, td_error, hypers
        return state

    return Replay(init, add, sample, update_priorities)
