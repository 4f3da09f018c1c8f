"""Full-slate Q-learning: slates are numbered as itertools numbers them, and the learner sees the number."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.agents.full_slate import over_slates, rank_of, slates_of
from lrdqn.types import Agent, Sample, Transition


@pytest.mark.parametrize(("items", "slate"), [(5, 1), (6, 2), (7, 3), (20, 3), (5, 5)])
def test_every_slate_has_its_number_in_any_order(items: int, slate: int) -> None:
    table = slates_of(items, slate)
    assert [tuple(row) for row in table.tolist()] == list(itertools.combinations(range(items), slate))
    rng = np.random.default_rng(0)
    shuffled = rng.permuted(table, axis=1)
    np.testing.assert_array_equal(jax.jit(rank_of, static_argnums=1)(jnp.asarray(shuffled), items), np.arange(len(table)))


def test_the_learner_sees_the_number_of_the_slate_that_was_shown() -> None:
    """An agent that plays its parameter and hands back the actions that it is taught."""

    def act(state: Any, obs: Any, catalogue: Any, epsilon: Any, key: Any) -> Any:
        return jnp.broadcast_to(state, (3,))

    def update(state: Any, sample: Any, catalogue: Any, hypers: Any, key: Any) -> Any:
        return state, sample.transition.action.astype(jnp.float32), {}

    agent = over_slates(Agent(lambda key: 0, act, update, lambda s, h: s, lambda s: s), 5, 2)
    played = agent.act(jnp.int32(7), (), (), jnp.float32(0), jax.random.key(0))
    assert played.tolist() == [list(itertools.combinations(range(5), 2))[7]] * 3
    t = Transition((), played[:, ::-1], jnp.zeros(3), jnp.zeros(3), ())
    _, seen, _ = agent.update(0, Sample(t, jnp.arange(3), jnp.ones(3), jnp.ones(3)), (), (), jax.random.key(0))
    assert seen.tolist() == [7, 7, 7]
