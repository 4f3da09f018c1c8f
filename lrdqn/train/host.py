"""The same loop for an environment that is stepped outside jit: what is compiled of it, as pure
functions of one learner.

Between them the host steps the sessions. Keys are split as in ``make_trainer``, so an environment
without luck of its own gives the same training, however it is stepped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.config import AgentConfig, TrainConfig
from lrdqn.train.horizon import Horizon
from lrdqn.train.loop import (
    TrainState,
    example_transition,
    make_stages,
    reduce_metrics,
    step_metrics,
)
from lrdqn.train.plan import Plan
from lrdqn.train.rollout import to_transition
from lrdqn.types import Agent, Env, Hypers, PyTree, Replay, TimeStep, Transition


class Played(NamedTuple):
    """Rounds of all sessions, as the host saw them; leaves ``[T, N, ...]``."""

    obs: PyTree
    action: Array
    timestep: TimeStep
    """Without ``obs``, which is the next round's, and ``info``."""


class HostedTrainer(NamedTuple):
    """Pure functions of one learner. ``round`` counts within an iteration; the state holds no
    sessions (``env``, ``obs``)."""

    init: Callable[[PRNGKeyArray, Hypers], TrainState]
    explore: Callable[[TrainState, PyTree, Int[Array, ""], int], Array]
    """``explore(state, obs, round, rounds) -> action [N]``: the random policy of warm-up, which
    lasts ``rounds`` (static)."""
    act: Callable[
        [TrainState, PyTree, Hypers, Float[Array, ""], Int[Array, ""], Int[Array, ""]], Array
    ]
    """``act(state, obs, hypers, done, place, round) -> action [N]``; ``place`` counts iterations
    within a block."""
    fill: Callable[[TrainState, Played, Hypers], TrainState]
    """Rounds from which nothing is stored yet (``horizon.fill`` of them)."""
    collect: Callable[[TrainState, Played, Hypers], TrainState]
    """An iteration of warm-up."""
    absorb: Callable[
        [TrainState, Played, Hypers, Float[Array, ""], Int[Array, ""]],
        tuple[TrainState, dict[str, Array]],
    ]
    """``absorb(state, played, hypers, done, place)``: an iteration's rounds into replay, then its
    updates."""
    sync: Callable[[TrainState, Hypers], TrainState]
    forget: Callable[[TrainState, Hypers], TrainState]
    """Drops the transitions that are not complete, whose sessions are gone."""


def make_hosted_trainer(
    env: Env,
    agent: Agent,
    replay: Replay,
    horizon: Horizon,
    plan: Plan,
    agent_config: AgentConfig,
    train: TrainConfig,
) -> HostedTrainer:
    """Arguments as of ``make_trainer``; of ``env`` only ``spec``, and the shapes that ``reset``
    gives."""
    stages = make_stages(env, agent, replay, horizon, plan, agent_config, train)
    catalogue = ()  # nothing that is stepped on the host has one

    def blank() -> PyTree:
        return env.reset(jax.random.key(0), ())[1]

    def init(key: PRNGKeyArray, hypers: Hypers) -> TrainState:
        agent_key, _, run_key = jax.random.split(key, 3)
        return stages.begin(agent_key, run_key, (), blank(), hypers)._replace(obs=())

    def of_round(key: PRNGKeyArray, number: Array, rounds: int) -> PRNGKeyArray:
        act_key, _ = jax.random.split(jax.random.split(key, rounds + 1)[number])
        return act_key

    def of_iteration(state: TrainState, place: Array) -> PRNGKeyArray:
        """Keys of an iteration's rounds and of its updates; the block's own key stays until its
        last iteration."""
        return jax.random.split(jax.random.split(state.key, plan.iterations_per_key + 1)[place + 1])

    def explore(state: TrainState, obs: PyTree, number: Array, rounds: int) -> Array:
        _, key = jax.random.split(state.key)
        return stages.act(state.agent, obs, catalogue, None, of_round(key, number, rounds))

    def act(
        state: TrainState, obs: PyTree, hypers: Hypers, done: Array, place: Array, number: Array
    ) -> Array:
        key, _ = of_iteration(state, place)
        epsilon = stages.now(done, hypers).epsilon
        return stages.act(state.agent, obs, catalogue, epsilon, of_round(key, number, plan.rounds))

    def extend(
        state: TrainState, played: Played, hypers: Hypers, key: PRNGKeyArray
    ) -> tuple[TrainState, Transition]:
        """``key``: of the rounds; its last part is the horizon's."""
        t = played.timestep
        rollout = to_transition(played.obs, played.action, t, hypers)
        last = jax.random.split(key, t.reward.shape[0] + 1)[-1]
        return stages.extend(state, rollout, t.terminated | t.truncated, catalogue, hypers, last)

    def fill(state: TrainState, played: Played, hypers: Hypers) -> TrainState:
        key, own = jax.random.split(state.key)
        return extend(state._replace(key=key), played, hypers, own)[0]

    def collect(state: TrainState, played: Played, hypers: Hypers) -> TrainState:
        key, own = jax.random.split(state.key)
        state, complete = extend(state._replace(key=key), played, hypers, own)
        return stages.store(state, complete, hypers)

    def absorb(
        state: TrainState, played: Played, hypers: Hypers, done: Array, place: Array
    ) -> tuple[TrainState, dict[str, Array]]:
        own, learn_key = of_iteration(state, place)
        following = jax.random.split(state.key, plan.iterations_per_key + 1)[0]
        key = jnp.where(place == plan.iterations_per_key - 1, following, state.key)
        now = stages.now(done, hypers)
        state, complete = extend(state._replace(key=key), played, now, own)
        state, metrics = stages.learn(stages.store(state, complete, now), catalogue, now, learn_key)
        return state, metrics | reduce_metrics(jax.vmap(step_metrics)(played.timestep)) | {
            "epsilon": now.epsilon
        }

    def sync(state: TrainState, hypers: Hypers) -> TrainState:
        return state._replace(agent=agent.sync(state.agent, hypers))

    def forget(state: TrainState, hypers: Hypers) -> TrainState:
        example = example_transition(env, blank(), hypers)
        return state._replace(horizon=horizon.init(example, env.spec.sessions))

    return HostedTrainer(init, explore, act, fill, collect, absorb, sync, forget)
