"""Keys of the probes (``env=probe``)."""

from __future__ import annotations

from dataclasses import dataclass

from lrdqn.config.env import EnvConfig
from lrdqn.config.fields import choice_field


@dataclass
class ProbeConfig(EnvConfig):
    """Keys of tiny environments, each of which fails for one reason (value, observation, discount,
    action, truncation)."""

    kind: str = choice_field("probe", ("probe",), "environment")
    probe: str = choice_field(
        "action",
        ("value", "observation", "discount", "action", "observation_action", "truncation"),
        "which probe",
    )
