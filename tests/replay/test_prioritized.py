"""Prioritised replay against printed numbers and a list-based twin, and values that must not reach
the tree."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles.replay import PriorityList, SlotList, importance_weights

from lrdqn.config import InputError, ReplayConfig
from lrdqn.ops import sum_tree
from lrdqn.replay import make_prioritized, prioritized
from lrdqn.types import Hypers

MakeHypers = Callable[..., Hypers]

P = np.array([0.1, 0.5, 1, 2, 4, 0.25, 3, 0.75], np.float32)
"""Eight priorities; slots 8 and 9 stay empty."""
GOLDEN = [
    (
        0.6,
        0.4,
        [
            0.0281161,
            0.07384771,
            0.1119322,
            0.16965749,
            0.25715267,
            0.04872132,
            0.21638532,
            0.09418718,
        ],
        [1, 0.67959034, 0.57543994, 0.48725107, 0.41257756, 0.80259121, 0.44206985, 0.61657413],
    ),
    (1.0, 1.0, P / 11.6, [1, 0.2, 0.1, 0.05, 0.025, 0.4, 0.1 / 3, 0.1 / 0.75]),
    (0.0, 0.7, np.full(8, 0.125), np.ones(8)),
    (
        0.6,
        0.0,
        [
            0.0281161,
            0.07384771,
            0.1119322,
            0.16965749,
            0.25715267,
            0.04872132,
            0.21638532,
            0.09418718,
        ],
        np.ones(8),
    ),
]


def leaf_probabilities(state: prioritized.PrioritizedState, capacity: int) -> np.ndarray:
    return np.asarray(sum_tree.read(state.tree, jnp.arange(capacity)) / sum_tree.total(state.tree))


REPLAY = make_prioritized(
    ReplayConfig(name="prioritized", capacity=10, batch_size=512, epsilon=1e-3)
)
add, draw, update = jax.jit(REPLAY.add), jax.jit(REPLAY.sample), jax.jit(REPLAY.update_priorities)


def golden_state(hypers: Hypers, plain: SimpleNamespace) -> prioritized.PrioritizedState:
    state = add(REPLAY.init(plain.example), plain.batch(np.arange(8)), hypers)
    signs = np.array([1, -1] * 4, np.float32)
    return update(state, np.arange(8, dtype=np.int32), signs * (P - np.float32(1e-3)), hypers)


@pytest.mark.parametrize(("alpha", "beta", "probabilities", "weights"), GOLDEN)
def test_printed_numbers(
    alpha: float,
    beta: float,
    probabilities: np.ndarray,
    weights: np.ndarray,
    plain: SimpleNamespace,
    make_hypers: MakeHypers,
) -> None:
    """P(i) and the weights are the printed ones, and slots 8 and 9 are never drawn."""
    hypers, k = make_hypers(alpha, beta), 512
    state = golden_state(hypers, plain)
    np.testing.assert_allclose(leaf_probabilities(state, 10)[:8], probabilities, rtol=2e-6)
    sample = draw(state, jax.random.key(0), hypers)
    # Stratified: a slot is drawn P k times, give or take the two ranges that it shares with its
    # neighbours.
    counts = np.bincount(sample.indices, minlength=10)
    assert np.all(np.abs(counts[:8] - k * np.asarray(probabilities)) < 2)
    assert not np.any(counts[8:])
    np.testing.assert_allclose(
        sample.probabilities, np.asarray(probabilities)[sample.indices], rtol=2e-6
    )
    # Every slot is in the batch, so the largest weight of the batch is that of the whole memory.
    np.testing.assert_allclose(sample.weights, np.asarray(weights)[sample.indices], rtol=1e-5)
    assert np.max(sample.weights) == 1.0
    np.testing.assert_array_equal(sample.transition.action, sample.indices)


def test_weights_of_a_batch() -> None:
    """The maximum is that of the batch; N cancels."""
    full = np.insert(GOLDEN[0][2], [0, 6], 0.0)  # two empty slots, as 0 and 7
    weights = prioritized.importance_weights(
        jnp.asarray(full[[2, 3, 5]], jnp.float32), jnp.float32(0.4)
    )
    np.testing.assert_allclose(weights, [1, 0.84674531, 0.60709744], rtol=1e-6)
    np.testing.assert_allclose(weights, importance_weights(full, [2, 3, 5], 0.4), rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_draw_j_lies_in_range_j(seed: int, plain: SimpleNamespace, make_hypers: MakeHypers) -> None:
    hypers, k = make_hypers(), 512
    state = golden_state(hypers, plain)
    indices = np.asarray(draw(state, jax.random.key(seed), hypers).indices)
    edges = np.concatenate([[0], np.cumsum(leaf_probabilities(state, 10), dtype=np.float64)])
    assert np.all(edges[indices] < (np.arange(k) + 1) / k + 1e-6)
    assert np.all(edges[indices + 1] > np.arange(k) / k - 1e-6)


def test_lockstep_with_a_list(plain: SimpleNamespace, make_hypers: MakeHypers) -> None:
    """Adds and updates are random, infinite and missing errors among them, and the batches do not
    divide the capacity."""
    capacity, alpha, rng = 37, 0.6, np.random.default_rng(0)
    hypers = make_hypers(alpha)
    replay = make_prioritized(
        ReplayConfig(name="prioritized", capacity=capacity, batch_size=16, epsilon=1e-2)
    )
    add, draw, update = (
        jax.jit(replay.add),
        jax.jit(replay.sample),
        jax.jit(replay.update_priorities),
    )
    state = replay.init(plain.example)
    slots, priorities, written = SlotList(capacity), PriorityList(capacity, alpha, 1e-2), 0
    for step in range(80):
        if step == 0 or rng.random() < 0.4:
            numbers = np.arange(written, written + rng.choice([1, 10])) % 2000
            written += len(numbers)
            state = add(state, plain.batch(numbers), hypers)
            priorities.add(slots.add(numbers.tolist()))
        sample = draw(state, jax.random.key(step), hypers)
        np.testing.assert_array_equal(
            sample.transition.action, [slots.slot(i) for i in np.asarray(sample.indices)]
        )
        exact = priorities.probabilities()
        np.testing.assert_allclose(sample.probabilities, exact[sample.indices], rtol=1e-5)
        np.testing.assert_allclose(
            sample.weights,
            importance_weights(exact, np.asarray(sample.indices).tolist(), 0.4),
            rtol=1e-4,
        )
        errors = rng.standard_t(2, capacity).astype(np.float32)
        errors[rng.random(capacity) < 0.1] = rng.choice([np.nan, np.inf, -np.inf])
        td = errors[sample.indices]  # drawn twice, a transition has one error
        state = update(state, sample.indices, td, hypers)
        priorities.update(np.asarray(sample.indices).tolist(), td.tolist())
        np.testing.assert_allclose(
            leaf_probabilities(state, capacity), priorities.probabilities(), rtol=1e-5
        )
        np.testing.assert_allclose(state.max_priority, priorities.largest, rtol=1e-6)
        assert int(state.rejected) == priorities.rejected
    assert written > 3 * capacity
    assert priorities.rejected > 20


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_error_that_is_not_finite_stops_at_the_gate(
    bad: float, plain: SimpleNamespace, make_hypers: MakeHypers
) -> None:
    hypers = make_hypers()
    before = golden_state(hypers, plain)
    after = update(before, jnp.array([1, 4, 4, 2]), jnp.array([bad, bad, bad, 9.0]), hypers)
    assert int(after.rejected) == 3
    np.testing.assert_allclose(after.max_priority, 9.001, rtol=1e-6)
    untouched = jnp.array([0, 1, 3, 4, 5, 6, 7])
    np.testing.assert_array_equal(
        sum_tree.read(after.tree, untouched), sum_tree.read(before.tree, untouched)
    )
    np.testing.assert_allclose(sum_tree.read(after.tree, jnp.array([2])), [9.001**0.6], rtol=1e-6)
    np.testing.assert_allclose(
        sum_tree.total(after.tree), np.sum(sum_tree.read(after.tree, jnp.arange(10))), rtol=1e-6
    )


def test_huge_finite_errors_do_not_overflow(
    plain: SimpleNamespace, make_hypers: MakeHypers
) -> None:
    hypers = make_hypers(1.0, 1.0)
    td = jnp.array([3e38, -3e38, 1e30, 1e13, 1.0, 0.0, 0.0, 1e-20])
    state = add(REPLAY.init(plain.example), plain.batch(np.arange(8)), hypers)
    state = update(state, np.arange(8, dtype=np.int32), td, hypers)
    sample = draw(state, jax.random.key(0), hypers)
    for x in (state.tree, state.max_priority, sample.probabilities, sample.weights):
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(x))
    assert np.all(np.asarray(sample.probabilities) > 0)
    assert int(state.rejected) == 0


def test_the_count_of_rejected_errors_does_not_wrap(
    plain: SimpleNamespace, make_hypers: MakeHypers
) -> None:
    hypers = make_hypers()
    state = golden_state(hypers, plain)._replace(rejected=jnp.int32(2**31 - 2))
    state = update(state, jnp.arange(4), jnp.full(4, jnp.nan), hypers)
    assert int(state.rejected) == 2**31 - 1


@pytest.mark.parametrize("epsilon", [1e-13, 1e13])
def test_epsilon_that_float32_cannot_carry(epsilon: float) -> None:
    with pytest.raises(InputError, match=r"replay\.epsilon=.*must be in \[1e-12, 1e\+12\]"):
        make_prioritized(ReplayConfig(epsilon=epsilon))
