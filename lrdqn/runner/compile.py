"""Compiled programs of a run: start (initialise, fill replay), chunk (train), evaluate. Each is
compiled once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding

from lrdqn.evaluation.cohort import Outcome, make_cohort
from lrdqn.train import Clock, Trainer, TrainState
from lrdqn.types import Agent, Env, Hypers, Policy, PyTree

Chunk = Callable[[TrainState, PyTree, Hypers, Clock], tuple[TrainState, dict[str, jax.Array]]]


class Programs(NamedTuple):
    """Compiled programs with leading axes ``[seeds]`` (and ``[grid]`` inside)."""

    start: Callable[..., TrainState]
    chunk: Chunk
    evaluate: Callable[..., Outcome]
    rejoin: Callable[[TrainState, jax.Array, PyTree, Hypers], TrainState] | None = None
    """``rejoin(state, keys, worlds, hypers)``, where sessions run outside the program: give a
    loaded state fresh sessions."""


class ProgramShapes(NamedTuple):
    """Arguments of the programs as shapes with shardings: enough to compile, without computing
    anything."""

    keys: PyTree
    worlds: PyTree
    hypers: PyTree
    clock: PyTree
    state: TrainState


def over_learners(
    trainer: Trainer, apart: bool = False
) -> tuple[Callable[..., TrainState], Callable[..., Any]]:
    """Return ``start`` and ``chunk`` for all seeds and all points of the grid; each seed has its
    own world, and all share one clock.

    Args:
        trainer: of one learner.
        apart: whether every learner resets sessions of its own. Otherwise the learners of a seed
            share one reset, and have equal sessions until their actions differ.
    """

    def start_one(key: jax.Array, world: PyTree, hypers: Hypers) -> TrainState:
        return trainer.warmup(trainer.init(key, world, hypers), world, hypers)

    def start_seed(key: jax.Array, world: PyTree, hypers: Hypers) -> TrainState:
        keys = jnp.broadcast_to(key, hypers.gamma.shape) if apart else key
        return jax.vmap(start_one, in_axes=(0 if apart else None, None, 0))(keys, world, hypers)

    start = jax.vmap(start_seed, in_axes=(0, 0, None))
    chunk = jax.vmap(
        jax.vmap(trainer.chunk, in_axes=(0, None, 0, None)), in_axes=(0, 0, None, None)
    )
    return start, chunk


def rejoin_over_learners(trainer: Trainer) -> Callable[..., TrainState]:
    """Return ``rejoin(state, keys, worlds, hypers)`` for all seeds and all points of the grid."""

    def rejoin_seed(state: TrainState, key: jax.Array, world: PyTree, hypers: Hypers) -> TrainState:
        keys = jnp.broadcast_to(key, hypers.gamma.shape)
        return jax.vmap(trainer.rejoin, in_axes=(0, 0, None, 0))(state, keys, world, hypers)

    return jax.vmap(rejoin_seed, in_axes=(0, 0, 0, None))


def evaluator(
    env: Env, learned: Policy, learners: int, baselines: dict[str, Policy]
) -> Callable[..., Outcome]:
    """Return ``f(params [seeds, grid], worlds, keys) -> Outcome [seeds, P, N]``; the P policies are
    the learners, then the baselines."""
    cohort = make_cohort(
        env, ((learned, learners), *((policy, 1) for policy in baselines.values()))
    )

    def one_seed(params: PyTree, world: PyTree, key: jax.Array) -> Outcome:
        return cohort((params, *(None for _ in baselines)), world, key)

    return jax.vmap(one_seed)


def with_sharding(tree: PyTree, sharding: NamedSharding) -> PyTree:
    """Return the shapes of ``tree`` with a sharding."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


def run_once() -> dict[str, Any]:
    """Return compiler options for a program that runs once, for about a second: compilation takes
    half as long without the optimiser (CPU only)."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else {}


def compile_programs(
    start: Callable[..., Any],
    chunk: Callable[..., Any],
    evaluate: Callable[..., Any],
    agent: Agent,
    shapes: ProgramShapes,
    donate: bool = True,
) -> Programs:
    """Compile the three programs side by side.
    ``chunk`` donates the buffers of its state unless ``donate`` is off."""
    sharding = jax.tree.leaves(shapes.state)[0].sharding
    params = agent.policy_params(shapes.state.agent)
    # XLA compiles outside the interpreter lock, so the longest program compiles while the others
    # are still being traced.
    with ThreadPoolExecutor(2) as pool:
        lowered = jax.jit(chunk, donate_argnums=0 if donate else (), out_shardings=sharding)
        lowered = lowered.lower(shapes.state, shapes.worlds, shapes.hypers, shapes.clock)
        chunk_c = pool.submit(lowered.compile)
        lowered = jax.jit(evaluate, out_shardings=sharding).lower(
            params, shapes.worlds, shapes.keys
        )
        evaluate_c = pool.submit(lowered.compile)
        lowered = jax.jit(start, out_shardings=sharding).lower(
            shapes.keys, shapes.worlds, shapes.hypers
        )
        start_c = pool.submit(lowered.compile, run_once())
        return Programs(start_c.result(), chunk_c.result(), evaluate_c.result())
