"""gymnax's environments as a plug."""

from __future__ import annotations

from typing import Any

from lrdqn.config.family import EnvFamily, Offers
from lrdqn.envs.gymnax.catalogue import GAMES, check_game, check_installed
from lrdqn.envs.gymnax.config import GymnaxConfig


def make(config: GymnaxConfig, sessions: int) -> Any:
    """Return the environment as a batch of sessions."""
    from lrdqn.envs.gymnax.env import make_gymnax

    return make_gymnax(config, sessions)


def offers(config: GymnaxConfig) -> Offers:
    """Return what the game named ``env.name`` offers."""
    shows = GAMES[config.name].shows
    return Offers((shows,), lacks={"network": f"env.name={config.name} shows {shows}"})


def check_files(config: GymnaxConfig) -> None:
    """Raise unless gymnax is installed."""
    check_installed()


FAMILY = EnvFamily(GymnaxConfig, make, offers=offers, check=check_game, check_files=check_files)
