"""Rank-based replay against printed numbers and a list-based twin, and slots that must never be
drawn."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles.rank import RankList
from oracles.replay import SlotList, importance_weights

from lrdqn.config import ReplayConfig
from lrdqn.replay import make_rank
from lrdqn.replay.rank import RankState, draw_ranks, rank_masses
from lrdqn.types import Hypers

MakeHypers = Callable[..., Hypers]
CAPACITY, BATCH = 11, 512
REPLAY = make_rank(ReplayConfig(name="rank", capacity=CAPACITY, batch_size=BATCH))
add, draw, update = jax.jit(REPLAY.add), jax.jit(REPLAY.sample), jax.jit(REPLAY.update_priorities)


def seen(state: RankState, hypers: Hypers, key: int = 0) -> np.ndarray:
    """Return the probabilities of all slots, as reported by draws; a batch of 512 draws every one
    of so few slots."""
    sample, p = draw(state, jax.random.key(key), hypers), np.zeros(CAPACITY)
    p[np.asarray(sample.indices)] = sample.probabilities
    return p


def filled(td: list[float], hypers: Hypers, plain: SimpleNamespace) -> RankState:
    n = len(td)
    state = add(REPLAY.init(plain.example), plain.batch(np.arange(n)), hypers)
    return update(state, np.arange(n, dtype=np.int32), np.asarray(td, np.float32), hypers)


def test_printed_numbers(plain: SimpleNamespace, make_hypers: MakeHypers) -> None:
    hypers = make_hypers(0.7, 0.5)
    state = filled([0.3, -2, 0.1, 5, -0.7, 1.1, 0.05], hypers, plain)
    want = [0.097527, 0.18521786, 0.08584163, 0.3008873, 0.11401497, 0.13945015, 0.0770611]
    np.testing.assert_allclose(seen(state, hypers)[:7], want, rtol=2e-6)
    sample = draw(state, jax.random.key(1), hypers)
    weights = importance_weights(np.array([*want, 0, 0, 0, 0]), sample.indices.tolist(), 0.5)
    np.testing.assert_allclose(sample.weights, weights, rtol=1e-5)
    np.testing.assert_array_equal(sample.transition.action, sample.indices)


@pytest.mark.parametrize("seed", range(4))
def test_lockstep_with_a_list(seed: int, plain: SimpleNamespace, make_hypers: MakeHypers) -> None:
    """Adds of varying size run past the end, and updates contain duplicates, zeros and bad values;
    priorities are integers, so that ties are frequent."""
    rng, hypers = np.random.default_rng(seed), make_hypers(0.7, 0.4)
    state, slots, twin = REPLAY.init(plain.example), SlotList(CAPACITY), RankList(CAPACITY, 0.7)
    for step in range(25):
        n = int(rng.integers(1, CAPACITY + 1))
        numbers = np.arange(len(slots.items), len(slots.items) + n)
        state = add(state, plain.batch(numbers % 100), hypers)
        twin.add(slots.add((numbers % 100).tolist()))
        indices = rng.integers(0, slots.size, 6).astype(np.int32)
        td = rng.choice(np.array([0, 1, -2, 3, -0.5, np.nan, np.inf, -np.inf], np.float32), 6)
        state = update(state, indices, td, hypers)
        twin.update(indices.tolist(), td.tolist())
        np.testing.assert_allclose(
            seen(state, hypers, step), twin.probabilities(), rtol=2e-6, atol=0
        )
        sample = draw(state, jax.random.key(step), hypers)
        assert [slots.slot(i) for i in sample.indices.tolist()] == sample.transition.action.tolist()
    assert int(state.rejected) == twin.rejected > 0
    assert float(state.max_priority) == twin.largest


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.6), (0.7, 0.0), (0.0, 0.0)])
def test_exponents_at_zero(
    alpha: float, beta: float, plain: SimpleNamespace, make_hypers: MakeHypers
) -> None:
    hypers = make_hypers(alpha, beta)
    state = filled([0.3, -2, 0.1, 5, -0.7], hypers, plain)
    if alpha == 0:
        np.testing.assert_allclose(seen(state, hypers)[:5], 0.2, rtol=1e-6)
    np.testing.assert_allclose(draw(state, jax.random.key(0), hypers).weights, 1.0, rtol=1e-6)


def test_beta_one_corrects_exactly(plain: SimpleNamespace, make_hypers: MakeHypers) -> None:
    """Weighted by ``P w``, every stored transition counts equally."""
    hypers = make_hypers(0.7, 1.0)
    sample = draw(filled([0.3, -2, 0.1, 5, -0.7], hypers, plain), jax.random.key(0), hypers)
    product = np.asarray(sample.probabilities) * np.asarray(sample.weights)
    np.testing.assert_allclose(product, product[0], rtol=1e-5)


def test_new_transitions_come_first_and_empty_slots_never(
    plain: SimpleNamespace, make_hypers: MakeHypers
) -> None:
    hypers = make_hypers(1.0, 0.4)
    state = filled([0.3, 4.0, 0.1], hypers, plain)
    state = add(state, plain.batch(np.arange(3, 5)), hypers)
    p = seen(state, hypers)
    assert not p[5:].any()
    assert (np.argsort(-p, kind="stable")[:3] == [1, 3, 4]).all(), (
        "as large as the largest, ties by slot"
    )
    for key in range(50):
        assert int(np.max(draw(state, jax.random.key(key), hypers).indices)) < 5


def test_each_draw_lies_in_its_segment(plain: SimpleNamespace, make_hypers: MakeHypers) -> None:
    hypers = make_hypers(0.7, 0.4)
    td = [0.3, -2, 0.1, 5, -0.7, 1.1, 0.05, 9, 8, 7, 6]
    state, order = filled(td, hypers, plain), np.argsort(-np.abs(td))
    upto = np.concatenate([[0], np.cumsum(seen(state, hypers)[order])])
    rank = np.argsort(order)[np.asarray(draw(state, jax.random.key(3), hypers).indices)]
    j = np.arange(BATCH)
    assert (upto[rank] <= (j + 1) / BATCH + 1e-6).all()
    assert (upto[rank + 1] >= j / BATCH - 1e-6).all()


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("size", [1, 1000, 131_072])
def test_probabilities_of_a_large_memory_are_exact(alpha: float, size: int) -> None:
    masses = rank_masses(131_072, jnp.int32(size), jnp.float32(alpha))
    p = np.asarray(masses, np.float64) / np.asarray(masses, np.float64).sum()
    want = np.arange(1, size + 1, dtype=np.float64) ** -np.float64(np.float32(alpha))
    np.testing.assert_allclose(p[:size], want / want.sum(), rtol=3e-6)
    assert not p[size:].any()
    assert p.sum() == pytest.approx(1, abs=1e-5)


def test_a_large_memory_is_drawn_by_its_probabilities(
    plain: SimpleNamespace, make_hypers: MakeHypers
) -> None:
    """Sums over many ranks keep their digits: draw j lies in segment j of the exact
    distribution."""
    n, hypers = 50_000, make_hypers(0.7, 0.4)
    replay = make_rank(ReplayConfig(name="rank", capacity=n, batch_size=3000))
    state = replay.init(plain.example)
    sizes = jnp.arange(n, 0, -1, dtype=jnp.float32)
    state = state._replace(priority=sizes, ring=state.ring._replace(size=jnp.int32(n)))
    indices = np.sort(np.asarray(jax.jit(replay.sample)(state, jax.random.key(0), hypers).indices))
    mass = np.cumsum(np.arange(1, n + 1) ** -0.7)
    upto, j = np.concatenate([[0], mass / mass[-1]]), np.arange(3000)
    assert (upto[indices] <= (j + 1) / 3000 + 1e-7).all()
    assert (upto[indices + 1] >= j / 3000 - 1e-7).all()


@pytest.mark.parametrize("n", [2**17, pytest.param(2**22, marks=pytest.mark.slow)])
def test_every_rank_is_drawn_as_often_as_reported(n: int) -> None:
    """With eight draws a rank, a rank of probability p is drawn between 8 n p - 2 and 8 n p + 2
    times: once from each segment that lies in its share, perhaps from the two that it cuts."""
    masses = rank_masses(n, jnp.int32(n), jnp.float32(0.7))
    draw = jax.jit(draw_ranks, static_argnums=1)
    rank, p = draw(jax.random.key(0), 8 * n, masses, jnp.int32(n))
    exact = np.asarray(masses, np.float64) / np.asarray(masses, np.float64).sum()
    np.testing.assert_allclose(p, exact[rank], rtol=1e-6)
    assert np.abs(np.bincount(rank, minlength=n) - 8 * n * exact).max() <= 2


def test_vmap_equals_a_loop(plain: SimpleNamespace, make_hypers: MakeHypers) -> None:
    hypers = make_hypers(0.7, 0.4)
    states = [filled(td, hypers, plain) for td in ([0.3, -2, 0.1], [5.0, -0.7, 1.1])]
    both = jax.tree.map(lambda *x: jnp.stack(x), *states)
    keys = jax.random.split(jax.random.key(0), 2)
    side_by_side = jax.jit(jax.vmap(lambda s, k: REPLAY.sample(s, k, hypers)))(both, keys)
    for i, state in enumerate(states):
        alone = draw(state, jax.random.split(jax.random.key(0), 2)[i], hypers)
        np.testing.assert_array_equal(side_by_side.indices[i], alone.indices)
        np.testing.assert_allclose(side_by_side.weights[i], alone.weights, rtol=1e-6)
