"""Gymnasium's environments as a plug."""

from __future__ import annotations

from typing import Any

from lrdqn.config.family import EnvFamily, Offers
from lrdqn.envs.gymnasium.config import GymnasiumConfig


def make(config: GymnasiumConfig, sessions: int) -> Any:
    """Return the environment, which is stepped outside jit."""
    from lrdqn.envs.gymnasium.env import make_gymnasium

    return make_gymnasium(config, sessions)


def offers(config: GymnasiumConfig) -> Offers:
    """Return what any of them offers; which kind of observation is known once it is made."""
    return Offers(
        ("vector", "one_hot"),
        lacks={
            "network": "env=gymnasium has a fixed set of actions and no candidates to score",
            "compiled": "is stepped outside the compiled program",
        },
    )


def baselines(config: GymnasiumConfig, env: Any) -> dict[str, Any]:
    """Return a random policy and, where ``env.idle`` names an action, one that always takes it."""
    from lrdqn import baselines

    found = {"random": baselines.make_random(env.spec)}
    if config.idle is not None:
        found["idle"] = baselines.make_constant(env.spec, config.idle)
    return found


FAMILY = EnvFamily(GymnasiumConfig, make, offers=offers, baselines=baselines)
