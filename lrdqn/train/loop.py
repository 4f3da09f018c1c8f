"""The training loop as three pure functions of one learner: ``init``, ``warmup``, ``chunk``. The
caller vmaps and shards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.config import AgentConfig, TrainConfig
from lrdqn.ops.exploration import epsilon_greedy
from lrdqn.ops.hoisted_scan import hoisted_scan
from lrdqn.ops.schedules import falling, linear
from lrdqn.ops.slates import random_slate
from lrdqn.train.decisions import whole_decisions
from lrdqn.train.horizon import Horizon
from lrdqn.train.plan import Plan
from lrdqn.train.rollout import finite_or_zero, play_round
from lrdqn.types import Agent, Env, Hypers, PyTree, Replay, TimeStep, Transition


class TrainState(NamedTuple):
    """Everything one learner is. Donated from chunk to chunk; saved whole, it resumes exactly."""

    agent: PyTree
    replay: PyTree
    horizon: PyTree
    """Transitions that are not complete yet (n-step); ``()`` where there are none."""
    env: PyTree
    obs: PyTree
    key: PRNGKeyArray
    pending: PyTree = ()
    """The last whole decision, where decisions take many steps; ``()`` where every step is one."""


class Clock(NamedTuple):
    """Where a chunk stands in the run, told by the host, whose counters are exact (DESIGN P25)."""

    done: Float[Array, ""]
    """Env steps done; it only feeds schedules, which are flat long before float32 counts
    coarsely."""
    block: Int[Array, ""]
    """Blocks done, modulo ``plan.blocks_per_sync``."""


class Trainer(NamedTuple):
    """Pure functions of one learner. ``world`` is the environment's parameters."""

    init: Callable[[PRNGKeyArray, PyTree, Hypers], TrainState]
    warmup: Callable[[TrainState, PyTree, Hypers], TrainState]
    chunk: Callable[[TrainState, PyTree, Hypers, Clock], tuple[TrainState, dict[str, Array]]]


class Stages(NamedTuple):
    """What happens to one learner around the steps of its sessions, wherever these are taken: in
    the same program (``make_trainer``) or outside jit (``hosted.make_hosted_trainer``)."""

    begin: Callable[[PRNGKeyArray, PRNGKeyArray, PyTree, PyTree, Hypers], TrainState]
    """``begin(agent_key, run_key, env_state, obs, hypers)``: untrained, with an empty replay."""
    act: Callable[[PyTree, PyTree, PyTree, Float[Array, ""] | None, PRNGKeyArray], Array]
    """``act(agent_state, obs, catalogue, epsilon, key) -> action [N]``; ``epsilon=None`` is the
    random policy of warm-up."""
    extend: Callable[
        [TrainState, Transition, Array, PyTree, Hypers, PRNGKeyArray], tuple[TrainState, Transition]
    ]
    """``extend(state, rollout [T, N], ended, catalogue, hypers, key) -> state, complete [M]``"""
    store: Callable[[TrainState, Transition, Hypers], TrainState]
    learn: Callable[[TrainState, PyTree, Hypers, PRNGKeyArray], tuple[TrainState, dict[str, Array]]]
    """``learn(state, catalogue, hypers, key)``: the updates of one iteration."""
    now: Callable[[Float[Array, ""], Hypers], Hypers]
    """``now(done, hypers)``: the hyper-parameters that follow a schedule, as they stand after
    ``done`` env steps."""


