"""The DQN update against tabular Q-learning and closed forms, and its gates against values that are
not finite."""

from __future__ import annotations

import dataclasses
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles.recorded import recorded

from lrdqn.agents.dqn.agent import make_dqn
from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.agents.dqn.targets import TargetInputs, make_target
from lrdqn.ops.losses import LOSSES, mse
from lrdqn.ops.values import make_expected
from lrdqn.types import Agent, Hypers, Network, QOutput, Sample, Transition


def hypers(**changes: float) -> Hypers:
    values = dict.fromkeys(Hypers._fields, 1.0) | {"learning_rate": 0.5, "gamma": 0.9} | changes
    return Hypers(**{k: jnp.float32(v) for k, v in values.items()})


def table_network(states: int, actions: int) -> Network:
    """Return a network of one-hot states and a linear layer: a table."""

    def apply(params: Any, obs: Any, catalogue: Any, key: Any) -> QOutput:
        q = params["table"][obs]
        return QOutput(q, jnp.ones(q.shape, bool), q[..., None])

    def value(params: Any, obs: Any, action: Any, catalogue: Any, key: Any) -> Any:
        return params["table"][obs, action][:, None]

    return Network(lambda key: {"table": jnp.zeros((states, actions))}, apply, value)


def learner(config: DQNConfig, network: Network) -> Agent:
    return make_dqn(config, network, make_expected(LOSSES[config.loss]))


def batch(s: Any, a: Any, r: Any, discount: Any, s2: Any, weights: Any = None) -> Sample:
    n = len(r)
    f = jnp.asarray(r, jnp.float32)
    t = Transition(
        jnp.asarray(s), jnp.asarray(a), f, jnp.asarray(discount, jnp.float32), jnp.asarray(s2)
    )
    w = jnp.ones(n) if weights is None else jnp.asarray(weights, jnp.float32)
    return Sample(t, jnp.arange(n), jnp.full(n, 1 / n), w)


def sgd(**changes: Any) -> DQNConfig:
    return dataclasses.replace(DQNConfig(), optimizer="sgd", max_grad_norm=1e9, **changes)


@pytest.mark.parametrize(("target", "name"), [("max", "Q_dqn"), ("double", "Q_double")])
def test_one_hot_dqn_is_tabular_q_learning(target: str, name: str) -> None:
    """The 200-step stream of the recorded oracle: batch 1, SGD .5, target copied every 10 updates,
    to 1e-6."""
    case = recorded("fixed_points")["sgd_equals_tabular"]
    stream = case["stream"]
    done, after = stream["done"], stream["s2"]
    want = np.array(case[name])
    agent = learner(sgd(target=target), table_network(*want.shape))
    state, h = agent.init(jax.random.key(0)), hypers()
    update, sync = jax.jit(agent.update), jax.jit(agent.sync)
    gamma = case["gamma"]
    for i in range(len(stream["s"])):
        sample = batch(
            [stream["s"][i]],
            [stream["a"][i]],
            [stream["r"][i]],
            [gamma * (1 - done[i])],
            [after[i]],
        )
        state, _, _ = update(state, sample, (), h, jax.random.key(i))
        if (i + 1) % case["C"] == 0:
            state = sync(state, h)
    np.testing.assert_allclose(state.params["table"], want, atol=2e-6)


def test_after_k_syncs_exactly_k_states_of_a_chain_are_known() -> None:
    """On a chain of 8 with reward 1 at the end and exact fits between syncs, values are gamma^j,
    for one more state per sync."""
    n, gamma = 8, 0.9
    agent = learner(sgd(target="max"), table_network(n + 1, 1))
    state, h = (
        agent.init(jax.random.key(0)),
        hypers(learning_rate=n),
    )  # mean over n examples: a step of n fits each exactly
    s = np.arange(n)
    sample = batch(s, np.zeros(n, int), (s == n - 1) * 1.0, gamma * (s < n - 1), s + 1)
    update = jax.jit(agent.update)
    for k in range(1, n + 1):
        state, _, _ = update(state, sample, (), h, jax.random.key(k))
        state, _, _ = update(
            state, sample, (), h, jax.random.key(k)
        )  # without a sync nothing moves further
        known = np.asarray(state.params["table"][:n, 0])
        assert (known > 0).sum() == k
        np.testing.assert_allclose(known[::-1][:k], gamma ** np.arange(k), rtol=1e-5)
        state = agent.sync(state, h)


def test_polyak_target() -> None:
    agent = learner(sgd(), table_network(1, 1))
    state = agent.init(jax.random.key(0))._replace(params={"table": jnp.ones((1, 1))})
    h = hypers(tau=0.005)
    state, _ = jax.lax.scan(lambda s, _: (agent.sync(s, h), None), state, None, length=1000)
    assert float(state.target_params["table"][0, 0]) == pytest.approx(0.99334603, abs=1e-4)


@pytest.mark.parametrize(("loss", "want"), [("mse", 1.0), ("huber", 1 / 9)])
def test_where_the_loss_puts_the_value_of_a_rare_reward(loss: str, want: float) -> None:
    """With a terminal reward of 10 in one case of ten, MSE converges to the mean and Huber to a
    ninth (closed form)."""
    agent = learner(sgd(loss=loss), table_network(1, 1))
    state, h = agent.init(jax.random.key(0)), hypers(learning_rate=0.2)
    sample = batch(
        np.zeros(10, int), np.zeros(10, int), [10.0] + [0.0] * 9, np.zeros(10), np.zeros(10, int)
    )
    step = jax.jit(lambda s, _: (agent.update(s, sample, (), h, jax.random.key(0))[0], None))
    state, _ = jax.lax.scan(step, state, None, length=300)
    assert float(state.params["table"][0, 0]) == pytest.approx(want, abs=0.01)


