"""The training loop as pure functions of one learner, which the caller vmaps and shards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from lrdqn.config import AgentConfig, TrainConfig
from lrdqn.config.family import CLICKED_PLACE, NEXT_ACTION, Needs
from lrdqn.ops.exploration import epsilon_greedy
from lrdqn.ops.hoisted_scan import hoisted_scan
from lrdqn.ops.schedules import falling, linear
from lrdqn.ops.slates import random_slate
from lrdqn.train.horizon import Horizon
from lrdqn.train.plan import Plan
from lrdqn.train.rollout import finite_or_zero, play_round
from lrdqn.types import Agent, Env, Hypers, PyTree, Replay, TimeStep, Transition


class TrainState(NamedTuple):
    """State of one learner. Donated from chunk to chunk; saved whole, it resumes exactly."""

    agent: PyTree
    replay: PyTree
    horizon: PyTree
    """Transitions that are not complete yet (n-step); ``()`` for horizons without any."""
    env: PyTree
    obs: PyTree
    key: PRNGKeyArray
    returns: Float[Array, "N"]
    """Rewards of each session since its beginning."""
    nonfinite: dict[str, Int[Array, ""]]
    """Values that were not finite before the first chunk, which reports them."""
    owed: PyTree = ()
    """Complete decisions since the last update ``[]``, in semi-Markov environments; ``()`` where
    every step is a decision."""


class Clock(NamedTuple):
    """Place of a chunk in the run, given by the host, whose integer counters are exact."""

    done: Float[Array, ""]
    """Env steps done. It only enters schedules, which are constant long before float32 loses
    precision."""
    block: Int[Array, ""]
    """Blocks done, modulo ``plan.blocks_per_sync``."""


class Trainer(NamedTuple):
    """Pure functions of one learner. ``world`` is the environment's parameters."""

    init: Callable[[PRNGKeyArray, PyTree, Hypers], TrainState]
    warmup: Callable[[TrainState, PyTree, Hypers], TrainState]
    chunk: Callable[[TrainState, PyTree, Hypers, Clock], tuple[TrainState, dict[str, Array]]]
    rejoin: Callable[[TrainState, PRNGKeyArray, PyTree, Hypers], TrainState]
    """``rejoin(state, key, world, hypers)``: a saved state with fresh sessions, without the
    incomplete transitions of its old ones."""


