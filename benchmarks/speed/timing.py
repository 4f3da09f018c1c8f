"""Compile the stages of a bench and time them in interleaved rounds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from compiler import Kernels, cost_per_iteration, kernels_of_loop, memory_per_device
from programs import Bench, Desk, Stage

from lrdqn.train.memory import tree_bytes

MOST_CALLS = 1000


class Compiled(NamedTuple):
    """A stage's program and what the compiler says of it."""

    stage: Stage
    call: Callable[..., tuple[Any, Any]]
    compile_seconds: float
    """Seconds of tracing, lowering and compiling."""
    kernels: Kernels | None
    cost: dict[str, float]
    requested_flops: float | None
    memory: dict[str, int]
    alias_share: float | None
    """Donated bytes that an output was written over, as a share."""


def compile_stage(stage: Stage, desk: Desk, bench: Bench, length: int) -> Compiled:
    """Compile one stage for the shapes and devices of ``desk``."""
    carry, own = stage.take(desk)
    program = jax.jit(
        jax.vmap(stage.program, in_axes=(0, 0, None)),
        donate_argnums=0,
        out_shardings=(bench.sharding, bench.sharding),
    )
    began = time.perf_counter()
    lowered = program.lower(carry, own, bench.shared)
    compiled = lowered.compile()
    seconds, devices = time.perf_counter() - began, bench.sharding.num_devices
    memory = memory_per_device(compiled)
    return Compiled(
        stage=stage,
        call=compiled,
        compile_seconds=seconds,
        kernels=kernels_of_loop(compiled.as_text() or "", length),
        cost=cost_per_iteration(compiled.cost_analysis(), length, devices),
        requested_flops=cost_per_iteration(lowered.cost_analysis(), length, 1).get("flops"),
        memory=memory,
        alias_share=memory["aliased"] * devices / tree_bytes(carry) if memory else None,
    )


def start(bench: Bench) -> Desk:
    """Fill the desk."""
    return jax.jit(bench.start, out_shardings=bench.sharding)(*bench.arguments)


def run(program: Compiled, desk: Desk, bench: Bench, calls: int) -> tuple[Desk, float]:
    """Call a program ``calls`` times, each on what the last one left; return the desk and the
    seconds.

    Calls are sent off one behind the other, so that the device does not wait for the host between
    them.
    """
    carry, own = jax.block_until_ready(program.stage.take(desk))
    began = time.perf_counter()
    for _ in range(calls):
        carry, _ = program.call(carry, own, bench.shared)
    jax.block_until_ready(carry)
    return program.stage.put(desk, carry), time.perf_counter() - began


def time_rounds(
    programs: list[Compiled], desk: Desk, bench: Bench, rounds: int, least: float, length: int
) -> dict[str, list[float]]:
    """Return seconds per iteration of every stage, one number per round; all stages have their turn
    in each round.

    Nothing may move between host and devices meanwhile. Two calls of each come before: one that is
    not timed, whole iterations first, so that sessions of all ages are present; and one that tells
    how many calls of the program last ``least`` seconds.
    """
    calls: dict[str, int] = {}
    times: dict[str, list[float]] = {program.stage.name: [] for program in programs}
    with jax.transfer_guard("disallow"):
        for program in reversed(programs):
            desk, _ = run(program, desk, bench, 1)
            desk, seconds = run(program, desk, bench, 1)
            calls[program.stage.name] = min(max(1, math.ceil(least / seconds)), MOST_CALLS)
        for _ in range(rounds):
            for program in programs:
                name = program.stage.name
                desk, seconds = run(program, desk, bench, calls[name])
                times[name].append(seconds / (calls[name] * length))
    return times