def test_weights_multiply_losses_before_the_mean() -> None:
    agent = learner(sgd(), table_network(2, 1))
    state, h = agent.init(jax.random.key(0)), hypers(learning_rate=1.0)
    sample = batch([0, 1], [0, 0], [1.0, 1.0], [0.0, 0.0], [0, 0], weights=[1.0, 0.25])
    after, td, _ = agent.update(state, sample, (), h, jax.random.key(0))
    np.testing.assert_allclose(after.params["table"][:, 0], [0.5, 0.125], rtol=1e-6)
    np.testing.assert_allclose(td, [1, 1])  # errors go to the priorities unweighted


def test_a_bad_reward_is_contained_and_counted() -> None:
    agent = learner(dataclasses.replace(DQNConfig()), table_network(3, 2))
    state, h = agent.init(jax.random.key(0)), hypers(learning_rate=0.1)
    bad = batch([0, 1, 2], [0, 1, 0], [np.nan, 1.0, np.inf], [0.9, 0.9, 0.9], [1, 2, 0])
    after, td, metrics = jax.jit(agent.update)(state, bad, (), h, jax.random.key(0))
    assert int(metrics["nonfinite"]) == 2
    assert np.isfinite(jax.tree.leaves(after.params)[0]).all()
    assert float(after.params["table"][1, 1]) > 0  # the finite error is learnt from
    assert float(after.params["table"][0, 0]) == 0
    assert not np.isfinite(np.asarray(td)[[0, 2]]).any()


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    def value(params: Any, obs: Any, action: Any, catalogue: Any, key: Any) -> Any:
        return jnp.sqrt(params["table"][obs, action])[:, None]  # at 0: value 0, gradient infinite

    network = table_network(2, 1)._replace(value=value)
    agent = learner(dataclasses.replace(DQNConfig()), network)
    state = agent.init(jax.random.key(0))
    after, _, metrics = agent.update(
        state, batch([0], [0], [1.0], [0.0], [1]), (), hypers(), jax.random.key(0)
    )
    chex.assert_trees_all_equal(after, state)
    assert int(metrics["nonfinite"]) == 1


def test_weight_decay_is_apart_from_the_gradient() -> None:
    """With a reward equal to the prediction the gradient is 0, and the step is the decay alone."""
    agent = learner(sgd(weight_decay=0.3), table_network(2, 2))
    state = agent.init(jax.random.key(0))
    table = jnp.array([[1.0, 2.0], [-3.0, 4.0]])
    state = state._replace(params={"table": table})
    sample = batch([0], [1], [2.0], [0.0], [1])
    moved = agent.update(state, sample, (), hypers(learning_rate=0.1), jax.random.key(0))[0]
    np.testing.assert_allclose(moved.params["table"], table * (1 - 0.1 * 0.3), rtol=1e-6)


def test_the_policy_may_have_the_target_parameters() -> None:
    for name, want in (("online", 1.0), ("target", 0.0)):
        agent = learner(sgd(policy=name), table_network(1, 1))
        state = agent.init(jax.random.key(0))._replace(params={"table": jnp.ones((1, 1))})
        assert float(agent.policy_params(state)["table"][0, 0]) == want


def test_no_gradient_flows_through_the_target() -> None:
    agent = learner(sgd(), table_network(2, 1))
    state, h = agent.init(jax.random.key(0)), hypers(learning_rate=1.0)
    after, _, _ = agent.update(state, batch([0], [0], [1.0], [0.9], [1]), (), h, jax.random.key(0))
    np.testing.assert_allclose(after.params["table"][:, 0], [1.0, 0.0])


@pytest.mark.parametrize(("rule", "want"), [("double", 20.0), ("max", 30.0)])
def test_which_network_chooses_and_which_judges(rule: str, want: float) -> None:
    network = table_network(1, 3)
    online, target = jnp.array([[1.0, 3.0, 2.0]]), jnp.array([[10.0, 20.0, 30.0]])
    inputs = TargetInputs(
        network, make_expected(mse), {"table": online}, {"table": target}, (), hypers()
    )
    t = batch([0], [0], [0.0], [1.0], [0]).transition
    found = make_target(DQNConfig(target=rule))(inputs, t, jax.random.key(0))
    np.testing.assert_array_equal(found.raw, [[want]])


def test_act_never_takes_what_is_not_offered() -> None:
    def apply(params: Any, obs: Any, catalogue: Any, key: Any) -> QOutput:
        q = jnp.tile(jnp.arange(5.0), (64, 1))
        return QOutput(
            q, jnp.tile(jnp.array([True, False, True, False, False]), (64, 1)), q[..., None]
        )

    network = Network(lambda key: {}, apply, lambda *a: jnp.zeros((64, 1)))
    agent = learner(DQNConfig(), network)
    state = agent.init(jax.random.key(0))
    actions = np.concatenate(
        [
            agent.act(state, (), (), jnp.float32(e), jax.random.key(i))
            for i, e in enumerate([0, 0.5, 1.0])
        ]
    )
    assert set(actions) == {0, 2}
    assert set(np.asarray(agent.act(state, (), (), jnp.float32(0), jax.random.key(9)))) == {2}
