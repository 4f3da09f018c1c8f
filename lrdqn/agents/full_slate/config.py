"""Keys of ``agent=full_slate``."""

from __future__ import annotations

from dataclasses import dataclass

from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.config.fields import choice_field


@dataclass
class FullSlateConfig(DQNConfig):
    """Full-slate Q-learning on the update of the DQN family."""

    name: str = choice_field("full_slate", ("full_slate",), "agent")
