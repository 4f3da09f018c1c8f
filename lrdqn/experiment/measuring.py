"""The live world measured: logs of named policies on several worlds, and their figures next to the published ones."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from lrdqn import build
from lrdqn.baselines import make_random, make_reference
from lrdqn.config import CalibrateRun
from lrdqn.evaluate import calibration as cal


def measure_world(config: CalibrateRun) -> list[cal.Row]:
    """Every target of the calibration with its simulated figure: pooled over worlds, with an interval over them."""
    env = build.build_env(config.env, config.sessions)
    worlds, law = build.build_worlds(config.env, config.seed, config.worlds), config.env.schedule
    record = {
        name: jax.jit(cal.make_log(env, policy))
        for name, policy in {"reference": make_reference(), "random": make_random(env.spec)}.items()
    }
    schedules: list[dict[str, float]] = []
    logs: dict[str, list[dict[str, Any]]] = {name: [] for name in record}
    for i in range(config.worlds):
        world = jax.tree.map(lambda x, i=i: x[i], worlds)
        start, count = np.asarray(world.schedule.start), np.asarray(world.schedule.count)
        streamers = len(start) - 1
        schedules.append(
            cal.schedule_statistics(start, count, int(world.schedule.bin_seconds), law.days, streamers)
            | cal.popularity_statistics(np.asarray(world.streamers.popularity)[:streamers])
        )
        for j, name in enumerate(record):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(config.seed), i), j)
            logs[name].append(jax.device_get(record[name]((), world, key)))

    def figures(chosen: slice) -> dict[str, float]:
        of = {
            name: cal.log_statistics({k: np.concatenate([log[k] for log in parts[chosen]], axis=1) for k in parts[0]})
            for name, parts in logs.items()
        }
        pooled = {k: float(np.mean([s[k] for s in schedules[chosen]])) for k in schedules[0]}
        clicks = "click per impression"
        return pooled | of["reference"] | {f"{clicks}, random": of["random"][f"{clicks}, reference"]}

    each = [figures(slice(i, i + 1)) for i in range(config.worlds)]
    return cal.compare(figures(slice(None)), each)
