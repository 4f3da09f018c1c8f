"""Uniform replay: filled slots only, all with the same probability."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import chex
import jax
import numpy as np
import pytest

from lrdqn.config import ReplayConfig
from lrdqn.replay import make_uniform
from lrdqn.types import Hypers

CAPACITY, DRAWS = 100, 50_000
REPLAY = make_uniform(ReplayConfig(capacity=CAPACITY, batch_size=DRAWS))
add, draw = jax.jit(REPLAY.add), jax.jit(REPLAY.sample)


@pytest.mark.parametrize("stored", [1, 37, 100, 250])
def test_every_filled_slot_alike(
    stored: int, plain: SimpleNamespace, make_hypers: Callable[..., Hypers]
) -> None:
    state, hypers = REPLAY.init(plain.example), make_hypers()
    for first in range(0, stored, 50):
        state = add(state, plain.batch(np.arange(first, min(first + 50, stored))), hypers)
    sample = draw(state, jax.random.key(1), hypers)
    size = min(stored, CAPACITY)
    counts = np.bincount(sample.indices, minlength=CAPACITY)
    assert not np.any(counts[size:])
    # Mean size - 1, standard deviation sqrt(2 (size - 1)): beyond 4.5 of them about once in 10^5.
    chi2 = np.sum((counts[:size] - DRAWS / size) ** 2) / (DRAWS / size)
    assert chi2 <= size - 1 + 4.5 * np.sqrt(2 * (size - 1))
    np.testing.assert_allclose(sample.probabilities, np.full(DRAWS, 1 / size), rtol=1e-6)
    np.testing.assert_array_equal(sample.weights, np.ones(DRAWS))
    assert int(np.min(sample.transition.action)) >= stored - size
    np.testing.assert_array_equal(sample.transition.action % CAPACITY, sample.indices)


def test_priorities_change_nothing(
    plain: SimpleNamespace, make_hypers: Callable[..., Hypers]
) -> None:
    hypers = make_hypers()
    state = add(REPLAY.init(plain.example), plain.batch(np.arange(50)), hypers)
    after = REPLAY.update_priorities(state, np.arange(4), np.full(4, np.nan, np.float32), hypers)
    chex.assert_trees_all_equal(after, state)


def test_same_key_same_batch(plain: SimpleNamespace, make_hypers: Callable[..., Hypers]) -> None:
    hypers = make_hypers()
    state = add(REPLAY.init(plain.example), plain.batch(np.arange(50)), hypers)
    draws = [np.asarray(draw(state, jax.random.key(seed), hypers).indices) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.any(draws[0] != draws[2])
