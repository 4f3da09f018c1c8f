"""Configs of RecSim's environments, and whole sessions of their policies."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from lrdqn import build
from lrdqn.compose.freeze import freeze_env
from lrdqn.envs.recsim.config import RecsimConfig
from lrdqn.envs.recsim.family import known_policies
from lrdqn.evaluation.cohort import Outcome, make_cohort


def recsim_config(**changes: Any) -> Any:
    """Return a frozen config; a dict changes the keys of a group."""
    values = dataclasses.asdict(RecsimConfig())
    for key, value in changes.items():
        values[key] = values[key] | value if isinstance(value, dict) else value
    return freeze_env(values)


def played(
    config: Any, sessions: int, policies: tuple[str, ...], seed: int = 0
) -> dict[str, Outcome]:
    """Play every policy's sessions from start to end, on common random numbers."""
    known = known_policies(config)
    groups = tuple((known[name], 1) for name in policies)
    play = jax.jit(make_cohort(build.build_env(config, sessions), groups))
    states = tuple(
        jax.tree.map(lambda x: x[None], policy.init(jax.random.key(0))) for policy, _ in groups
    )
    found = jax.tree.map(np.asarray, play(states, (), jax.random.key(seed)))
    return {name: jax.tree.map(lambda x, i=i: x[i], found) for i, name in enumerate(policies)}
