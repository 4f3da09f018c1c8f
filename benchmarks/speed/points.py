"""The sizes that are measured: which points a sweep visits, and the project's config at a point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import TrainRun, register_schemas
from lrdqn.config import ConfigError, InputError

SET_HERE = {
    "train.sessions": "--sessions and --base-sessions",
    "train.seeds": "--seeds and --base-seeds",
    "replay.capacity": "--capacity and --base-capacity",
    "train.env_steps": "--iterations",
    "train.eval_period": "--iterations",
    "agent.target_period": "--iterations",
}
"""Keys that follow from the point and from the length of the loops."""


class Point(NamedTuple):
    """One size. Its fields are the axes of a sweep."""

    sessions: int
    seeds: int
    capacity: int

    def __str__(self) -> str:
        """Return the prefix of the point's rows."""
        return " ".join(f"{axis}={value}" for axis, value in self._asdict().items())


def sweep(base: Point, axes: dict[str, Sequence[int]], full: bool) -> list[Point]:
    """Return points without repetition: the product of the axes, or one axis after the other
    through ``base``."""
    if full:
        points = [
            Point(*sizes) for sizes in itertools.product(*(axes[name] for name in Point._fields))
        ]
    else:
        points = [
            base,
            *(base._replace(**{name: size}) for name in Point._fields for size in axes[name]),
        ]
    return list(dict.fromkeys(points))


def config_at(point: Point, iterations: int, overrides: list[str]) -> TrainRun:
    """Return the project's default training config at a point, with chunks of ``iterations``
    iterations and one sync at their end.

    Raises:
        InputError: an override that cannot be composed, that sets what is set here, or that does
            not go with the point.
    """
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from lrdqn.compose.overrides import CONF

    register_schemas()
    for key, _, value in (override.partition("=") for override in overrides):
        if key in SET_HERE:
            raise ConfigError(key, value, f"is set by {SET_HERE[key]}")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            period = compose("train", overrides=overrides).train.update_period
            steps = iterations * max(point.sessions, period)
            sizes = (*point, steps, steps, steps)
            sized = [f"{key}={value}" for key, value in zip(SET_HERE, sizes, strict=True)]
            composed = compose("train", overrides=[*overrides, *sized])
        except (HydraException, OmegaConfBaseException) as error:
            raise InputError(f"{' '.join(overrides)}: {str(error).splitlines()[0]}") from error
    return freeze(TrainRun, composed)
