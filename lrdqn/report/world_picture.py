"""Data for the pictures of a live world: its schedule by the hour of the week, and a log of the
reference policy."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from lrdqn import build
from lrdqn.baselines import make_reference
from lrdqn.calibration.world_metrics import make_log
from lrdqn.envs.live.config import LiveConfig
from lrdqn.report.world_plots import WorldPicture

HOURS = 7 * 24


def picture_world(config: LiveConfig, seed: int, sessions: int) -> WorldPicture:
    """Log ``sessions`` sessions of the reference policy on the first world of ``seed``."""
    world = jax.tree.map(lambda x: x[0], build.build_worlds(config, seed, 1))
    log = jax.jit(make_log(build.build_env(config, sessions), make_reference()))(
        (), world, jax.random.key(seed)
    )
    category = np.asarray(world.catalogue.category).argmax(axis=1)
    return WorldPicture(
        rooms=rooms_by_hour(np.asarray(world.schedule.count), int(world.schedule.bin_seconds)),
        category=category,
        users=len(world.users.interest),
        log={name: np.asarray(x) for name, x in log.items()},
        reference="reference policy",
    )


def rooms_by_hour(count: Any, bin_seconds: int) -> np.ndarray:
    """Return the mean number of rooms on air in each hour of the week, ``[168]``, without the first
    day, on which the world fills."""
    hours = np.arange(len(count)) * bin_seconds // 3600
    settled = hours >= 24
    of_week = hours[settled] % HOURS
    return np.bincount(of_week, count[settled], minlength=HOURS) / np.maximum(
        np.bincount(of_week, minlength=HOURS), 1
    )
