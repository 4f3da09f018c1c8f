"""Keys of ``env=gymnasium``."""

from __future__ import annotations

from dataclasses import dataclass

from lrdqn.config.env import EnvConfig
from lrdqn.config.fields import choice_field, int_field, plain_field


@dataclass
class GymnasiumConfig(EnvConfig):
    """Any environment of Gymnasium with numbered actions, stepped outside the compiled program and
    on one device."""

    kind: str = choice_field("gymnasium", ("gymnasium",), "environment")
    name: str = plain_field(
        "CartPole-v1",
        (
            "name in Gymnasium's registry; highway-env needs the extra `driving`, other packages "
            "register theirs through an entry point of the group `lrdqn.gymnasium_envs`"
        ),
    )
    horizon: int | None = int_field(
        None, 1, "steps after which a session is cut; null takes the environment's own"
    )
    vectorization: str = choice_field(
        "sync",
        ("sync", "async"),
        "all sessions in this process, or each in one of its own (pays where a step is slow)",
    )
    idle: int | None = int_field(
        None, 0, "action of a further baseline, `idle`, that always takes it; null leaves it out"
    )