def make_trainer(
    env: Env,
    agent: Agent,
    replay: Replay,
    horizon: Horizon,
    plan: Plan,
    agent_config: AgentConfig,
    train: TrainConfig,
    needs: Needs,
) -> Trainer:
    """Put environment, agent and replay into ``scan(act -> step -> write -> sample -> update)``.

    It neither branches on state nor copies the replay. It never calls the host, unless the
    environment lives there (``Env.outside``).

    Args:
        env, agent, replay, horizon: the parts.
        plan: static loop lengths.
        agent_config: gives the epsilon schedule.
        train: gives the length of the run, over which beta and the learning rate are annealed.
        needs: names the fields that replay stores for the agent.
    """
    keeps_clicks = env.spec.slate > 1 or CLICKED_PLACE in needs.stored

    def example(obs: PyTree, hypers: Hypers) -> Transition:
        """Return one blank transition as the horizon takes it in."""
        blank = example_transition(env, obs, hypers)
        return blank._replace(clicked_place=jnp.zeros((), jnp.int8) if keeps_clicks else None)

    def init(key: PRNGKeyArray, world: PyTree, hypers: Hypers) -> TrainState:
        agent_key, env_key, run_key = jax.random.split(key, 3)
        env_state, obs = env.reset(env_key, world)
        one = example(obs, hypers)
        waiting = horizon.init(one, env.spec.sessions)
        if NEXT_ACTION in needs.stored:
            one = one._replace(next_action=jnp.zeros_like(one.action))
        learner, memory = agent.init(agent_key), replay.init(one)
        if agent.warm is not None:
            learner = agent.warm(learner, hypers)
        owed = () if env.spec.one_step_decisions else jnp.int32(0)
        returns, none = jnp.zeros(env.spec.sessions), {name: jnp.int32(0) for name in NONFINITE}
        return TrainState(learner, memory, waiting, env_state, obs, run_key, returns, none, owed)

    def play(
        state: TrainState,
        world: PyTree,
        hypers: Hypers,
        epsilon: Float[Array, ""] | None,
        rounds: int,
        key: PRNGKeyArray,
    ) -> tuple[TrainState, Transition, Bool[Array, "M"] | None, dict[str, Array]]:
        """Step all sessions ``rounds`` times, with the random policy if ``epsilon`` is ``None``;
        return the transitions too, and in semi-Markov environments which of them are complete."""
        catalogue = env.catalogue(world)

        def act(obs: PyTree, key: PRNGKeyArray) -> Array:
            if epsilon is None:
                return random_action(env, obs, key)
            return agent.act(state.agent, obs, catalogue, epsilon, key)

        def one_round(
            carry: tuple[PyTree, PyTree, Array], key: PRNGKeyArray
        ) -> tuple[tuple[PyTree, PyTree, Array], Any]:
            act_key, env_key = jax.random.split(key)
            env_state, timestep, transition = play_round(
                env, act, *carry[:2], world, hypers, (act_key, env_key)
            )
            ended = timestep.terminated | timestep.truncated
            complete = None if timestep.pending is None else timestep.pending.complete
            returns = carry[2] + finite_or_zero(timestep.reward)
            finished = {"finished_return": jnp.sum(jnp.where(ended, returns, 0.0))}
            metrics = step_metrics(timestep) | finished
            following = env_state, timestep.obs, jnp.where(ended, 0.0, returns)
            return following, (transition, ended, complete, metrics)

        keys = jax.random.split(key, rounds + 1)
        (env_state, obs, returns), (rollout, ended, whole, metrics) = hoisted_scan(
            one_round, (state.env, state.obs, state.returns), keys[:-1]
        )
        if not keeps_clicks:
            rollout = rollout._replace(clicked_place=None)
        params = agent.policy_params(state.agent)
        waiting, transitions = horizon.extend(
            state.horizon, rollout, ended, params, catalogue, hypers, keys[-1]
        )
        complete = None if whole is None else whole.reshape(-1)
        state = state._replace(env=env_state, obs=obs, horizon=waiting, returns=returns)
        return state, transitions, complete, metrics

    def collect(
        state: TrainState,
        world: PyTree,
        hypers: Hypers,
        epsilon: Float[Array, ""] | None,
        key: PRNGKeyArray,
    ) -> tuple[TrainState, dict[str, Array]]:
        """Play one iteration's rounds into replay."""
        state, transitions, complete, metrics = play(
            state, world, hypers, epsilon, plan.rounds, key
        )
        memory = replay.add(state.replay, transitions, hypers, complete)
        return state._replace(replay=memory), metrics

    def learn(
        state: TrainState, catalogue: PyTree, hypers: Hypers, key: PRNGKeyArray
    ) -> tuple[TrainState, dict[str, Array]]:
        """Make the updates of one iteration."""

        def one_update(
            carry: tuple[PyTree, PyTree], key: PRNGKeyArray
        ) -> tuple[tuple[PyTree, PyTree], dict[str, Array]]:
            learner, memory = carry
            sample_key, update_key = jax.random.split(key)
            sample = replay.sample(memory, sample_key, hypers)
            learner, td_error, metrics = agent.update(
                learner, sample, catalogue, hypers, update_key
            )
            memory = replay.update_priorities(memory, sample.indices, td_error, hypers)
            counted = {"nonfinite": jnp.sum(~jnp.isfinite(td_error)), **metrics}
            return (learner, memory), counted

        first = state.agent, state.replay
        if env.spec.one_step_decisions:
            keys = jax.random.split(key, plan.updates)
            (learner, memory), metrics = hoisted_scan(one_update, first, keys)
            return state._replace(agent=learner, replay=memory), reduce_metrics(metrics)
        due = state.owed // train.update_period
        (learner, memory), metrics = repeat(
            one_update, first, jax.random.split(key, plan.updates + 1), due
        )
        state = state._replace(
            agent=learner, replay=memory, owed=state.owed - due * train.update_period
        )
        return state, metrics | {"updates": due}

    def iteration(
        state: TrainState, done: Float[Array, ""], world: PyTree, hypers: Hypers, key: PRNGKeyArray
    ) -> tuple[TrainState, dict[str, Array]]:
        collect_key, learn_key = jax.random.split(key)
        now = scheduled_hypers(done, hypers, agent_config, train)
        state, played = collect(state, world, now, now.epsilon, collect_key)
        if not env.spec.one_step_decisions:
            state = state._replace(owed=state.owed + jnp.sum(played["decisions"]))
        state, learnt = learn(state, env.catalogue(world), now, learn_key)
        return state, learnt | reduce_metrics(played) | {"epsilon": now.epsilon}

    def fill(state: TrainState, world: PyTree, hypers: Hypers) -> TrainState:
        """Play the rounds before the first transition is complete; store nothing."""
        if not horizon.fill:
            return state
        key, fill_key = jax.random.split(state.key)
        state, *_, metrics = play(
            state._replace(key=key), world, hypers, None, horizon.fill, fill_key
        )
        return noted(state, metrics)

    def warmup(state: TrainState, world: PyTree, hypers: Hypers) -> TrainState:
        def one_iteration(state: TrainState, _: None) -> tuple[TrainState, None]:
            key, round_key = jax.random.split(state.key)
            state, metrics = collect(state._replace(key=key), world, hypers, None, round_key)
            return noted(state, metrics), None

        state = fill(state, world, hypers)
        return jax.lax.scan(one_iteration, state, None, length=plan.warmup_iterations)[0]

    def rejoin(state: TrainState, key: PRNGKeyArray, world: PyTree, hypers: Hypers) -> TrainState:
        _, env_key, _ = jax.random.split(key, 3)
        env_state, obs = env.reset(env_key, world)
        waiting = horizon.init(example(obs, hypers), env.spec.sessions)
        returns = jnp.zeros_like(state.returns)
        state = state._replace(env=env_state, obs=obs, horizon=waiting, returns=returns)
        return fill(state, world, hypers)

    def chunk(
        state: TrainState, world: PyTree, hypers: Hypers, clock: Clock
    ) -> tuple[TrainState, dict[str, Array]]:
        per_block = plan.iterations_per_block

        def block(state: TrainState, number: Array) -> tuple[TrainState, dict[str, Array]]:
            def one_iteration(
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
            state, metrics = hoisted_scan(one_iteration, state._replace(key=following), steps)
            moved = agent.sync(state.agent, hypers)
            if plan.blocks_per_sync > 1:
                due = (clock.block + number + 1) % plan.blocks_per_sync == 0
                moved = jax.tree.map(lambda new, old: jnp.where(due, new, old), moved, state.agent)
            return state._replace(agent=moved), reduce_metrics(metrics)

        before = state.nonfinite
        state = state._replace(nonfinite=jax.tree.map(jnp.zeros_like, before))
        state, metrics = jax.lax.scan(block, state, jnp.arange(plan.blocks_per_chunk))
        metrics = per_update(reduce_metrics(metrics), per_block * plan.blocks_per_chunk)
        metrics |= {name: metrics[name] + count for name, count in before.items()}
        return state, with_train_return(metrics)

    return Trainer(init, warmup, chunk, rejoin)


def scheduled_hypers(
    done: Float[Array, ""], hypers: Hypers, agent: AgentConfig, train: TrainConfig
) -> Hypers:
    """Return the values of all hyper-parameters after ``done`` env steps."""
    return hypers._replace(
        epsilon=linear(done, hypers.epsilon, hypers.epsilon_end, agent.epsilon_steps),
        beta=linear(done, hypers.beta, hypers.beta_end, train.env_steps),
        learning_rate=falling(
            done, hypers.learning_rate, hypers.learning_rate_decay, train.env_steps
        ),
    )


NONFINITE = ("nonfinite_rewards", "nonfinite_observations")
COUNTS = ("nonfinite", *NONFINITE, "ended", "finished_return", "decisions", "updates")
"""Metrics that are summed over a chunk; the others are averaged."""


def noted(state: TrainState, metrics: dict[str, Array]) -> TrainState:
    """Add values that were not finite to the count that the first chunk reports."""
    counts = {name: n + jnp.sum(metrics[name]) for name, n in state.nonfinite.items()}
    return state._replace(nonfinite=counts)


def with_train_return(metrics: dict[str, Array]) -> dict[str, Array]:
    """Return a chunk's metrics with ``train_return``, the mean return of the sessions that ended in
    it, NaN where none did, instead of the sum.

    Of sessions of different lengths, short ones end more often in a given time, so that the mean is
    biased towards them; the first ones of a run are short altogether.
    """
    ended = metrics["ended"]
    mean = metrics["finished_return"] / jnp.where(ended > 0, ended, jnp.nan)
    kept = {name: value for name, value in metrics.items() if name != "finished_return"}
    return kept | {"train_return": mean}


def reduce_metrics(metrics: dict[str, Any]) -> dict[str, Any]:
    """Reduce metrics of many steps over the first axis, by sum or mean."""
    return {k: v.sum(0) if k in COUNTS else v.mean(0) for k, v in metrics.items()}


def repeat(
    body: Callable[[Any, PRNGKeyArray], tuple[Any, dict[str, Array]]],
    init: Any,
    keys: PRNGKeyArray,
    times: Int[Array, ""],
) -> tuple[Any, dict[str, Array]]:
    """Call ``body(carry, key) -> carry, metrics`` with the first ``times`` keys; return the carry
    and the sums of the metrics."""
    shapes = jax.eval_shape(body, init, keys[0])[1]
    sums = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def once(i: Array, carry: tuple[Any, dict[str, Array]]) -> tuple[Any, dict[str, Array]]:
        inner, metrics = body(carry[0], keys[i])
        return inner, jax.tree.map(jnp.add, carry[1], metrics)

    return jax.lax.fori_loop(0, times, once, (init, sums))


PER_STEP = ("reward", "epsilon")
"""Metrics that are means over steps, not over updates."""


def per_update(metrics: dict[str, Array], iterations: int) -> dict[str, Array]:
    """Return a chunk's metrics with sums over a random number of updates (``updates``), averaged
    over iterations, turned into means over updates; 0 where there was none."""
    if "updates" not in metrics:
        return metrics
    scale = iterations / jnp.maximum(metrics["updates"], 1).astype(jnp.float32)
    kept = (*COUNTS, *PER_STEP)
    return {k: v if k in kept else v * scale for k, v in metrics.items()}


def step_metrics(timestep: TimeStep) -> dict[str, Array]:
    """Return the metrics of one step of all sessions."""
    metrics = {
        "reward": jnp.mean(finite_or_zero(timestep.reward)),
        "nonfinite_rewards": jnp.sum(~jnp.isfinite(timestep.reward)),
        "nonfinite_observations": jnp.sum(
            jnp.asarray(timestep.info.get("nonfinite_observations", 0)), dtype=jnp.int32
        ),
        "ended": jnp.sum(timestep.terminated | timestep.truncated),
    }
    return (
        metrics
        if timestep.pending is None
        else metrics | {"decisions": jnp.sum(timestep.pending.complete)}
    )


def clock_at(plan: Plan, chunk: int) -> Clock:
    """Return the clock before chunk number ``chunk``."""
    return Clock(
        jnp.float32(chunk * plan.chunk_steps),
        jnp.int32(chunk * plan.blocks_per_chunk % plan.blocks_per_sync),
    )


def random_action(env: Env, obs: PyTree, key: PRNGKeyArray) -> Array:
    """Draw uniformly from the available actions, or from the slates of available candidates."""
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
    """Return one unbatched transition of zeros with the shapes and types that replay holds."""
    one = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), obs)
    shape = () if env.spec.slate == 1 else (env.spec.slate,)
    zero = jnp.zeros((), hypers.gamma.dtype)
    return Transition(one, jnp.zeros(shape, jnp.int32), zero, zero, one)
