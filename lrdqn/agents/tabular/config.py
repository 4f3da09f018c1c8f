"""Keys of the tabular agents."""

from __future__ import annotations

from dataclasses import dataclass

from lrdqn.config.agent import AgentConfig
from lrdqn.config.fields import choice_field, float_field


@dataclass
class TabularConfig(AgentConfig):
    """Q-learning, double Q-learning and value iteration."""

    name: str = choice_field(
        "q_learning", ("q_learning", "double_q_learning", "value_iteration"), "agent"
    )
    step_decay: float = float_field(
        0.0, 0.0, 1.0, "the step size is learning_rate x visits^-step_decay"
    )
