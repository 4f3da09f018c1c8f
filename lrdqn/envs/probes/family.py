"""The probes as a plug."""

from __future__ import annotations

from typing import Any

from lrdqn.config.family import EnvFamily, Offers
from lrdqn.envs.probes.config import ProbeConfig


def make(config: ProbeConfig, sessions: int) -> Any:
    """Return the probe."""
    from lrdqn.envs.probes.env import make_probe

    return make_probe(config, sessions)


def offers(config: ProbeConfig) -> Offers:
    """Return what a probe offers."""
    why = (
        "env=probe has a fixed set of actions, no candidates "
        "to score, and states that are not numbered"
    )
    return Offers(("vector",), lacks={"network": why})


FAMILY = EnvFamily(ProbeConfig, make, offers=offers)
