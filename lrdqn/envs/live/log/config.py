"""Keys of the platform's log (``env.log.*``)."""

from __future__ import annotations

from dataclasses import dataclass

from lrdqn.config.fields import choice_field, int_field

LOGGING_POLICIES = ("reference", "random")


@dataclass
class LogConfig:
    """The log that the platform holds of each world before training. Policies see the profiles of
    users and streamers that are estimated from it.

    Source: envs/live/README.md, section 16.
    """

    impressions: int = int_field(
        0,
        0,
        "requests that the platform has logged of a world before training; 0: no log",
        20_000_000,
    )
    policy: str = choice_field(
        "reference", LOGGING_POLICIES, "policy that the platform followed in that log"
    )
