"""SlateQ as a plug."""

from __future__ import annotations

import dataclasses
from typing import Any

from lrdqn.agents.dqn import family as dqn
from lrdqn.agents.slateq.config import SlateQConfig
from lrdqn.config import ConfigError
from lrdqn.config.family import CLICKED_PLACE, NEXT_ACTION, AgentFamily, Needs, Offers


def choice_model(config: SlateQConfig, parts: Any) -> Any:
    """Return how users are taken to choose: as the environment tells, or as is learned of them."""
    from lrdqn.agents.slateq.choice_models import conditional_logit, known_choice_model
    from lrdqn.ops.losses import LOSSES
    from lrdqn.ops.values import make_expected

    if parts.choice_weights is not None and config.slate.choice in ("auto", "told"):
        return known_choice_model(parts.choice_weights)
    plain = dataclasses.replace(parts.network_config, head="linear", layers="dense", value="mean")
    return conditional_logit(parts.network(plain, make_expected(LOSSES["mse"])))


def make(config: SlateQConfig, parts: Any) -> Any:
    """Return the agent and its policy: item values, and choice weights known or learned."""
    from lrdqn.agents.slateq.agent import make_slate_greedy, make_slateq
    from lrdqn.types import Learner

    network, choice, slate = parts.network(), choice_model(config, parts), parts.spec.slate
    agent = make_slateq(config, network, parts.values, choice, slate)
    return Learner(agent, network, make_slate_greedy(config, network, choice, slate))


def needs(config: SlateQConfig) -> Needs:
    """Return what SlateQ needs beside what the DQN family does."""
    stored = (CLICKED_PLACE, NEXT_ACTION) if config.target == "sarsa" else (CLICKED_PLACE,)
    return dqn.needs(config)._replace(slates=True, stored=stored)


def check(config: Any, offers: Offers) -> None:
    """Raise where the decomposition cannot be learned in this environment or by this head."""
    agent, network = config.agent, config.network
    if offers.slate > 1 and "any_place" in offers.lacks:
        why = "agent=slateq cannot learn that only the first document of a slate is watched"
        allowed = f"{offers.lacks['any_place']}: {why}; must be 1"
        raise ConfigError("env.slate", offers.slate, allowed)
    if agent.slate.choice == "told" and not offers.known_choice:
        why = f"env={config.env.kind} {offers.lacks['choice']}"
        raise ConfigError("agent.slate.choice", "told", why)
    if not agent.slate.null_value and network.value != "mean":
        why = f"network.value={network.value} has no 0 to count; must be true"
        raise ConfigError("agent.slate.null_value", False, why)
    dqn.check(config, offers)


FAMILY = AgentFamily(make, SlateQConfig, needs, check)
