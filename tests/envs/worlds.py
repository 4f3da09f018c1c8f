"""Small live worlds for tests."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import CalibrateRun
from lrdqn.envs.live import env as live_env
from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.population import sample_population
from lrdqn.envs.live.world import LiveParams, make_world
from lrdqn.types import Env


def live_config(**changes: Any) -> LiveConfig:
    small = {"streamers": 300, "users": 200, "candidates": 8, "familiar": 2, "history": 6} | changes
    values = dataclasses.asdict(
        LiveConfig(**{k: v for k, v in small.items() if not isinstance(v, dict)})
    )
    for group, inner in small.items():
        if isinstance(inner, dict):
            values[group] |= inner
    root = dataclasses.asdict(CalibrateRun(env=values))
    return freeze(CalibrateRun, root).env


def small_world(config: LiveConfig, seed: int = 0) -> LiveParams:
    rng = np.random.default_rng(seed)
    return jax.tree.map(jnp.asarray, make_world(config, sample_population(config, rng), rng))


def make_live(config: LiveConfig, sessions: int) -> Env:
    """Return the live environment with ``reset`` and ``step`` compiled as a whole: called as they
    are, each of their hundreds of operations would be compiled by itself."""
    env = live_env.make_live(config, sessions)
    return env._replace(reset=jax.jit(env.reset), step=jax.jit(env.step))
