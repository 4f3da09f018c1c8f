"""Full-slate Q-learning as a plug."""

from __future__ import annotations

import math
from typing import Any

from lrdqn.agents.dqn import family as dqn
from lrdqn.agents.full_slate.config import FullSlateConfig
from lrdqn.config import ConfigError
from lrdqn.config.family import AgentFamily, Needs, Offers

MOST_SLATES = {"scorer": 2_000, "mlp": 20_000}
"""Actions that a network of full slates may have: a scorer computes its layers for each of them."""


def every_slate(offers: Offers) -> Any:
    """Return the slates that are actions: sets of candidates, or orders where the order counts."""
    from lrdqn.agents.full_slate.agent import SlateSet

    return SlateSet(offers.candidates, offers.slate, offers.ordered)


def make(config: FullSlateConfig, parts: Any) -> Any:
    """Return the agent and its policy over all slates."""
    from lrdqn.agents.dqn.agent import make_dqn, make_greedy
    from lrdqn.agents.full_slate.agent import over_slates, policy_over_slates, slates_of
    from lrdqn.types import Learner

    every = every_slate(parts.offers)
    network = parts.network(slates=slates_of(every))
    agent = over_slates(make_dqn(config, network, parts.values), every)
    return Learner(agent, network, policy_over_slates(make_greedy(network), every))


def needs(config: FullSlateConfig) -> Needs:
    """Return what full slates need beside what the DQN family does."""
    return dqn.needs(config)._replace(slates=True, reads={"mlp": ("candidates", "documents")})


def check(config: Any, offers: Offers) -> None:
    """Raise where the network cannot score slates, or there are too many of them."""
    network = config.network.name
    if network not in MOST_SLATES:
        why = (
            "agent=full_slate scores slates by network=scorer, or has one output for each "
            "with network=mlp"
        )
        raise ConfigError("network", network, why)
    count = math.perm if offers.ordered else math.comb
    if (number := count(offers.candidates, offers.slate)) > (most := MOST_SLATES[network]):
        why = f"{number} slates of {offers.slate} of them; must not be more than {most}"
        raise ConfigError("env.candidates", offers.candidates, f"{why} with network={network}")
    dqn.check(config, offers)


FAMILY = AgentFamily(make, FullSlateConfig, needs, check)
