"""Garnet processes as a plug."""

from __future__ import annotations

from typing import Any

from lrdqn.config import ConfigError
from lrdqn.config.family import EnvFamily, Offers
from lrdqn.envs.garnet.config import GarnetConfig


def make(config: GarnetConfig, sessions: int) -> Any:
    """Return the environment."""
    from lrdqn.envs.garnet.env import make_garnet

    return make_garnet(config, sessions)


def world(config: GarnetConfig, rng: Any) -> Any:
    """Return one seed's process."""
    from lrdqn.envs.garnet.env import make_garnet_world

    return make_garnet_world(config, rng)


def offers(config: GarnetConfig) -> Offers:
    """Return what a process offers, its transition probabilities among it."""
    why = "env=garnet has numbered states and a fixed set of actions"
    return Offers(("one_hot",), model=True, lacks={"network": why})


def check(config: GarnetConfig) -> None:
    """Raise unless there are as many states as can follow one."""
    if config.branching > config.states:
        allowed = f"must not exceed env.states={config.states}"
        raise ConfigError("env.branching", config.branching, allowed)


FAMILY = EnvFamily(GarnetConfig, make, world, offers=offers, check=check)
