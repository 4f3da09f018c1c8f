"""Decisions of many steps: what is stored of them, and how many updates they bring."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from lrdqn.agents.dqn.agent import make_dqn
from lrdqn.compose.compatibility import needs_of
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import TrainRun
from lrdqn.envs.probes.config import ProbeConfig
from lrdqn.networks import make_mlp
from lrdqn.ops.losses import LOSSES
from lrdqn.ops.values import make_expected
from lrdqn.replay import make_prioritized, make_rank, make_uniform
from lrdqn.train import clock_at, make_horizon, make_plan, make_trainer
from lrdqn.types import DecisionStatus, Env, EnvSpec, Hypers, TimeStep


def make_waiting(sessions: int) -> Env:
    """A counter: action a takes 1 + a steps, pays 10 x counter + a, then counts on. Every fifth
    count is the end."""

    def seen(count: Array) -> Array:
        return jnp.stack([count.astype(jnp.float32), jnp.ones(sessions)], axis=1)

    def reset(key: Array, world: Any) -> tuple[Any, Array]:
        del key, world
        zero = jnp.zeros(sessions, jnp.int32)
        count = jnp.arange(sessions) % 5
        return (count, zero, zero), seen(count)

    def step(key: Array, state: Any, action: Array, world: Any) -> tuple[Any, TimeStep]:
        del key, world
        count, left, own = state
        own = jnp.where(left == 0, action, own)
        left = jnp.where(left == 0, own + 1, left) - 1
        complete = left == 0
        paid = jnp.where(complete, 10 * count + own, 0).astype(jnp.float32)
        moved = jnp.where(complete, count + 1, count)
        end = complete & (moved == 5)
        first = jnp.where(end, 0, moved)
        t = TimeStep(
            seen(first),
            paid,
            end,
            jnp.zeros(sessions, bool),
            seen(moved),
            jnp.ones(sessions),
            {},
            DecisionStatus(own, complete),
        )
        return (first, left, own), t

    return Env(
        EnvSpec("waiting", sessions, 3, 1, "vector", 50, (2,), False), reset, step, lambda world: ()
    )


def prepared(replay: str, update_period: int, capacity: int = 512) -> tuple[Any, Any, Any, Any]:
    root = dataclasses.asdict(TrainRun(env=dataclasses.asdict(ProbeConfig())))
    root["network"] |= {"name": "mlp", "hidden": [8]}
    root["replay"] |= {"name": replay, "capacity": capacity, "batch_size": 8}
    root["agent"] |= {"target_period": 12, "reward_scale": 1.0}
    root["train"] |= {
        "sessions": 4,
        "env_steps": 96,
        "warmup_steps": 48,
        "update_period": update_period,
        "eval_period": 96,
    }
    config = freeze(TrainRun, root)
    env, values = make_waiting(4), make_expected(LOSSES["mse"])
    network = make_mlp(config.network, env.spec, values)
    needs = needs_of(config)
    plan = make_plan(config.train, config.replay.batch_size, needs)
    make = {"uniform": make_uniform, "prioritized": make_prioritized, "rank": make_rank}[replay]
    parts = (
        env,
        make_dqn(config.agent, network, values),
        make(config.replay),
        make_horizon(config.agent, network, 1, needs),
    )
    trainer = make_trainer(*parts, plan, config.agent, config.train, needs)
    set_to = {"gamma": 0.9, "reward_scale": 1.0, "epsilon": 1.0, "epsilon_end": 1.0, "alpha": 0.5}
    hypers = Hypers(**{k: jnp.float32(set_to.get(k, 0.0)) for k in Hypers._fields})
    state = jax.jit(trainer.init)(jax.random.key(0), (), hypers)
    return trainer, plan, hypers, jax.jit(trainer.warmup)(state, (), hypers)


@pytest.mark.parametrize("replay", ["uniform", "prioritized", "rank"])
def test_replay_holds_each_decision_once_and_nothing_else(replay: str) -> None:
    """Each session counts through its decisions, so the counts that are stored must be consecutive:
    one that is left out, doubled or made up breaks the chain."""
    *_, state = prepared(replay, 4)
    ring = state.replay if replay == "uniform" else state.replay.ring
    data, size = jax.tree.map(np.asarray, ring.data), int(ring.size)
    count, action = data.obs[:, 0], data.action
    assert 12 < size < 48, "decisions take one to three of the 48 steps"
    assert int(ring.position) == size
    assert not data.reward[size:].any()
    assert not data.obs[size:].any(), "nothing is written behind the last decision"
    assert set(action[:size]) == {0, 1, 2}
    count, action = count[:size], action[:size]
    np.testing.assert_array_equal(data.reward[:size], 10 * count + action)
    np.testing.assert_array_equal(data.next_obs[:size, 0], count + 1)
    np.testing.assert_allclose(data.discount[:size], np.where(count == 4, 0, 0.9), rtol=1e-6)
    starts = np.bincount(count.astype(int), minlength=5)
    # each of the four sessions walks 0, 1, 2, 3, 4, 0, ...: counts differ by at most one a session
    assert starts.max() - starts.min() <= 4
    if replay == "prioritized":
        leaves = np.asarray(state.replay.tree.leaves).ravel()
        assert (leaves[:size] == 1).all()
        assert not leaves[size:].any()
    if replay == "rank":
        assert (np.asarray(state.replay.priority) > 0).sum() == size


@pytest.mark.parametrize("update_period", [4, 12])
def test_an_update_follows_so_many_decisions(update_period: int) -> None:
    trainer, plan, hypers, state = prepared("uniform", update_period)
    assert int(state.owed) == 0, "warm-up makes no updates"
    before = int(state.replay.size)
    state, metrics = jax.jit(trainer.chunk)(state, (), hypers, clock_at(plan, 0))
    decisions = int(state.replay.size) - before
    assert int(metrics["decisions"]) == decisions
    assert 30 < decisions < 96
    assert int(metrics["updates"]) == decisions // update_period
    assert int(state.owed) == decisions % update_period
    assert np.isfinite(float(metrics["loss"]))
    assert float(metrics["loss"]) > 0


@pytest.mark.slow
def test_seeds_make_updates_of_their_own_number() -> None:
    """Side by side, each learner is the one it is alone."""
    trainer, plan, hypers, _ = prepared("prioritized", 4)

    def run(key: Array) -> tuple[Any, Any]:
        state = trainer.warmup(trainer.init(key, (), hypers), (), hypers)
        return trainer.chunk(state, (), hypers, clock_at(plan, 0))

    keys = jax.random.split(jax.random.key(1), 3)
    together, metrics = jax.jit(jax.vmap(run))(keys)
    assert len(set(np.asarray(metrics["decisions"]).tolist())) > 1
    for i, key in enumerate(keys):
        alone, own = jax.jit(run)(key)
        assert int(own["updates"]) == int(metrics["updates"][i])
        for a, b in zip(
            jax.tree.leaves(alone.agent),
            jax.tree.leaves(jax.tree.map(lambda x, i=i: x[i], together.agent)),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)
