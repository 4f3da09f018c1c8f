"""Epsilon-greedy on a whole grid of random numbers, so that frequencies are counted and not
estimated."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles.exploration import epsilon_greedy_probabilities

from lrdqn.ops.exploration import epsilon_greedy, greedy

choose = jax.jit(jax.vmap(epsilon_greedy, in_axes=(0, None, None, None)))
choose_each = jax.jit(jax.vmap(epsilon_greedy))

CASES = [
    ([0.1, 0.7, 0.7, -2.0, 0.3], [1, 1, 1, 1, 1]),
    ([9.0, 0.7, 0.2, -2.0, 0.3], [0, 1, 0, 1, 1]),
    ([-5.0, -1.0, -9.0, -2.0, 3.0], [0, 0, 1, 0, 0]),
    ([1.0, 1.0, 1.0, 1.0, 1.0], [0, 0, 1, 1, 0]),
    ([np.inf, -np.inf, np.nan, -np.inf, np.inf], [0, 1, 0, 1, 0]),
]


@pytest.mark.parametrize(("q", "mask"), CASES)
@pytest.mark.parametrize("epsilon", [0.0, 0.05, 0.3, 1.0])
def test_frequencies(q: list[float], mask: list[int], epsilon: float) -> None:
    grid = 2**16
    u = np.arange(grid, dtype=np.float32) / grid
    actions = np.asarray(
        choose(u, np.array(q, np.float32), np.array(mask, bool), np.float32(epsilon))
    )
    assert actions.dtype == np.int32
    counts = np.bincount(actions, minlength=5)
    expected = epsilon_greedy_probabilities(np.array(q), np.array(mask, bool), epsilon) * grid
    np.testing.assert_allclose(counts, expected, atol=2.0)
    assert not np.any(counts[np.array(mask) == 0])


@pytest.mark.parametrize("epsilon", [1e-6, 1e-4, 1e-3])
def test_small_epsilon_is_met_to_one_grid_point(epsilon: float) -> None:
    """The numbers are all float32 that ``jax.random.uniform`` can draw below and just above
    epsilon."""
    actions, step = 16, 2.0**-23
    u = (np.arange(int(epsilon / step) + 50) * step).astype(np.float32)
    q = np.zeros(actions, np.float32)
    q[5] = 1
    counts = np.bincount(
        np.asarray(choose(u, q, np.ones(actions, bool), np.float32(epsilon))), minlength=actions
    )
    others = np.delete(counts, 5)
    assert np.all(np.abs(others - epsilon / step / actions) <= 1)
    assert abs(others.sum() - epsilon / step * (actions - 1) / actions) <= 1


def test_epsilon_zero_never_explores_and_one_always_does() -> None:
    q, mask = np.array([0, 3, 1], np.float32), np.ones(3, bool)
    edge = np.array([0.0, np.nextafter(np.float32(1), np.float32(0))], np.float32)
    np.testing.assert_array_equal(choose(edge, q, mask, np.float32(0)), [1, 1])
    np.testing.assert_array_equal(choose(edge, q, mask, np.float32(1)), [0, 2])


def test_the_largest_exploring_number_stays_on_offer() -> None:
    """With ``u`` one step below epsilon, rounding must not lead past the last available action."""
    rng = np.random.default_rng(0)
    n, actions = 4096, 31
    mask = rng.random((n, actions)) < 0.5
    mask[:, 7] = True
    epsilon = rng.random(n).astype(np.float32)
    u = np.nextafter(epsilon, np.float32(0))
    chosen = np.asarray(choose_each(u, np.zeros((n, actions), np.float32), mask, epsilon))
    last = actions - 1 - np.argmax(mask[:, ::-1], axis=1)
    np.testing.assert_array_equal(chosen, last)


def test_greedy() -> None:
    q = jnp.array([5.0, 2.0, 2.0, -jnp.inf])
    best = jax.jit(greedy)
    assert best(q, jnp.array([True] * 4)) == 0
    assert best(q, jnp.array([False, True, True, True])) == 1
    assert best(q, jnp.array([False, False, False, True])) == 3
    assert best(q, jnp.array([False, False, True, True])).dtype == jnp.int32
