"""Modes of ``debug=``: slower ways to execute a chunk that find mistakes. The training program does
not depend on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import checkify

from lrdqn.config import InputError
from lrdqn.runner.compile import over_learners
from lrdqn.runner.devices import to_host
from lrdqn.train import Clock, Plan, Trainer, TrainState, reduce_metrics
from lrdqn.types import Hypers, PyTree

Play = Callable[[TrainState, int], tuple[TrainState, dict[str, jax.Array]]]
"""``play(state, number of the chunk) -> state, metrics``"""

PROFILE = "profile"


def plan_for(plan: Plan, mode: str) -> Plan:
    """Return the plan to compile: ``debug=nan`` executes single iterations, so that it can name the
    first one with a value that is not finite."""
    if mode != "nan":
        return plan
    return plan._replace(
        iterations_per_block=1,
        blocks_per_chunk=1,
        blocks_per_sync=plan.iterations_per_block * plan.blocks_per_sync,
    )


def checked(trainer: Trainer) -> Trainer:
    """Return the trainer for
    ``debug=checkify``: it checks every index, and every operation for NaN; the chunk returns
    ``(error, result)``.

    Divisions are not checked, as clipping divides by a norm that may be 0 and drops the result. The
    checks are inside the axes of seeds and learners, so an error names both; outside these axes jax
    cannot check the scatters into replay.
    """
    return trainer._replace(
        chunk=checkify.checkify(trainer.chunk, errors=checkify.index_checks | checkify.nan_checks)
    )


def played(
    chunk: Callable[..., Any], worlds: PyTree, hypers: Hypers, clock: Callable[[int], Clock]
) -> Play:
    """Return ``play`` for a chunk without checks."""
    return lambda state, number: chunk(state, worlds, hypers, clock(number))


def stop_at_errors(play: Callable[..., Any]) -> Play:
    """Return ``play`` for a ``checked`` chunk; it raises ``InputError`` with the first error."""

    def one(state: TrainState, number: int) -> tuple[TrainState, dict[str, jax.Array]]:
        error, result = play(state, number)
        found = first_line(error)
        if found:
            raise InputError(f"debug=checkify: chunk {number}: {found}")
        return result

    return one


def traced(play: Play, folder: Path, number: int) -> Play:
    """Return ``play`` for ``debug=profile``: it writes a trace of chunk
    ``number`` to ``folder/profile``, for ui.perfetto.dev or xprof."""

    def one(state: TrainState, chunk: int) -> tuple[TrainState, dict[str, jax.Array]]:
        if chunk != number:
            return play(state, chunk)
        with jax.profiler.trace(str(folder / PROFILE), create_perfetto_trace=True):
            return jax.block_until_ready(play(state, chunk))

    return one


def stop_at_nonfinite(
    play: Play, plan: Plan, names: list[str], source: Callable[[TrainState, int], str | None]
) -> Play:
    """Return ``play`` for ``debug=nan``: it executes a chunk as single iterations and stops at the
    first value that is not finite.

    Args:
        play: executes one iteration, by its number in the run; must not donate the buffers of its
            state.
        plan: of the chunk.
        names: of the learners on the grid axis.
        source: returns the line of code, from the state before the iteration and its number.

    Raises:
        InputError: a value is not finite; the line names the quantity, seed, learner and env steps.
    """
    iterations = plan.iterations_per_block * plan.blocks_per_chunk
    count = jax.jit(count_nonfinite)

    def one(state: TrainState, number: int) -> tuple[TrainState, dict[str, jax.Array]]:
        rows: list[dict[str, np.ndarray]] = []
        # what warm-up counted belongs to no iteration
        state = state._replace(nonfinite=jax.tree.map(jax.numpy.zeros_like, state.nonfinite))
        for i in range(number * iterations, (number + 1) * iterations):
            after, metrics = play(state, i)
            for what, bad in to_host(count(after, metrics)).items():
                if bad.any():
                    seed, g = (int(x) for x in np.argwhere(bad)[0])
                    line = source(state, i)
                    raise InputError(
                        (
                            f"debug=nan: first value that is not finite: {what} "
                            f"({int(bad[seed, g])}), seed {seed}, learner "
                            f"{names[g]}, between env steps {i * plan.stride:,} "
                            f"and {(i + 1) * plan.stride:,}"
                        )
                        + (f"; {line}" if line else "")
                    )
            rows.append(to_host(metrics))
            state = after
        return state, reduce_metrics(
            {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        )

    return one


def count_nonfinite(state: TrainState, metrics: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Return the numbers ``[seeds, grid]`` of values that are not finite, by quantity, in the order
    in which an iteration computes them."""
    found = {"environment state": state.env, "observation": state.obs}
    return {
        **{name: _count(tree) for name, tree in found.items()},
        "reward": metrics["nonfinite_rewards"],
        "TD error or gradient": metrics["nonfinite"],
        "parameters or optimiser": _count(state.agent),
    }


def _count(tree: PyTree) -> jax.Array:
    floats = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.inexact)]
    return sum(
        (jnp.sum(~jnp.isfinite(x), axis=range(2, x.ndim)) for x in floats), start=jnp.int32(0)
    ) + jnp.zeros((1, 1), int)


def find_source(
    trainer: Trainer, worlds: PyTree, hypers: Hypers, clock: Callable[[int], Clock]
) -> Callable[[TrainState, int], str | None]:
    """Return a function that repeats one iteration with a check behind every operation, and returns
    the line of code that first made a NaN."""
    chunk = over_learners(
        trainer._replace(chunk=checkify.checkify(trainer.chunk, errors=checkify.nan_checks))
    )[1]

    def source(state: TrainState, number: int) -> str | None:
        error, _ = jax.jit(chunk)(state, worlds, hypers, clock(number))
        return first_line(error)

    return source


def first_line(error: Any) -> str | None:
    """Return the error that a check found, without the advice that follows it; ``None`` where it
    found none."""
    found = error.get()
    return found.strip().partition("\n")[0] if found else None
