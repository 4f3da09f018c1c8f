"""Metamorphic tests: how results must change when rewards are scaled or shifted, actions are
permuted, or the update is run in another way.

Others are with their subjects: Munchausen and expected SARSA at their limits and double with one
network in ``test_targets``; n = 1, lambda 0 and 1 in ``ops/test_returns``; C51 point masses in
``ops/test_values``; alpha 0 and beta 0 in ``replay``; dueling shifts in ``networks/test_heads``;
chunks, seeds and devices in ``train/test_loop``; resuming in ``runner/test_resume``; the ring in
``replay/test_ring``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.agents.dqn.agent import make_dqn
from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.config import NetworkConfig
from lrdqn.networks import make_mlp, make_table
from lrdqn.ops.losses import mse
from lrdqn.ops.values import make_expected
from lrdqn.types import EnvSpec, Hypers, Sample, Transition

S, A, N = 6, 3, 64
SPEC = EnvSpec("x", 1, A, 1, "one_hot", 10, (S,))
RULES = ("max", "double", "expected_sarsa")


def hypers(**changes: float) -> Hypers:
    values = (
        dict.fromkeys(Hypers._fields, 1.0)
        | {"learning_rate": 0.5, "gamma": 0.9, "epsilon": 0.2}
        | changes
    )
    return Hypers(**{k: jnp.float32(v) for k, v in values.items()})


def sample(
    seed: int = 0, scale: float = 1.0, shift: float = 0.0, order: Any = None, ends: bool = True
) -> Sample:
    """Return every state and action several times, with random rewards and successors."""
    rng = np.random.default_rng(seed)
    s, a = np.arange(N) % S, (np.arange(N) // S) % A
    after, reward = rng.integers(0, S, N), rng.normal(size=N)
    discount = 0.9 * (rng.random(N) > 0.2) if ends else np.full(N, 0.9)
    a = a if order is None else np.argsort(order)[a]
    hot = [jnp.asarray(np.eye(S)[x], jnp.float32) for x in (s, after)]
    t = Transition(
        hot[0],
        jnp.asarray(a),
        jnp.asarray(scale * reward + shift, jnp.float32),
        jnp.asarray(discount, jnp.float32),
        hot[1],
    )
    return Sample(
        t, jnp.arange(N), jnp.full(N, 1 / N), jnp.asarray(rng.uniform(0.3, 1, N), jnp.float32)
    )


def trained(rule: str, batch: Sample, updates: int = 400, **of: float) -> np.ndarray:
    """Return a table after many updates, its target moved every fifth."""
    config = dataclasses.replace(DQNConfig(), optimizer="sgd", max_grad_norm=1e9, target=rule)
    agent, h = make_dqn(config, make_table(SPEC), make_expected(mse)), hypers(**of)

    def block(state: Any, _: None) -> tuple[Any, None]:
        state, _ = jax.lax.scan(
            lambda s, _: (agent.update(s, batch, (), h, jax.random.key(0))[0], None),
            state,
            None,
            length=5,
        )
        return agent.sync(state, h), None

    state, _ = jax.lax.scan(block, agent.init(jax.random.key(0)), None, length=updates // 5)
    return np.asarray(state.params["table"])


@pytest.mark.parametrize("rule", RULES)
def test_scaled_rewards_scale_the_values(rule: str) -> None:
    np.testing.assert_allclose(
        trained(rule, sample(scale=3.0)), 3 * trained(rule, sample()), rtol=1e-4
    )


@pytest.mark.parametrize("rule", RULES)
def test_shifted_rewards_shift_the_values_where_nothing_ends(rule: str) -> None:
    """A shift of rewards by c shifts values by c / (1 - gamma), once learning has converged."""
    base, shifted = (
        trained(rule, sample(shift=c, ends=False), 20_000, learning_rate=4.0) for c in (0.0, 2.0)
    )
    np.testing.assert_allclose(shifted - base, 2.0 / (1 - 0.9), rtol=1e-3)


@pytest.mark.parametrize("rule", RULES)
def test_permuted_actions_permute_the_values(rule: str) -> None:
    order = np.array([2, 0, 1])
    np.testing.assert_allclose(
        trained(rule, sample(order=order)), trained(rule, sample())[:, order], rtol=1e-5, atol=1e-6
    )


def network_agent() -> Any:
    network = make_mlp(
        NetworkConfig(name="mlp", hidden=[8, 8]),
        SPEC._replace(observation="vector"),
        make_expected(mse),
    )
    return make_dqn(DQNConfig(), network, make_expected(mse))


@pytest.mark.slow
def test_jit_changes_nothing() -> None:
    agent, h = network_agent(), hypers(learning_rate=1e-2)
    state = agent.init(jax.random.key(0))
    for update in (agent.update, jax.jit(agent.update)):
        after, td, _ = update(state, sample(), (), h, jax.random.key(1))
        if update is agent.update:
            want = after, td
    for a, b in zip(jax.tree.leaves(want), jax.tree.leaves((after, td)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_learners_side_by_side_are_learners_alone() -> None:
    """Seeds and step sizes as vmapped axes equal a loop over them."""
    agent, rates = network_agent(), jnp.array([1e-2, 1e-3])
    states = jax.vmap(agent.init)(jax.random.split(jax.random.key(0), 3))

    def update(state: Any, rate: Any) -> Any:
        return agent.update(
            state, sample(), (), hypers()._replace(learning_rate=rate), jax.random.key(1)
        )[0]

    both = jax.jit(jax.vmap(jax.vmap(update, in_axes=(None, 0)), in_axes=(0, None)))(states, rates)
    for seed in range(3):
        for g in range(2):
            alone = jax.jit(update)(jax.tree.map(lambda x, seed=seed: x[seed], states), rates[g])
            for a, b in zip(jax.tree.leaves(both), jax.tree.leaves(alone), strict=True):
                np.testing.assert_allclose(a[seed, g], b, rtol=1e-4, atol=1e-6)


def test_repeating_the_batch_changes_nothing() -> None:
    """The loss is a mean: the batch twice over gives the update of the batch."""
    agent, h = network_agent(), hypers(learning_rate=1e-2)
    one = sample()
    two = jax.tree.map(lambda x: jnp.concatenate([x, x]), one)
    a, b = (
        jax.jit(agent.update)(agent.init(jax.random.key(0)), x, (), h, jax.random.key(1))[0]
        for x in (one, two)
    )
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)
