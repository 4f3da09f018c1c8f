"""Full-slate Q-learning: slates are numbered as itertools numbers them, and the learner receives
the number."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from agents.test_slateq import documents
from envs.recsims import recsim_config
from envs.worlds import live_config

from lrdqn.agents.dqn.agent import make_greedy
from lrdqn.agents.full_slate.agent import (
    SlateSet,
    over_slates,
    policy_over_slates,
    rank_of,
    slates_of,
)
from lrdqn.agents.full_slate.config import FullSlateConfig
from lrdqn.agents.full_slate.family import every_slate
from lrdqn.compose.compatibility import offers_of
from lrdqn.compose.roots import TrainRun
from lrdqn.networks import on_flat_observations
from lrdqn.types import Agent, Network, QOutput, Sample, Transition, View


@pytest.mark.parametrize(("items", "slate"), [(5, 1), (6, 2), (7, 3), (20, 3), (5, 5)])
@pytest.mark.parametrize("ordered", [False, True])
def test_every_slate_has_its_number(items: int, slate: int, ordered: bool) -> None:
    """The number is the one itertools counts; that of a set does not depend on the order of its
    places."""
    every = SlateSet(items, slate, ordered)
    table, make = slates_of(every), itertools.permutations if ordered else itertools.combinations
    assert [tuple(row) for row in table.tolist()] == list(make(range(items), slate))
    shown = table if ordered else np.random.default_rng(0).permuted(table, axis=1)
    np.testing.assert_array_equal(
        jax.jit(rank_of, static_argnums=1)(jnp.asarray(shown), every), np.arange(len(table))
    )


def test_the_learner_sees_the_number_of_the_slate_that_was_shown() -> None:
    """An agent that plays its parameter and returns the actions of its update shows slates and
    receives their numbers."""

    def act(state: Any, obs: Any, catalogue: Any, epsilon: Any, key: Any) -> Any:
        return jnp.broadcast_to(state, (3,))

    def update(state: Any, sample: Any, catalogue: Any, hypers: Any, key: Any) -> Any:
        return state, sample.transition.action.astype(jnp.float32), {}

    agent = over_slates(
        Agent(lambda key: 0, act, update, lambda s, h: s, lambda s: s), SlateSet(5, 2, False)
    )
    played = agent.act(jnp.int32(7), (), (), jnp.float32(0), jax.random.key(0))
    assert played.tolist() == [[2, 3]] * 3
    t = Transition((), played[:, ::-1], jnp.zeros(3), jnp.zeros(3), ())
    _, seen, _ = agent.update(
        0, Sample(t, jnp.arange(3), jnp.ones(3), jnp.ones(3)), (), (), jax.random.key(0)
    )
    assert seen.tolist() == [7, 7, 7]


@pytest.mark.parametrize(("slate", "ordered"), [(1, False), (2, False), (2, True)])
def test_the_policy_shows_the_slate_of_the_best_output_that_is_on_offer(
    slate: int, ordered: bool
) -> None:
    """Through the flat network: a slate with an unavailable place is never shown, unless there is
    no other."""
    every = SlateSet(4, slate, ordered)
    table = slates_of(every)
    q = np.random.default_rng(3).normal(size=(3, len(table))).astype(np.float32)
    obs, topics = documents(3, 4, 3, slate, 0)
    mask = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1]], bool)

    def apply(*given: Any) -> QOutput:
        return QOutput(jnp.asarray(q), jnp.ones(q.shape, bool), jnp.asarray(q)[..., None])

    policy = policy_over_slates(
        make_greedy(on_flat_observations(Network(lambda key: (), apply, apply), table)), every
    )
    shown, _ = policy.act((), View(obs._replace(mask=jnp.asarray(mask)), topics), jax.random.key(0))
    for i in range(3):
        whole = mask[i][table].all(1)
        best = table[np.argmax(np.where(whole if whole.any() else True, q[i], -np.inf))]
        assert np.atleast_1d(np.asarray(shown)[i]).tolist() == best.tolist()


def test_orders_are_actions_where_the_order_counts() -> None:
    """Orders are actions in cascades and if the first document alone is watched; they are not if
    only the set of items on a slate matters."""
    cases = {
        (): False,
        (("choice_model", "mnl"),): False,
        (("choice_model", "cascade_exp"),): True,
        (("task", "long_term_satisfaction"),): True,
    }
    for changes, ordered in cases.items():
        config = TrainRun(
            env=recsim_config(**dict(changes)), agent=FullSlateConfig(name="full_slate")
        )
        assert every_slate(offers_of(config)) == SlateSet(10, 3, ordered)
    for model, ordered in (
        ("mnl", False),
        ("proportional", False),
        ("pbm", True),
        ("position_mnl", True),
    ):
        made = every_slate(
            offers_of(
                TrainRun(
                    env=live_config(choice_model=model), agent=FullSlateConfig(name="full_slate")
                )
            )
        )
        assert made.ordered == ordered
