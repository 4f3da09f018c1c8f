"""Whole decisions out of ticks: what is replaced, and that a trainer stores nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from oracles import tick as oracle

from lrdqn.agents.dqn.agent import make_dqn
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import TrainRun
from lrdqn.config.family import Needs
from lrdqn.envs.probes.config import ProbeConfig
from lrdqn.networks import make_mlp
from lrdqn.ops.losses import LOSSES
from lrdqn.ops.values import make_expected
from lrdqn.replay import make_uniform
from lrdqn.train import make_horizon, make_plan, make_trainer
from lrdqn.train.decisions import whole_decisions
from lrdqn.types import DecisionStatus, Env, EnvSpec, Hypers, TimeStep, Transition


def test_gaps_are_filled_in_turn_and_the_last_is_kept() -> None:
    rng = np.random.default_rng(0)
    fill = jax.jit(whole_decisions)
    for share in (0.0, 0.1, 0.5, 1.0):
        for _ in range(10):
            values, complete = (
                rng.normal(size=(3, 4)).astype(np.float32),
                rng.random((3, 4)) < share,
            )
            obs = np.stack([values, -values], axis=2)
            rollout = Transition(
                *(jnp.asarray(x) for x in (obs, values.astype(np.int32), values, values, obs))
            )
            last = Transition(
                *(
                    jnp.asarray(x, x.dtype)
                    for x in (
                        np.float32([7, -7]),
                        np.int32(3),
                        np.float32(7),
                        np.float32(7),
                        np.float32([7, -7]),
                    )
                )
            )
            filled, kept = fill(rollout, jnp.asarray(complete), last)
            want, newest = oracle.without_gaps(values.ravel(), complete.ravel(), 7.0)
            np.testing.assert_array_equal(filled.reward.ravel(), np.float32(want))
            np.testing.assert_array_equal(filled.obs[..., 1].ravel(), -np.float32(want))
            assert filled.action.dtype == jnp.int32
            assert float(kept.reward) == newest


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


def test_replay_holds_whole_decisions_only() -> None:
    root = dataclasses.asdict(TrainRun(env=dataclasses.asdict(ProbeConfig())))
    root["network"] |= {"name": "mlp", "hidden": [8]}
    root["replay"] |= {"name": "uniform", "capacity": 128, "batch_size": 8}
    root["agent"] |= {"target_period": 8, "reward_scale": 1.0}
    root["train"] |= {
        "sessions": 4,
        "env_steps": 64,
        "warmup_steps": 64,
        "update_period": 4,
        "eval_period": 64,
    }
    config = freeze(TrainRun, root)
    env, values = make_waiting(4), make_expected(LOSSES["mse"])
    network = make_mlp(config.network, env.spec, values)
    plan = make_plan(config.train, config.agent, config.replay.batch_size)
    parts = (
        env,
        make_dqn(config.agent, network, values),
        make_uniform(config.replay),
        make_horizon(config.agent, network, 1, Needs()),
    )
    trainer = make_trainer(*parts, plan, config.agent, config.train, Needs())
    hypers = Hypers(
        **{
            k: jnp.float32({"gamma": 0.9, "reward_scale": 1.0, "epsilon": 1.0}.get(k, 0.0))
            for k in Hypers._fields
        }
    )
    state = jax.jit(trainer.init)(jax.random.key(0), (), hypers)
    assert float(state.pending.discount) == 0.0
    state = jax.jit(trainer.warmup)(state, (), hypers)
    data = jax.tree.map(np.asarray, state.replay.data)
    size = plan.warmup_iterations * plan.stride
    count, action = data.obs[:size, 0], data.action[:size]
    blank = (
        (data.reward[:size] == 0) & (data.discount[:size] == 0) & (data.next_obs[:size, 0] == count)
    )
    assert blank.sum() <= 4, "only before anything was complete"
    assert len(set(action[~blank])) == 3
    np.testing.assert_array_equal(data.reward[:size][~blank], (10 * count + action)[~blank])
    np.testing.assert_array_equal(data.next_obs[:size, 0][~blank], count[~blank] + 1)
    np.testing.assert_allclose(
        data.discount[:size][~blank], np.where(count == 4, 0, 0.9)[~blank], rtol=1e-6
    )
    assert float(state.pending.reward) in data.reward[:size]
