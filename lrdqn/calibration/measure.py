"""Measurement of the live world: metrics of logged policies on several worlds beside their
targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from lrdqn import build
from lrdqn.baselines import make_random, make_reference
from lrdqn.calibration.targets import Row, compare
from lrdqn.calibration.window_metrics import Tallies, tally, window_statistics
from lrdqn.calibration.world_metrics import log_statistics, make_log, schedule_statistics
from lrdqn.compose.roots import CalibrateRun
from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.worlds import make_population

WINDOW_STREAM = 2
"""Folded into a world's key for its window; 0 and 1 are the logs of the two policies."""


def measure_world(config: CalibrateRun) -> list[Row]:
    """Return every target with the simulated metric, pooled over worlds, and its interval over
    worlds."""
    env = build.build_env(config.env, config.sessions)
    worlds, law = build.build_worlds(config.env, config.seed, config.worlds), config.env.schedule
    record = {
        name: jax.jit(make_log(env, policy))
        for name, policy in {"reference": make_reference(), "random": make_random(env.spec)}.items()
    }
    schedules: list[dict[str, float]] = []
    logs: dict[str, list[dict[str, Any]]] = {name: [] for name in record}
    for i in range(config.worlds):
        world, debut = (
            jax.tree.map(lambda x, i=i: x[i], worlds),
            make_population(config.env, config.seed, i).debut,
        )
        start, count = np.asarray(world.schedule.start), np.asarray(world.schedule.count)
        schedules.append(
            schedule_statistics(start, count, int(world.schedule.bin_seconds), law.days, debut)
        )
        for j, name in enumerate(record):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(config.seed), i), j)
            logs[name].append(jax.device_get(record[name]((), world, key)))
    windows = simulate_windows(config)

    def metrics_of(chosen: slice) -> dict[str, float]:
        of = {
            name: log_statistics(
                {k: np.concatenate([log[k] for log in parts[chosen]], axis=1) for k in parts[0]}
            )
            for name, parts in logs.items()
        }
        pooled = {k: float(np.mean([s[k] for s in schedules[chosen]])) for k in schedules[0]}
        clicks = "click per impression"
        of_random = {f"{clicks}, random": of["random"][f"{clicks}, reference"]}
        return pooled | of["reference"] | of_random | window_statistics(windows[chosen])

    by_world = [metrics_of(slice(i, i + 1)) for i in range(config.worlds)]
    return compare(metrics_of(slice(None)), by_world)


def simulate_windows(config: CalibrateRun) -> list[Tallies]:
    """Log a window of every world under the reference policy and return its totals.

    A window has its own numbers of streamers and users, unless a population is given.
    """
    schedule = dataclasses.replace(
        config.env.schedule, days=max(config.window.days, config.env.schedule.days)
    )
    live = dataclasses.replace(config.env, schedule=schedule)
    if live.population is None:
        live = dataclasses.replace(
            live, streamers=config.window.streamers, users=config.window.users
        )
    env = build.build_env(live, config.window.sessions)
    log = jax.jit(make_log(env, make_reference()))
    return [_simulate_window(live, config.seed, i, log) for i in range(config.worlds)]


def _simulate_window(live: LiveConfig, seed: int, index: int, log: Callable[..., Any]) -> Tallies:
    # Worlds of different widths compile anew anyway, and one at a time is all that has to fit in
    # memory.
    world = jax.tree.map(lambda x: x[0], build.build_worlds(live, seed + index, 1))
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), index), WINDOW_STREAM)
    found = jax.device_get(log((), world, key))
    return tally(found, len(world.users.wealth), len(world.streamers.popularity) - 1)