def make_stages(
    env: Env,
    agent: Agent,
    replay: Replay,
    horizon: Horizon,
    plan: Plan,
    agent_config: AgentConfig,
    train: TrainConfig,
) -> Stages:
    """The stages of an iteration but the environment's own; arguments as of ``make_trainer``."""
    slates = (
        env.spec.slate > 1 or agent_config.name == "slateq"
    )  # what was taken is stored for these only

    def begin(
        agent_key: PRNGKeyArray,
        run_key: PRNGKeyArray,
        env_state: PyTree,
        obs: PyTree,
        hypers: Hypers,
    ) -> TrainState:
        example = example_transition(env, obs, hypers)
        example = example._replace(taken=jnp.zeros((), jnp.int8) if slates else None)
        waiting = horizon.init(example, env.spec.sessions)
        stored = (
            example._replace(next_action=jnp.zeros_like(example.action))
            if getattr(agent_config, "target", "") == "sarsa"
            else example
        )
        return TrainState(
            agent.init(agent_key), replay.init(stored), waiting, env_state, obs, run_key
        )

    def act(
        agent_state: PyTree,
        obs: PyTree,
        catalogue: PyTree,
        epsilon: Array | None,
        key: PRNGKeyArray,
    ) -> Array:
        if epsilon is None:
            return random_action(env, obs, key)
        return agent.act(agent_state, obs, catalogue, epsilon, key)

    def extend(
        state: TrainState,
        rollout: Transition,
        ended: Array,
        catalogue: PyTree,
        hypers: Hypers,
        key: PRNGKeyArray,
    ) -> tuple[TrainState, Transition]:
        params = agent.policy_params(state.agent)
        rollout = rollout if slates else rollout._replace(taken=None)
        waiting, complete = horizon.extend(
            state.horizon, rollout, ended, params, catalogue, hypers, key
        )
        return state._replace(horizon=waiting), complete

    def store(state: TrainState, complete: Transition, hypers: Hypers) -> TrainState:
        return state._replace(replay=replay.add(state.replay, complete, hypers))

    def learn(
        state: TrainState, catalogue: PyTree, hypers: Hypers, key: PRNGKeyArray
    ) -> tuple[TrainState, dict[str, Array]]:

        def one(
            carry: tuple[PyTree, PyTree], key: PRNGKeyArray
        ) -> tuple[tuple[PyTree, PyTree], dict[str, Array]]:
            agent_state, replay_state = carry
            sample_key, update_key = jax.random.split(key)
            sample = replay.sample(replay_state, sample_key, hypers)
            agent_state, td_error, metrics = agent.update(
                agent_state, sample, catalogue, hypers, update_key
            )
            return (
                agent_state,
                replay.update_priorities(replay_state, sample.indices, td_error, hypers),
            ), metrics

        keys = jax.random.split(key, plan.updates)
        (agent_state, replay_state), metrics = hoisted_scan(one, (state.agent, state.replay), keys)
        return state._replace(agent=agent_state, replay=replay_state), reduce_metrics(metrics)

    def now(done: Array, hypers: Hypers) -> Hypers:
        return hypers._replace(
            epsilon=linear(done, hypers.epsilon, hypers.epsilon_end, agent_config.epsilon_steps),
            beta=linear(done, hypers.beta, hypers.beta_end, train.env_steps),
            learning_rate=falling(
                done, hypers.learning_rate, hypers.learning_rate_decay, train.env_steps
            ),
        )

    return Stages(begin, act, extend, store, learn, now)


def make_trainer(
    env: Env,
    agent: Agent,
    replay: Replay,
    horizon: Horizon,
    plan: Plan,
    agent_config: AgentConfig,
    train: TrainConfig,
) -> Trainer:
    """Put environment, agent and replay into ``scan(act -> step -> write -> sample -> update)``.

    Nothing in it talks to the host (P1), branches on state (P3) or copies the replay (P4).

    Args:
        env, agent, replay, horizon: the parts.
        plan: static loop lengths.
        agent_config: epsilon schedule.
        train: length of the run, for the annealing of beta and the learning rate.
    """
    stages = make_stages(env, agent, replay, horizon, plan, agent_config, train)

    def play(
        state: TrainState,
        world: PyTree,
        hypers: Hypers,
        epsilon: Float[Array, ""] | None,
        rounds: int,
        key: PRNGKeyArray,
    ) -> tuple[TrainState, Transition, dict[str, Array]]:
        """Rounds of all sessions, and the transitions that are complete."""
        catalogue = env.catalogue(world)

        def act(obs: PyTree, key: PRNGKeyArray) -> Array:
            return stages.act(state.agent, obs, catalogue, epsilon, key)

        def one(
            carry: tuple[PyTree, PyTree], key: PRNGKeyArray
        ) -> tuple[tuple[PyTree, PyTree], Any]:
            act_key, env_key = jax.random.split(key)
            env_state, timestep, transition = play_round(
                env, act, *carry, world, hypers, (act_key, env_key)
            )
            ended = timestep.terminated | timestep.truncated
            complete = None if timestep.pending is None else timestep.pending.complete
            return (env_state, timestep.obs), (transition, ended, complete, step_metrics(timestep))

        keys = jax.random.split(key, rounds + 1)
        (env_state, obs), (rollout, ended, whole, figures) = hoisted_scan(
            one, (state.env, state.obs), keys[:-1]
        )
        if whole is not None:
            rollout, last = whole_decisions(rollout, whole, state.pending)
            state = state._replace(pending=last)
        state, complete = stages.extend(state, rollout, ended, catalogue, hypers, keys[-1])
        return state._replace(env=env_state, obs=obs), complete, figures

    def collect(
        state: TrainState,
        world: PyTree,
        hypers: Hypers,
        epsilon: Float[Array, ""] | None,
        key: PRNGKeyArray,
    ) -> tuple[TrainState, dict[str, Array]]:
        """One iteration's rounds, into replay."""
        state, complete, figures = play(state, world, hypers, epsilon, plan.rounds, key)
        return stages.store(state, complete, hypers), figures

    def iteration(
        state: TrainState, done: Float[Array, ""], world: PyTree, hypers: Hypers, key: PRNGKeyArray
    ) -> tuple[TrainState, dict[str, Array]]:
        collect_key, learn_key = jax.random.split(key)
        now = stages.now(done, hypers)
        state, figures = collect(state, world, now, now.epsilon, collect_key)
        state, metrics = stages.learn(state, env.catalogue(world), now, learn_key)
        return state, metrics | reduce_metrics(figures) | {"epsilon": now.epsilon}

    def init(key: PRNGKeyArray, world: PyTree, hypers: Hypers) -> TrainState:
        agent_key, env_key, run_key = jax.random.split(key, 3)
        state = stages.begin(agent_key, run_key, *env.reset(env_key, world), hypers)
        return (
            state
            if env.spec.one_step_decisions
            else state._replace(pending=empty_decision(env, state.obs, hypers))
        )

    def warmup(state: TrainState, world: PyTree, hypers: Hypers) -> TrainState:
        if horizon.fill:
            key, fill_key = jax.random.split(state.key)
            state, _, _ = play(state._replace(key=key), world, hypers, None, horizon.fill, fill_key)

        def one(state: TrainState, _: None) -> tuple[TrainState, None]:
            key, round_key = jax.random.split(state.key)
            return collect(state._replace(key=key), world, hypers, None, round_key)[0], None

        return jax.lax.scan(one, state, None, length=plan.warmup_iterations)[0]

    def chunk(
        state: TrainState, world: PyTree, hypers: Hypers, clock: Clock
    ) -> tuple[TrainState, dict[str, Array]]:
        per_block = plan.iterations_per_block

        def block(state: TrainState, number: Array) -> tuple[TrainState, dict[str, Array]]:
            def one(
                state: TrainState, key_i: tuple[PRNGKeyArray, Array]
            ) -> tuple[TrainState, dict[str, Array]]:
                key, i = key_i
                done = clock.done + plan.stride * (number * per_block + i).astype(jnp.float32)
                return iteration(state, done, world, hypers, key)

            # Keys come from outside the loop, so that what is drawn with them can be drawn there
            # too.
            keys = jax.random.split(state.key, plan.iterations_per_key + 1)
            first = (clock.block + number) * per_block % plan.iterations_per_key
            following = jnp.where(first + per_block == plan.iterations_per_key, keys[0], state.key)
            steps = (keys[1 + first + jnp.arange(per_block)], jnp.arange(per_block))
            state, metrics = hoisted_scan(one, state._replace(key=following), steps)
            moved = agent.sync(state.agent, hypers)
            if plan.blocks_per_sync > 1:
                due = (clock.block + number + 1) % plan.blocks_per_sync == 0
                moved = jax.tree.map(lambda new, old: jnp.where(due, new, old), moved, state.agent)
            return state._replace(agent=moved), reduce_metrics(metrics)

        state, metrics = jax.lax.scan(block, state, jnp.arange(plan.blocks_per_chunk))
        return state, reduce_metrics(metrics)

    return Trainer(init, warmup, chunk)


