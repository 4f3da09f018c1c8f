"""Tabular agents against float64 loops and planning, and their treatment of ties, weights and
rewards that are not finite."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles.tabular import QTable
from oracles.tabular import value_iteration as planned

from lrdqn.agents.dqn.agent import make_greedy
from lrdqn.agents.tabular.agent import (
    make_double_q_learning,
    make_q_learning,
    make_value_iteration,
    value_iteration,
)
from lrdqn.agents.tabular.config import TabularConfig
from lrdqn.envs.garnet.config import GarnetConfig
from lrdqn.envs.garnet.env import make_garnet, make_garnet_world
from lrdqn.networks import make_table
from lrdqn.types import Hypers, Sample, Transition, View

S, A = 20, 4
SPEC = make_garnet(GarnetConfig(), 1).spec
WORLD = jax.tree.map(jnp.asarray, make_garnet_world(GarnetConfig(), np.random.default_rng(0)))
MODEL = WORLD.reward, WORLD.successors, WORLD.probabilities


def hypers(**changes: float) -> Hypers:
    values = dict.fromkeys(Hypers._fields, 1.0) | {"learning_rate": 0.5, "gamma": 0.8} | changes
    return Hypers(**{k: jnp.float32(v) for k, v in values.items()})


def batch(s: Any, a: Any, r: Any, discount: Any, after: Any, weights: Any = None) -> Sample:
    hot = [jax.nn.one_hot(jnp.asarray(x), S) for x in (s, after)]
    t = Transition(
        hot[0],
        jnp.asarray(a),
        jnp.asarray(r, jnp.float32),
        jnp.asarray(discount, jnp.float32),
        hot[1],
    )
    n = len(np.asarray(r))
    return Sample(
        t,
        jnp.arange(n),
        jnp.ones(n),
        jnp.ones(n) if weights is None else jnp.asarray(weights, jnp.float32),
    )


@pytest.mark.parametrize("decay", [0.0, 0.7])
def test_q_learning_in_lockstep_with_a_loop(decay: float) -> None:
    """The updates of a batch are sequential: a state that repeats within one reads the result of
    the earlier update. Weights, ends and bad rewards are among them."""
    agent = make_q_learning(TabularConfig(name="q_learning", step_decay=decay), SPEC)
    rng, state, twin = (
        np.random.default_rng(0),
        agent.init(jax.random.key(0)),
        QTable(S, A, 0.5, decay),
    )
    update = jax.jit(agent.update)
    for i in range(30):
        s, after = rng.integers(0, 5, (2, 16))
        a, w = rng.integers(0, A, 16), rng.uniform(0.2, 1, 16)
        r = np.where(rng.random(16) < 0.1, np.nan, rng.normal(size=16))
        discount = np.where(rng.random(16) < 0.2, 0.0, 0.9)
        state, td, metrics = update(
            state, batch(s, a, r, discount, after, w), (), hypers(), jax.random.key(i)
        )
        want = [
            twin.step(*row) for row in zip(s, a, r, discount, after, np.float32(w), strict=True)
        ]
        np.testing.assert_allclose(td, want, rtol=1e-4, atol=1e-5)
        assert int(metrics["nonfinite"]) == int(np.isnan(r).sum())
    np.testing.assert_allclose(agent.policy_params(state)["table"], twin.q, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(state.visits, twin.visits)


def test_double_q_learning_by_hand() -> None:
    """The table that the coin picks moves towards the other's value of the action that it selects
    itself, and the agent acts on the mean."""
    agent = make_double_q_learning(TabularConfig(name="double_q_learning"), SPEC)
    a = jnp.zeros((S, A)).at[1].set(jnp.array([5.0, 1.0, 0.0, 0.0]))
    b = jnp.zeros((S, A)).at[1].set(jnp.array([-3.0, 2.0, 7.0, 0.0]))
    state = agent.init(jax.random.key(0))._replace(table=jnp.stack([a, b]))
    moved = set()
    for key in range(20):
        after, td, _ = agent.update(
            state, batch([0], [2], [1.0], [0.5], [1]), (), hypers(), jax.random.key(key)
        )
        first, second = (float(after.table[k, 0, 2]) for k in (0, 1))
        moved.add((first, second))
        np.testing.assert_allclose(
            agent.policy_params(after)["table"], (after.table[0] + after.table[1]) / 2
        )
        assert float(td[0]) in (1 + 0.5 * -3.0, 1 + 0.5 * 0.0)
    # A chooses action 0, worth -3 to B; B chooses action 2, worth 0 to A
    assert moved == {(0.5 * (1 - 1.5), 0.0), (0.0, 0.5)}


def test_double_q_learning_does_not_overestimate() -> None:
    """With a next state of ten-fold noise, the maximum of noisy means is biased upwards and the
    double estimate is not."""
    n = 4000
    rng = np.random.default_rng(1)
    s = np.where(np.arange(n) % 2, 0, 1)
    a = rng.integers(0, A, n)
    r = np.where(s == 1, rng.normal(0, 3, n), 0.0)
    discount = np.where(s == 1, 0.0, 1.0)
    found = {}
    for make in (make_q_learning, make_double_q_learning):
        agent = make(TabularConfig(), SPEC)
        many = jax.vmap(
            lambda k, agent=agent: agent.update(
                agent.init(k),
                batch(s, a, r, discount, np.ones(n, int)),
                (),
                hypers(learning_rate=0.05),
                k,
            )[0]
        )
        tables = jax.vmap(lambda s, agent=agent: agent.policy_params(s)["table"][0].mean())
        found[make] = float(tables(many(jax.random.split(jax.random.key(0), 8))).mean())
    assert found[make_q_learning] > 0.3
    assert abs(found[make_double_q_learning]) < 0.5 * found[make_q_learning]


@pytest.mark.parametrize("gamma", [0.8, 0.95])
def test_planning_equals_a_loop(gamma: float) -> None:
    want = planned(*(np.asarray(x) for x in MODEL), gamma)
    q = value_iteration(*MODEL, jnp.float32(gamma), 600)
    np.testing.assert_allclose(q, want, rtol=3e-6)
    agent = make_value_iteration(TabularConfig(name="value_iteration"), SPEC)
    sample = batch([0, 3], [1, 2], [9.0, -9.0], [0.0, 0.5], [1, 1])  # rewards that it must not read
    h = hypers(gamma=gamma, reward_scale=0.1)
    step = jax.jit(lambda s, _: (agent.update(s, sample, WORLD, h, jax.random.key(0))[0], None))
    state, _ = jax.lax.scan(step, agent.init(jax.random.key(0)), None, length=600)
    np.testing.assert_allclose(state["table"], 0.1 * want, rtol=1e-5)
    _, td, _ = agent.update(state, sample, WORLD, h, jax.random.key(0))
    np.testing.assert_allclose(td, 0, atol=1e-5)


@pytest.mark.slow
def test_q_learning_finds_the_values_of_a_random_process() -> None:
    """After 400,000 uniform updates with reward noise 0.1 and gamma 0.8, a step size of n^-0.7 is
    within 0.03; a constant 0.1 stays at 0.10 to 0.15."""
    want = planned(*(np.asarray(x) for x in MODEL), 0.8)
    errors = {}
    for decay, rate in ((0.7, 1.0), (0.0, 0.1)):
        agent = make_q_learning(TabularConfig(step_decay=decay), SPEC)

        def block(state: Any, key: Any, agent: Any = agent, rate: float = rate) -> tuple[Any, None]:
            keys = jax.random.split(key, 4)
            s, a = (
                jax.random.randint(keys[0], (1000,), 0, S),
                jax.random.randint(keys[1], (1000,), 0, A),
            )
            branch = jax.random.categorical(keys[2], jnp.log(WORLD.probabilities[s, a]))
            after = jnp.take_along_axis(WORLD.successors[s, a], branch[:, None], axis=1)[:, 0]
            r = WORLD.reward[s, a] + 0.1 * jax.random.normal(keys[3], (1000,))
            sample = Sample(
                Transition(
                    jax.nn.one_hot(s, S), a, r, jnp.full(1000, 0.8), jax.nn.one_hot(after, S)
                ),
                jnp.arange(1000),
                jnp.ones(1000),
                jnp.ones(1000),
            )
            return agent.update(state, sample, (), hypers(learning_rate=rate), keys[0])[0], None

        keys = jax.random.split(jax.random.key(1), 400)
        state = jax.jit(lambda s, keys=keys, block=block: jax.lax.scan(block, s, keys)[0])(
            agent.init(jax.random.key(0))
        )
        errors[decay] = np.abs(np.asarray(state.table) - want).max()
    assert errors[0.7] <= 0.03
    assert 0.05 < errors[0.0] < 0.25


@pytest.mark.parametrize("make", [make_q_learning, make_double_q_learning, make_value_iteration])
def test_ties_are_broken_evenly_and_exploration_is_uniform(make: Any) -> None:
    agent, n = make(TabularConfig(), SPEC), 8000
    state = agent.init(jax.random.key(0))
    obs = jax.nn.one_hot(jnp.zeros(n, int), S)
    for epsilon in (0.0, 1.0):
        counts = np.bincount(
            agent.act(state, obs, (), jnp.float32(epsilon), jax.random.key(1)), minlength=A
        )
        assert ((counts - n / A) ** 2 / (n / A)).sum() < 16.3, "chi-square, df 3, p 0.001"


@pytest.mark.parametrize("make", [make_q_learning, make_double_q_learning, make_value_iteration])
def test_its_table_is_what_the_table_network_plays(make: Any) -> None:
    agent, network = make(TabularConfig(), SPEC), make_table(SPEC)
    state, _, _ = agent.update(
        agent.init(jax.random.key(0)),
        batch([0, 0, 1], [3, 3, 2], [1.0, 1.0, 2.0], [0, 0, 0], [1, 1, 1]),
        WORLD,
        hypers(),
        jax.random.key(0),
    )
    obs = jax.nn.one_hot(jnp.arange(S), S)
    out = network.apply(agent.policy_params(state), obs, (), None)
    np.testing.assert_array_equal(out.q, agent.policy_params(state)["table"])
    np.testing.assert_array_equal(
        network.value(agent.policy_params(state), obs, jnp.full(S, 2), (), None)[:, 0], out.q[:, 2]
    )
    action, _ = make_greedy(network).act(
        agent.policy_params(state), View(obs, ()), jax.random.key(0)
    )
    np.testing.assert_array_equal(action, np.argmax(out.q, axis=1))
