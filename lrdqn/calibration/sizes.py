"""The check that a log is large enough for what is fitted to it, made before the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrdqn.calibration.factors import check_factors
from lrdqn.config import ConfigError

if TYPE_CHECKING:
    from lrdqn.compose.roots import CalibrateRun


def check_sizes(config: CalibrateRun, users: int, streamers: int, factors: bool = True) -> None:
    """Raise ``InputError`` unless the vectors and, where the intercepts are fitted, the slates of
    the world can be made of this many users and streamers.

    Args:
        config: of the command.
        users: that the population will have.
        streamers: that the population will have.
        factors: whether vectors are fitted.
    """
    if factors:
        check_factors(config.source, users, streamers, config.factors)
    if config.fit is not False and config.env.candidates > streamers:
        raise ConfigError(
            "env.candidates",
            config.env.candidates,
            f"must be at most {streamers}, the streamers of this population; or use fit=false",
        )