COUNTS = ("nonfinite", "nonfinite_rewards", "ended", "decisions")
"""Metrics that count events: they are summed over a chunk where the others are averaged."""


def reduce_metrics(metrics: dict[str, Any]) -> dict[str, Any]:
    """Metrics of many steps, along the first axis, as one figure each."""
    return {k: v.sum(0) if k in COUNTS else v.mean(0) for k, v in metrics.items()}


def step_metrics(timestep: TimeStep) -> dict[str, Array]:
    """What the metrics say of one step of all sessions."""
    figures = {
        "reward": jnp.mean(finite_or_zero(timestep.reward)),
        "nonfinite_rewards": jnp.sum(~jnp.isfinite(timestep.reward)),
        "ended": jnp.sum(timestep.terminated | timestep.truncated),
    }
    return (
        figures
        if timestep.pending is None
        else figures | {"decisions": jnp.sum(timestep.pending.complete)}
    )


def clock_at(plan: Plan, chunk: int) -> Clock:
    """The clock before chunk number ``chunk``."""
    return Clock(
        jnp.float32(chunk * plan.chunk_steps),
        jnp.int32(chunk * plan.blocks_per_chunk % plan.blocks_per_sync),
    )


def empty_decision(env: Env, obs: PyTree, hypers: Hypers) -> Transition:
    """What stands for the last whole decision before there is one: the first session's; nothing is
    won, and all ends."""
    first = jax.tree.map(lambda x: x[0], obs)
    return example_transition(env, obs, hypers)._replace(obs=first, next_obs=first)


def random_action(env: Env, obs: PyTree, key: PRNGKeyArray) -> Array:
    """Uniform over the actions on offer: epsilon-greedy at epsilon 1, whatever the values; or over
    the slates of them."""
    if env.spec.slate > 1:
        return random_slate(jax.random.uniform(key, (env.spec.sessions, env.spec.slate)), obs.mask)
    u = jax.random.uniform(key, (env.spec.sessions,))
    shape = (env.spec.sessions, env.spec.actions)
    mask = (
        obs.mask if env.spec.observation in ("candidates", "documents") else jnp.ones(shape, bool)
    )
    return jax.vmap(epsilon_greedy, in_axes=(0, 0, 0, None))(
        u, jnp.zeros(shape), mask, jnp.float32(1.0)
    )


def example_transition(env: Env, obs: PyTree, hypers: Hypers) -> Transition:
    """One unbatched transition with the shapes and types that replay will hold."""
    one = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), obs)
    shape = () if env.spec.slate == 1 else (env.spec.slate,)
    zero = jnp.zeros((), hypers.gamma.dtype)
    return Transition(one, jnp.zeros(shape, jnp.int32), zero, zero, one)
