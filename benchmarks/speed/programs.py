"""The stages of a training iteration, each as a program of its own: a scan over nothing but that
stage, vmapped over seeds.

All stages work on one ``Desk``, so that replay is in memory once: a stage takes its part, which is
donated, and puts it back. A learner has no myopic twin here: with it, a run does everything twice
per seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from lrdqn import build
from lrdqn.compose.roots import TrainRun
from lrdqn.train import Clock, Plan, Trainer, TrainState, clock_at, make_plan, make_trainer
from lrdqn.train.loop import example_transition
from lrdqn.train.memory import tree_bytes
from lrdqn.types import Agent, Env, Hypers, PyTree, Replay, Sample, TimeStep, Transition

PRIORITIES, WHOLE = "replay_update_priorities", "whole_iteration"

Shared = tuple[Hypers, Clock]


class Desk(NamedTuple):
    """What lies on the devices while a point is measured, leaves ``[seeds, ...]``. K is the length
    of the loops."""

    world: PyTree
    train: TrainState
    outcome: TimeStep
    """Of the last step, without ``obs`` (which is in ``train``) and ``info`` (which the loop does
    not read)."""
    action: jax.Array
    sample: Sample
    td_error: jax.Array
    transitions: Transition
    """``[stride]``: what one iteration writes."""
    played: jax.Array
    """Actions drawn beforehand ``[K, N]``, uniform over all places (nobody can click on an empty
    one)."""
    slots: jax.Array
    """Slots ``[K, B]``, sorted, as stratified sampling gives them; others every time, so that
    caches help no more than in a run.
    """


class Stage(NamedTuple):
    """One stage, written for one seed. What ``take`` gives first is donated."""

    name: str
    calls: int
    """How often a training iteration does this."""
    amount: int
    """What one call handles per seed, in ``unit``."""
    unit: str
    program: Callable[[Any, Any, Shared], tuple[Any, Any]]
    """``program(carry, own, shared) -> carry, figures``: all iterations of the stage."""
    take: Callable[[Desk], tuple[Any, Any]]
    """``take(desk) -> carry, own``"""
    put: Callable[[Desk, Any], Desk]
    """``put(desk, carry) -> desk``"""


class Bench(NamedTuple):
    """A point, ready to be compiled."""

    plan: Plan
    stages: list[Stage]
    start: Callable[..., Desk]
    """``start(keys, worlds, hypers)``, vmapped over seeds."""
    arguments: tuple[Any, ...]
    """Of ``start``."""
    shared: Shared
    sharding: NamedSharding
    state_bytes: int
    """Of the desk, from shapes alone."""


def repeat(body: Callable[..., Any], length: int) -> Callable[[Any, Any, Shared], tuple[Any, Any]]:
    """The program that does ``body(carry, fixed, x, key, world, hypers) -> carry`` ``length``
    times.

    The barrier hides from the compiler that ``fixed`` (observations, a batch, parameters) is the
    same every time, which it is not in training; otherwise all that follows from it would be moved
    out of the loop. It does so because what changes goes through it too, so a body must use its
    state, its ``x`` or its key. World and hyper-parameters do stay the same in training.
    """

    def program(carry: Any, own: Any, shared: Shared) -> tuple[Any, Any]:
        (state, key), (fixed, xs, world) = carry, own
        key, loop_key = jax.random.split(key)

        def one(state: Any, x: Any) -> tuple[Any, None]:
            state, held, (key, x) = jax.lax.optimization_barrier((state, fixed, x))
            return body(state, held, x, key, world, shared[0]), None

        return (jax.lax.scan(one, state, (jax.random.split(loop_key, length), xs))[0], key), ()

    return program


def make_stages(
    env: Env, agent: Agent, replay: Replay, trainer: Trainer, plan: Plan, batch: int, length: int
) -> list[Stage]:
    """The stages in the order of an iteration, the whole of it last."""

    def stage(
        name: str, calls: int, amount: int, unit: str, body: Any, state: Any, own: Any, put: Any
    ) -> Stage:
        """A repeated stage: the key goes with its state, the world with what is its own."""

        def take(desk: Desk) -> tuple[Any, Any]:
            return (state(desk), desk.train.key), (*own(desk), desk.world)

        def put_both(desk: Desk, carry: Any) -> Desk:
            desk = put(desk, carry[0])
            return desk._replace(train=desk.train._replace(key=carry[1]))

        return Stage(name, calls, amount, unit, repeat(body, length), take, put_both)

    def step(carry: Any, fixed: Any, action: Any, key: Any, world: Any, hypers: Hypers) -> Any:
        state, timestep = env.step(key, carry[0], action, world)
        return state, timestep.obs, timestep._replace(obs=(), info={})

    def act(action: Any, fixed: Any, x: Any, key: Any, world: Any, hypers: Hypers) -> Any:
        state, obs = fixed
        return agent.act(state, obs, env.catalogue(world), hypers.epsilon_end, key)

    def add(memory: Any, transitions: Any, x: Any, key: Any, world: Any, hypers: Hypers) -> Any:
        return replay.add(memory, transitions, hypers)

    def sample(last: Any, memory: Any, x: Any, key: Any, world: Any, hypers: Hypers) -> Any:
        return replay.sample(memory, key, hypers)

    def prioritise(
        memory: Any, td_error: Any, slots: Any, key: Any, world: Any, hypers: Hypers
    ) -> Any:
        return replay.update_priorities(memory, slots, td_error, hypers)

    def update(carry: Any, sample: Any, x: Any, key: Any, world: Any, hypers: Hypers) -> Any:
        return agent.update(carry[0], sample, env.catalogue(world), hypers, key)[:2]

    def train(desk: Desk, **parts: Any) -> Desk:
        return desk._replace(train=desk.train._replace(**parts))

    rounds, updates, n = plan.rounds, plan.updates, plan.sessions
    return [
        stage(
            "world_step",
            rounds,
            n,
            "env steps",
            step,
            lambda d: (d.train.env, d.train.obs, d.outcome),
            lambda d: ((), d.played),
            lambda d, c: train(d, env=c[0], obs=c[1])._replace(outcome=c[2]),
        ),
        stage(
            "act",
            rounds,
            n,
            "env steps",
            act,
            lambda d: d.action,
            lambda d: ((d.train.agent, d.train.obs), ()),
            lambda d, c: d._replace(action=c),
        ),
        stage(
            "replay_add",
            1,
            plan.stride,
            "transitions",
            add,
            lambda d: d.train.replay,
            lambda d: (d.transitions, ()),
            lambda d, c: train(d, replay=c),
        ),
        stage(
            "replay_sample",
            updates,
            batch,
            "transitions",
            sample,
            lambda d: d.sample,
            lambda d: (d.train.replay, ()),
            lambda d, c: d._replace(sample=c),
        ),
        stage(
            "gradient_update",
            updates,
            1,
            "updates",
            update,
            lambda d: (d.train.agent, d.td_error),
            lambda d: (d.sample, ()),
            lambda d, c: train(d, agent=c[0])._replace(td_error=c[1]),
        ),
        stage(
            PRIORITIES,
            updates,
            batch,
            "priorities",
            prioritise,
            lambda d: d.train.replay,
            lambda d: (d.td_error, d.slots),
            lambda d, c: train(d, replay=c),
        ),
        Stage(
            WHOLE,
            1,
            plan.stride,
            "env steps",
            lambda carry, world, shared: trainer.chunk(carry, world, *shared),
            lambda d: (d.train, d.world),
            lambda d, c: d._replace(train=c),
        ),
    ]


def make_bench(config: TrainRun, length: int) -> Bench:
    """Everything of a point that needs no compilation, and no device memory but the worlds'.

    Args:
        config: of ``config_at``, for the same ``length``.
        length: K, iterations in one call of a program.
    """
    train, capacity, batch = config.train, config.replay.capacity, config.replay.batch_size
    needs = build.build_needs(config)
    plan, sharding = (
        make_plan(train, config.agent, batch, needs.fresh),
        sharding_of(train.seeds, config.runtime.devices),
    )
    worlds = build.build_worlds(config.env, train.seed, train.seeds)
    env = build.build_env(config.env, train.sessions)
    values = build.build_values(config)
    network = build.build_network(config.network, env, worlds, values)
    agent = build.build_agent(config.agent, network, values, env.spec)
    replay, horizon = build.build_replay(config), build.build_horizon(config, network)
    trainer = make_trainer(env, agent, replay, horizon, plan, config.agent, train, needs)

    def start(key: jax.Array, world: PyTree, hypers: Hypers) -> Desk:
        """A desk with a full replay, as in most of a run; what the transitions hold does not matter
        for speed."""
        keys = jax.random.split(key, 6)
        state = trainer.init(keys[0], world, hypers)
        one = example_transition(env, state.obs, hypers)
        blank = jax.tree.map(lambda x: jnp.zeros((plan.stride, *x.shape), x.dtype), one)
        seen = jax.tree.map(lambda x: jnp.tile(x, (plan.rounds, *[1] * (x.ndim - 1))), state.obs)
        rewards = jax.random.normal(keys[1], (plan.stride,))
        transitions = blank._replace(
            obs=seen, next_obs=seen, reward=rewards, discount=jnp.full(plan.stride, hypers.gamma)
        )

        def fill(memory: PyTree, _: None) -> tuple[PyTree, None]:
            return replay.add(memory, transitions, hypers), None

        memory = jax.lax.scan(fill, state.replay, None, length=-(-capacity // plan.stride))[0]
        played = jax.random.randint(
            keys[2], (length, plan.sessions, *one.action.shape), 0, env.spec.actions
        )
        sessions = (plan.sessions,)
        outcome = TimeStep(
            (),
            jnp.zeros(sessions),
            jnp.zeros(sessions, bool),
            jnp.zeros(sessions, bool),
            state.obs,
            jnp.zeros(sessions),
            {},
        )
        return Desk(
            world=world,
            train=state._replace(replay=memory),
            outcome=outcome,
            action=played[0],
            sample=replay.sample(memory, keys[3], hypers),
            td_error=jax.random.normal(keys[5], (batch,)),
            transitions=transitions,
            played=played,
            slots=jnp.sort(jax.random.randint(keys[4], (length, batch), 0, capacity)),
        )

    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(train.seed), i))(
        jnp.arange(train.seeds)
    )
    everywhere = NamedSharding(sharding.mesh, PartitionSpec())
    hypers, clock = jax.device_put((hypers_of(config), clock_at(plan, 0)), everywhere)
    arguments = (jax.device_put(keys, sharding), jax.device_put(worlds, sharding), hypers)
    started = jax.vmap(start, in_axes=(0, 0, None))
    desk = jax.eval_shape(started, *arguments)
    stages = make_stages(env, agent, replay, trainer, plan, batch, length)
    if config.replay.name == "uniform":
        stages = [
            stage for stage in stages if stage.name != PRIORITIES
        ]  # the identity: nothing to time
    return Bench(plan, stages, started, arguments, (hypers, clock), sharding, tree_bytes(desk))


def sharding_of(seeds: int, limit: int | None) -> NamedSharding:
    """Seeds over as many devices as divide them (``limit`` at most), as a run lays them out."""
    devices = jax.devices()[:limit]
    count = max(d for d in range(1, len(devices) + 1) if seeds % d == 0)
    mesh = jax.make_mesh((count,), ("seed",), axis_types=(AxisType.Auto,), devices=devices[:count])
    return NamedSharding(mesh, PartitionSpec("seed"))


def hypers_of(config: TrainRun) -> Hypers:
    """Float hyper-parameters of the one learner per seed."""
    return jax.tree.map(lambda x: x[0], build.build_hypers(config, [{}]))
