"""Timings of the stages of training, one by one, and the compiler's account of them; on whatever
devices jax finds.

    python benchmarks/speed/stages.py [--sessions N ...] [--seeds N ...] [--capacity N ...]
    [KEY=VALUE ...]

World step, act, replay add, replay sample, gradient update, priority update, and the whole
iteration that they make up, each compiled as a program of its own: a scan over that stage alone,
vmapped over seeds, its state donated. One axis is varied at a time around a base point. KEY=VALUE
arguments are those of `lrdqn train` (agent=dqn replay=uniform env.streamers=200).

Writes benchmarks/results/NAME.json and .md, anew after each point. How kernels, FLOPs and bytes are
counted: compiler.py.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import rows  # pyright: ignore[reportMissingImports]
from points import Point, config_at, sweep

from lrdqn.cli.runtime import prepare
from lrdqn.compose.roots import TrainRun
from lrdqn.config import InputError

LEAST_ROUNDS = 5
SESSIONS, SEEDS, CAPACITY = [256, 1024, 4096, 16_384], [1, 4, 16], [16_384, 131_072, 1_048_576]
STATE_SHARE = 0.6
"""Share of available memory; the rest is for what programs need besides their state."""


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the options, and the overrides, which may stand anywhere."""
    overrides = [word for word in argv if "=" in word and not word.startswith("-")]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    axes = parser.add_argument_group("sweep")
    for axis, default, base, what in (
        ("sessions", SESSIONS, 1024, "sessions that step together, per seed"),
        ("seeds", SEEDS, 2, "learners side by side"),
        ("capacity", CAPACITY, 131_072, "transitions that replay holds, per seed"),
    ):
        axes.add_argument(
            f"--{axis}",
            type=int,
            nargs="+",
            default=default,
            metavar="N",
            help=f"{what} (%(default)s)",
        )
        axes.add_argument(
            f"--base-{axis}",
            type=int,
            default=base,
            metavar="N",
            help="the same, while another is varied (%(default)s)",
        )
    axes.add_argument(
        "--full", action="store_true", help="measure the product of all three instead"
    )
    share = f"{STATE_SHARE:.0%}".replace("%", "%%")
    axes.add_argument(
        "--memory",
        type=float,
        metavar="GIB",
        help=f"sizes with more state are skipped ({share} of what there is)",
    )
    timing = parser.add_argument_group("timing")
    timing.add_argument(
        "--iterations",
        type=int,
        metavar="K",
        default=32,
        help="iterations in one call of a program (%(default)s)",
    )
    timing.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        default=7,
        help=f"interleaved rounds, at least {LEAST_ROUNDS} (%(default)s)",
    )
    timing.add_argument(
        "--round-seconds",
        type=float,
        metavar="S",
        default=0.2,
        help="how long a stage runs per round (%(default)s)",
    )
    parser.add_argument(
        "--out", metavar="NAME", default="stages", help="name of the result files (%(default)s)"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="overrides of the training config"
    )
    given = parser.parse_args([word for word in argv if word not in overrides])
    if given.overrides:
        parser.error(f"{given.overrides[0]}: arguments are options or KEY=VALUE")
    for name, least in (("iterations", 2), ("rounds", LEAST_ROUNDS)):
        if getattr(given, name) < least:
            parser.error(f"--{name}={getattr(given, name)}: must be at least {least}")
    return given, overrides


def set_up(config: TrainRun) -> None:
    """Set jax up as for a run, but without a compilation cache, which would hide what compiling
    costs."""
    import jax

    prepare(config.runtime)
    jax.config.update("jax_enable_compilation_cache", False)


def device_name() -> str:
    """Return the devices in words."""
    import jax

    first = jax.devices()[0]
    return (
        rows.device() if first.platform == "cpu" else f"{jax.device_count()} x {first.device_kind}"
    )


def skipped(point: Point, size: int, why: str) -> list[dict[str, Any]]:
    """Return the row of a point that was not measured."""
    print(f"  skipped: {why}", flush=True)
    return [
        {
            "name": str(point),
            "metric": "skipped",
            "value": size,
            "n": 0,
            "unit": f"bytes of state; {why}",
        }
    ]


def measure(point: Point, overrides: list[str], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Compile and time one point."""
    import jax
    from compiler import multiplies_trips
    from programs import make_bench
    from tables import as_bytes, as_seconds, point_rows
    from timing import compile_stage, start, time_rounds

    from lrdqn.train.memory import free_bytes

    try:
        bench = make_bench(config_at(point, given.iterations, overrides), given.iterations)
    except InputError as error:
        return skipped(point, 0, str(error))
    devices = bench.sharding.num_devices
    free = free_bytes(None, devices)
    limit = given.memory * 2**30 if given.memory is not None else free and STATE_SHARE * free
    if limit is not None and bench.state_bytes > limit:
        return skipped(
            point,
            bench.state_bytes,
            f"{as_bytes(bench.state_bytes)} exceed the limit, {as_bytes(limit)}",
        )
    try:
        desk = start(bench)
        programs = [compile_stage(stage, desk, bench, given.iterations) for stage in bench.stages]
        times = time_rounds(
            programs, desk, bench, given.rounds, given.round_seconds, given.iterations
        )
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return skipped(point, bench.state_bytes, "the device ran out of memory")
    found = point_rows(
        point, programs, times, bench.state_bytes, devices, once=not multiplies_trips()
    )
    for row in found:
        if row["metric"] == "seconds":
            name, low, high = (
                row["name"].partition("/")[2],
                as_seconds(row["q25"]),
                as_seconds(row["q75"]),
            )
            print(f"  {name}: {as_seconds(row['value'])} [{low}, {high}]", flush=True)
    return found


def main(argv: list[str]) -> None:
    """Measure all points of a sweep and write the results.

    Raises:
        InputError: an override that does not fit the base point; at other points it is a row of the
            result.
    """
    given, overrides = parse(argv)
    base = Point(given.base_sessions, given.base_seeds, given.base_capacity)
    points = sweep(base, {axis: getattr(given, axis) for axis in Point._fields}, given.full)
    set_up(config_at(base, given.iterations, overrides))
    from tables import axis_tables

    command = shlex.join(["python", "benchmarks/speed/stages.py", *argv])
    common = {"command": command, "commit": rows.commit(), "device": device_name()}
    result: list[dict[str, Any]] = []
    for number, point in enumerate(points, 1):
        print(f"[{number}/{len(points)}] {point}", flush=True)
        began = time.perf_counter()
        found = measure(point, overrides, given)
        took = round(time.perf_counter() - began, 1)
        result += [row | common | {"seconds": took} for row in found]
        rows.write(given.out, result, axis_tables(base, result))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.stderr.write(f"stages: {error}\n")
        sys.exit(2)
