"""Random MDPs: the recorded process, its transitions, and the generic contract."""

from __future__ import annotations

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.checker import check_env
from oracles.tabular import value_iteration

from lrdqn.envs.garnet.config import GarnetConfig
from lrdqn.envs.garnet.env import GarnetWorld, make_garnet, make_garnet_world

CONFIG = GarnetConfig()


def world(seed: int = 0, config: Any = CONFIG) -> GarnetWorld:
    return make_garnet_world(config, np.random.default_rng(seed))


def test_recorded_values() -> None:
    """Planning in float64 on the process that generator 0 draws: Q* at two discounts, their sum,
    and the smallest action gap."""
    q = value_iteration(*_model(world()), 0.95)
    np.testing.assert_allclose(
        q[0], [15.62053721, 15.55944572, 15.52389467, 16.12427113], atol=2e-5
    )
    assert q.sum() == pytest.approx(1248.759009, rel=1e-6)
    top = np.sort(q, axis=1)
    assert (top[:, -1] - top[:, -2]).min() == pytest.approx(0.011945, abs=2e-5)
    np.testing.assert_allclose(
        value_iteration(*_model(world()), 0.8)[0],
        [3.67294658, 3.65724986, 3.63450135, 4.18868428],
        atol=2e-6,
    )


def _model(w: GarnetWorld) -> tuple[Any, Any, Any]:
    return w.reward, w.successors, w.probabilities


def test_it_keeps_the_contract() -> None:
    seen = check_env(
        make_garnet(GarnetConfig(horizon=7), 8), jax.tree.map(jnp.asarray, world()), steps=25
    )
    assert seen["terminated"] == 0
    assert seen["truncated"] > 0


def test_transitions_follow_the_process() -> None:
    """From one state and action: frequencies of successors, mean and standard deviation of the
    reward; truncated sessions report their last state."""
    n, w = 100_000, jax.tree.map(jnp.asarray, world())
    env = make_garnet(GarnetConfig(noise=0.1, horizon=3), n)
    state, obs = env.reset(jax.random.key(0), w)
    counts = np.asarray(obs).sum(0)
    assert abs(counts / n - 1 / 20).max() < 0.005, "starts are uniform"
    state = state._replace(state=jnp.full(n, 4, jnp.int32), age=jnp.full(n, 2, jnp.int32))
    state, t = env.step(jax.random.key(1), state, jnp.full(n, 1, jnp.int32), w)
    share = np.asarray(t.final_obs).mean(0)
    np.testing.assert_allclose(share[w.successors[4, 1]], w.probabilities[4, 1], atol=0.006)
    assert share[w.successors[4, 1]].sum() == pytest.approx(1)
    assert float(t.reward.mean()) == pytest.approx(float(w.reward[4, 1]), abs=0.002)
    assert float(t.reward.std()) == pytest.approx(0.1, rel=0.02)
    assert bool(t.truncated.all())
    assert not bool(t.terminated.any())
    assert abs(np.asarray(t.obs).mean(0) - 1 / 20).max() < 0.005, "a cut session begins anew"
    assert int(state.age.max()) == 0


def test_worlds_differ_by_seed() -> None:
    assert not np.array_equal(world(0).reward, world(1).reward)
    assert json.dumps(world(3).successors.tolist()) == json.dumps(world(3).successors.tolist())
