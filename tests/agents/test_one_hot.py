"""DQN on one-hot states against planning, on several random processes: exact fits contract to Q* by
gamma."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles.tabular import value_iteration

from lrdqn.agents.dqn.agent import make_dqn
from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.envs.garnet.config import GarnetConfig
from lrdqn.envs.garnet.env import make_garnet, make_garnet_world
from lrdqn.networks import make_table
from lrdqn.ops.losses import mse
from lrdqn.ops.values import make_expected
from lrdqn.types import Hypers, Sample, Transition

GAMMA, FITS = 0.8, 60
CONFIG = GarnetConfig(states=8, actions=3, branching=2)


@pytest.mark.parametrize("rule", ["max", "double", "expected_sarsa"])
@pytest.mark.parametrize("seed", range(5))
def test_exact_fits_reach_the_planned_values(rule: str, seed: int) -> None:
    """All transitions are given, weighted by their probabilities: a step size of the number of
    entries fits each exactly, then the target is copied. After k copies the error is at most
    gamma^k of the first. Expected SARSA is tested at epsilon 0."""
    world = make_garnet_world(CONFIG, np.random.default_rng(seed))
    want = value_iteration(
        *(np.asarray(x) for x in (world.reward, world.successors, world.probabilities)), GAMMA
    )
    spec, hot = make_garnet(CONFIG, 1).spec, np.eye(CONFIG.states, dtype=np.float32)
    s, a, _ = (x.ravel() for x in np.indices(world.successors.shape))
    n = s.size
    t = Transition(
        jnp.asarray(hot[s]),
        jnp.asarray(a),
        jnp.asarray(world.reward[s, a]),
        jnp.full(n, GAMMA, jnp.float32),
        jnp.asarray(hot[world.successors.ravel()]),
    )
    sample = Sample(
        t,
        jnp.arange(n),
        jnp.full(n, 1 / n),
        jnp.asarray(CONFIG.branching * world.probabilities.ravel()),
    )
    config = DQNConfig(optimizer="sgd", max_grad_norm=1e9, target=rule)
    agent = make_dqn(config, make_table(spec), make_expected(mse))
    given = {"learning_rate": n / CONFIG.branching, "tau": 1.0, "epsilon": 0.0}
    h = Hypers(**{name: jnp.float32(given.get(name, np.nan)) for name in Hypers._fields})

    def fit(state: Any, _: None) -> tuple[Any, Any]:
        state = agent.sync(agent.update(state, sample, (), h, jax.random.key(0))[0], h)
        return state, jnp.max(jnp.abs(state.params["table"] - want))

    _, errors = jax.jit(lambda state: jax.lax.scan(fit, state, None, length=FITS))(
        agent.init(jax.random.key(0))
    )
    bound = np.abs(want).max() * GAMMA ** np.arange(1, FITS + 1) + 2e-5
    assert (np.asarray(errors) <= bound).all()
