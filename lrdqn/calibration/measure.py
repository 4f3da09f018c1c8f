"""The live world measured: logs of named policies on several worlds, and their figures next to the
published ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from lrdqn import build
from lrdqn.baselines import make_random, make_reference
from lrdqn.calibration import targets as cal
from lrdqn.calibration.three_weeks import Tallies, tally, window_statistics
from lrdqn.compose.roots import CalibrateRun
from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.worlds import make_population

WINDOW_STREAM = 2
"""What a window's key is folded with; 0 and 1 are the logs of the two policies."""


def measure_world(config: CalibrateRun) -> list[cal.Row]:
    """Every target of the calibration with its simulated figure: pooled over worlds, with an
    interval over them."""
    env = build.build_env(config.env, config.sessions)
    worlds, law = build.build_worlds(config.env, config.seed, config.worlds), config.env.schedule
    record = {
        name: jax.jit(cal.make_log(env, policy))
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
            cal.schedule_statistics(start, count, int(world.schedule.bin_seconds), law.days, debut)
        )
        for j, name in enumerate(record):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(config.seed), i), j)
            logs[name].append(jax.device_get(record[name]((), world, key)))
    windows = watch_windows(config)

    def figures(chosen: slice) -> dict[str, float]:
        of = {
            name: cal.log_statistics(
                {k: np.concatenate([log[k] for log in parts[chosen]], axis=1) for k in parts[0]}
            )
            for name, parts in logs.items()
        }
        pooled = {k: float(np.mean([s[k] for s in schedules[chosen]])) for k in schedules[0]}
        clicks = "click per impression"
        rare = {f"{clicks}, random": of["random"][f"{clicks}, reference"]}
        return pooled | of["reference"] | rare | window_statistics(windows[chosen])

    each = [figures(slice(i, i + 1)) for i in range(config.worlds)]
    return cal.compare(figures(slice(None)), each)


def watch_windows(config: CalibrateRun) -> list[Tallies]:
    """Three weeks of every world under the reference policy; a population that is given keeps its
    own sizes."""
    schedule = dataclasses.replace(
        config.env.schedule, days=max(config.window.days, config.env.schedule.days)
    )
    live = dataclasses.replace(config.env, schedule=schedule)
    if live.population is None:
        live = dataclasses.replace(
            live, streamers=config.window.streamers, users=config.window.users
        )
    env = build.build_env(live, config.window.sessions)
    log = jax.jit(cal.make_log(env, make_reference()))
    return [watch_window(live, config.seed, i, log) for i in range(config.worlds)]


def watch_window(live: LiveConfig, seed: int, index: int, log: Callable[..., Any]) -> Tallies:
    """One of them."""
    # worlds of different widths compile anew, and one at a time is all that has to fit
    world = jax.tree.map(lambda x: x[0], build.build_worlds(live, seed + index, 1))
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), index), WINDOW_STREAM)
    found = jax.device_get(log((), world, key))
    return tally(found, len(world.users.wealth), len(world.streamers.popularity) - 1)
