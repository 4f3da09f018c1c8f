"""Replay as part of a compiled program: traced once, in place, at a cost that does not depend on
the capacity."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from lrdqn.config import ReplayConfig
from lrdqn.replay import make_prioritized, make_uniform
from lrdqn.types import Hypers, PyTree, Replay, Transition

MAKERS = {"uniform": make_uniform, "prioritized": make_prioritized}
LEARNERS, BATCH, STEPS = 3, 8, 9


def batches_of(n: int) -> Transition:
    """Return ``[STEPS, n, BATCH]`` transitions with few leaves, since these tests spend their time
    on compilation."""
    t = np.broadcast_to(
        np.arange(STEPS * BATCH, dtype=np.int32).reshape(STEPS, 1, BATCH), (STEPS, n, BATCH)
    )
    number = t.astype(np.float32)
    return Transition((), t, number, np.ones_like(number), np.stack([number] * 4, axis=-1))


def states_of(replay: Replay, n: int) -> PyTree:
    example = jax.tree.map(lambda x: np.zeros(x.shape[3:], x.dtype), batches_of(1))
    return jax.jit(jax.vmap(lambda _: replay.init(example)))(jnp.arange(n))


def keys_of(n: int) -> jax.Array:
    """Return keys ``[STEPS, n]``; learner i's keys do not depend on ``n``."""
    bits = np.random.default_rng(0).integers(0, 2**32, (STEPS, LEARNERS, 2), np.uint32)
    return jax.random.wrap_key_data(bits[:, :n])


def program(
    replay: Replay, hypers: Hypers
) -> Callable[[PyTree, Transition, jax.Array], tuple[PyTree, tuple[Array, Array]]]:
    """Return ``scan(add -> sample -> update)`` of several learners, as training does it.

    The weights are used without an effect on the priorities, as in a TD loss: nothing forces them
    to be read first.
    """

    def one(state: PyTree, batch: Transition, key: jax.Array) -> tuple[PyTree, tuple[Array, Array]]:
        state = replay.add(state, batch, hypers)
        sample = replay.sample(state, key, hypers)
        state = replay.update_priorities(state, sample.indices, sample.transition.reward, hypers)
        return state, (sample.indices, sample.weights)

    return lambda state, batches, keys: jax.lax.scan(
        lambda s, x: jax.vmap(one)(s, *x), state, (batches, keys)
    )


@pytest.mark.parametrize("name", MAKERS)
def test_neither_a_copy_of_the_store_nor_a_pass_over_it(
    name: str, make_hypers: Callable[..., Hypers]
) -> None:
    """With the state donated, scratch memory is that of the batches, and so is the work (counted by
    the compiler)."""
    capacity = 2**16
    replay = MAKERS[name](ReplayConfig(capacity=capacity, batch_size=BATCH))
    args = states_of(replay, LEARNERS), batches_of(LEARNERS), keys_of(LEARNERS)
    compiled = jax.jit(program(replay, make_hypers()), donate_argnums=0).lower(*args).compile()
    # One column of the store, like one level of leaves, is 768 kB; one pass over it is 196,608
    # additions.
    assert compiled.memory_analysis().temp_size_in_bytes < 50_000
    assert compiled.cost_analysis()["flops"] < capacity


def test_a_learner_does_not_feel_how_many_run_beside_it(make_hypers: Callable[..., Hypers]) -> None:
    """The first two of three vmapped learners have the bits of two vmapped alone."""
    replay = make_prioritized(ReplayConfig(capacity=50, batch_size=BATCH))
    run = jax.jit(program(replay, make_hypers()))
    three, two = (run(states_of(replay, n), batches_of(n), keys_of(n)) for n in (3, 2))
    chex.assert_trees_all_equal(jax.tree.map(lambda x: x[:2], three[0]), two[0])
    chex.assert_trees_all_equal(jax.tree.map(lambda x: x[:, :2], three[1]), two[1])
    indices = np.asarray(three[1][0])
    assert np.any(indices[:, 0] != indices[:, 1])


@pytest.mark.parametrize("name", MAKERS)
def test_traced_once(name: str, plain: SimpleNamespace, make_hypers: Callable[..., Hypers]) -> None:
    """As the memory fills and wraps and hyper-parameters anneal, nothing is traced again."""
    chex.clear_trace_counter()
    replay = MAKERS[name](ReplayConfig(capacity=20, batch_size=4))
    add, sample, update = (
        jax.jit(chex.assert_max_traces(f, n=1))
        for f in (replay.add, replay.sample, replay.update_priorities)
    )
    state = replay.init(plain.example)
    for step in range(5):
        hypers = make_hypers(0.6, 0.4 + 0.1 * step)
        state = add(state, plain.batch(np.arange(8)), hypers)
        drawn = sample(state, jax.random.key(step), hypers)
        state = update(state, drawn.indices, drawn.transition.reward, hypers)
