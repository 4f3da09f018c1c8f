"""Keys of ``env=gymnax``."""

from __future__ import annotations

from dataclasses import dataclass

from lrdqn.config.env import EnvConfig
from lrdqn.config.fields import choice_field, int_field, plain_field


@dataclass
class GymnaxConfig(EnvConfig):
    """One of gymnax's environments: classic control, MinAtar, bsuite, misc."""

    kind: str = choice_field("gymnax", ("gymnax",), "environment")
    name: str = plain_field("CartPole-v1", "name in gymnax")
    size: int | None = int_field(
        None, 2, "side of the grid of DeepSea-bsuite; null takes gymnax's 8"
    )
    horizon: int | None = int_field(
        None, 1, "steps after which a session is cut; null takes the environment's own"
    )
    store: str = choice_field(
        "float32",
        ("float32", "uint8", "bool"),
        "type of stored observations; bool holds MinAtar's in a quarter of the bytes",
    )
