"""Table of gymnax's environments, so that a wrong name is refused without importing gymnax, whose
import initialises devices.

A test compares the table with the installed package.
"""

from __future__ import annotations

import difflib
import importlib.util
from typing import Any, NamedTuple

from lrdqn.config.fields import ConfigError, InputError


class Game(NamedTuple):
    """Kind of observation of an environment, and the types other than float32 that hold its
    observations exactly."""

    shows: str
    """As ``types.EnvSpec.observation``."""
    stores: tuple[str, ...] = ()
    sized: bool = False
    """Whether ``env.size`` applies."""


FLAGS = ("uint8", "bool")

GAMES: dict[str, Game] = {
    "CartPole-v1": Game("vector"),
    "Acrobot-v1": Game("vector"),
    "MountainCar-v0": Game("vector"),
    "Asterix-MinAtar": Game("image", FLAGS),
    "Breakout-MinAtar": Game("image", FLAGS),
    "Freeway-MinAtar": Game("image", FLAGS),
    "Seaquest-MinAtar": Game("image", FLAGS),
    "SpaceInvaders-MinAtar": Game("image", FLAGS),
    "Catch-bsuite": Game("vector", FLAGS),
    "DeepSea-bsuite": Game("vector", FLAGS, sized=True),
    "MemoryChain-bsuite": Game("vector"),
    "UmbrellaChain-bsuite": Game("vector"),
    "DiscountingChain-bsuite": Game("vector"),
    "MNISTBandit-bsuite": Game("vector"),
    "SimpleBandit-bsuite": Game("vector", FLAGS),
    "FourRooms-misc": Game("vector", ("uint8",)),
    "MetaMaze-misc": Game("vector"),
    "BernoulliBandit-misc": Game("vector"),
    "GaussianBandit-misc": Game("vector"),
    "Pong-misc": Game("image", FLAGS),
    "FrozenLake-misc": Game("one_hot", FLAGS),
}
"""Environments with a discrete action space."""

CONTINUOUS = (
    "Pendulum-v1",
    "MountainCarContinuous-v0",
    "PointRobot-misc",
    "Reacher-misc",
    "Swimmer-misc",
)


def check_game(env: Any) -> None:
    """Raise ``ConfigError`` unless the environment exists, its actions are discrete, and
    ``env.size`` and ``env.store`` fit it.

    Raises:
        ConfigError: naming the key.
    """
    if env.name in CONTINUOUS:
        raise ConfigError(
            "env.name", env.name, "its actions are continuous; lrdqn chooses among numbered ones"
        )
    if env.name not in GAMES:
        folded = {name.lower(): name for name in GAMES}
        near = difflib.get_close_matches(str(env.name).lower(), folded, n=1, cutoff=0.4)
        hint = (
            f"did you mean {folded[near[0]]}?" if near else "some are " + ", ".join(list(GAMES)[:6])
        )
        raise ConfigError("env.name", env.name, f"gymnax has no such environment; {hint}")
    game = GAMES[env.name]
    if env.size is not None and not game.sized:
        raise ConfigError("env.size", env.size, f"env.name={env.name} has no size; leave it out")
    if env.store not in ("float32", *game.stores):
        allowed = " or ".join(("float32", *game.stores))
        raise ConfigError(
            "env.store",
            env.store,
            f"does not hold observations of env.name={env.name} exactly; must be {allowed}",
        )


def check_installed() -> None:
    """Raise ``InputError`` unless gymnax is installed. Imports nothing."""
    spec = importlib.util.find_spec("gymnax")
    if spec is None or spec.origin is None:  # without origin it is a mere folder of that name
        raise InputError("env=gymnax: needs gymnax; pip install 'lrdqn[games]'")
