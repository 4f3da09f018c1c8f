"""The queue: batches in the order of writing, each once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.config import InputError, ReplayConfig
from lrdqn.replay import make_queue
from lrdqn.types import Hypers, Transition

HYPERS = Hypers(*(jnp.float32(1.0) for _ in Hypers._fields))


def transitions(first: int, n: int) -> Transition:
    number = jnp.arange(first, first + n, dtype=jnp.int32)
    return Transition(
        number[:, None].astype(jnp.uint8),
        number,
        number.astype(jnp.float32),
        jnp.zeros(n),
        number[:, None].astype(jnp.uint8),
    )


def test_each_transition_once_and_a_new_rollout_begins_anew() -> None:
    replay = make_queue(ReplayConfig(name="queue", batch_size=4), 12)
    state = replay.init(jax.tree.map(lambda x: x[0], transitions(0, 1)))
    for first in (0, 100):
        state = replay.add(state, transitions(first, 12), HYPERS)
        seen = []
        for _ in range(3):
            sample = replay.sample(state, jax.random.key(0), HYPERS)
            seen += sample.transition.action.tolist()
            np.testing.assert_array_equal(sample.weights, 1)
            np.testing.assert_array_equal(sample.probabilities, 1)
            state = replay.update_priorities(state, sample.indices, jnp.zeros(4), HYPERS)
        assert seen == list(range(first, first + 12))
    assert int(state.position) == 0


def test_a_rollout_that_does_not_fit_is_refused() -> None:
    replay = make_queue(ReplayConfig(name="queue", batch_size=4), 12)
    state = replay.init(jax.tree.map(lambda x: x[0], transitions(0, 1)))
    for n in (8, 13):
        with pytest.raises(InputError, match=f"{n} transitions"):
            replay.add(state, transitions(0, n), HYPERS)
