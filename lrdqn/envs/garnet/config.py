"""Keys of ``env=garnet``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lrdqn.config.env import EnvConfig
from lrdqn.config.fields import choice_field, float_field, int_field


@dataclass
class GarnetConfig(EnvConfig):
    """Keys of random Markov decision processes with numbered states, whose exact values planning
    gives."""

    kind: str = choice_field("garnet", ("garnet",), "environment")
    states: int = int_field(20, 1, "states")
    actions: int = int_field(4, 1, "actions")
    branching: int = int_field(3, 1, "states that can follow a state and an action")
    noise: float = float_field(
        0.1, 0.0, math.inf, "standard deviation of the reward around its mean, which lies in [0, 1]"
    )
    horizon: int = int_field(
        100, 1, "steps after which a session is truncated; the learner bootstraps there"
    )
    world_seed: int | None = int_field(
        None, 0, "one process for all seeds; null gives each seed its own", 2**31 - 1
    )
