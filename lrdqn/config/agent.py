"""Keys that every agent has (``agent.*``)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from omegaconf import MISSING

from lrdqn.config.fields import float_field, int_field


@dataclass
class AgentConfig:
    """Base of all agents. Periods are in env steps per seed."""

    name: str = MISSING
    gamma: float = float_field(0.9, 0.0, 1.0, "discount of one decision")
    n_steps: int = int_field(
        1, 1, "rewards summed before bootstrapping, cut at the end of a session", 1000
    )
    learning_rate: float = float_field(2e-3, 0.0, 10.0, "step size of the optimiser", open_low=True)
    learning_rate_decay: float = float_field(
        0.0,
        0.0,
        1.0,
        "share of learning_rate that is lost linearly by the end of the run; 0 keeps it constant",
    )
    epsilon: float = float_field(
        1.0, 0.0, 1.0, "epsilon of epsilon-greedy exploration at the first learning step"
    )
    epsilon_end: float = float_field(0.05, 0.0, 1.0, "epsilon from epsilon_steps on")
    epsilon_steps: int = int_field(40_960, 1, "env steps over which epsilon falls linearly")
    reward_scale: float = float_field(
        0.1,
        0.0,
        math.inf,
        "factor on rewards before the learner receives them",
        open_low=True,
    )
