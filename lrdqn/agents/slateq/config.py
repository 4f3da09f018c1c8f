"""Keys of ``agent=slateq``."""

from __future__ import annotations

from dataclasses import dataclass, field

from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.config.fields import choice_field, plain_field

OPTIMISERS = ("topk", "greedy", "exact")


@dataclass
class SlateConfig:
    """Decomposition and assembly of slates."""

    fill: str = choice_field("greedy", OPTIMISERS, "how slates are made from item values")
    target_fill: str = choice_field(
        "same",
        ("same", *OPTIMISERS),
        "how the slates of the target are made (target=max or double)",
    )
    null_value: bool = plain_field(
        True,
        "learn what follows when nothing is taken; false counts it as 0, as RecSim's release does",
    )
    choice: str = choice_field(
        "auto",
        ("auto", "told", "logit"),
        "weights of users' choices: the environment's own, or a learned conditional logit",
    )


@dataclass
class SlateQConfig(DQNConfig):
    """SlateQ on the update of the DQN family."""

    name: str = choice_field("slateq", ("slateq",), "agent")
    target: str = choice_field(
        "double",
        ("max", "double", "sarsa"),
        "target rule; sarsa bootstraps from the slate shown next",
    )
    slate: SlateConfig = field(default_factory=SlateConfig)
