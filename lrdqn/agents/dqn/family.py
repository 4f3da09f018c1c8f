"""The DQN family as a plug."""

from __future__ import annotations

from typing import Any

from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.config import ConfigError
from lrdqn.config.family import AgentFamily, Needs, Offers

FAMILY_NAME = "dqn"
READ_BY = {
    "agent.trace": "lambda",
    "agent.munchausen": "munchausen",
    "agent.temperature": "munchausen",
}
"""Hyper-parameter -> the only target rule that reads it."""


def make(config: DQNConfig, parts: Any) -> Any:
    """Return the agent on the configured network."""
    from lrdqn.agents.dqn.agent import make_dqn

    return make_dqn(config, parts.network(), parts.values)


def needs(config: DQNConfig) -> Needs:
    """Return what the target rule and the number of steps need."""
    consecutive = None
    if config.n_steps > 1:
        consecutive = ("agent.n_steps", config.n_steps, "must be 1")
    if config.target == "lambda":
        consecutive = ("agent.target", "lambda", "use another agent than pqn")
    return Needs(
        fresh="agent.target=lambda" if config.target == "lambda" else "",
        consecutive=consecutive,
        sync_period=config.target_period,
        unread={
            key: f"agent.target={rule}" for key, rule in READ_BY.items() if config.target != rule
        },
    )


def check(config: Any, offers: Offers) -> None:
    """Raise where steps are summed before a target that cannot follow them, where the head has a
    loss of its own, or where the target cannot look at some candidates only."""
    agent, network = config.agent, config.network
    if agent.policy == "target" and agent.target == "lambda":
        why = "agent.target=lambda has no target network; must be online"
        raise ConfigError("agent.policy", agent.policy, why)
    some = agent.target_candidates
    alone = offers.actions == "candidates" and offers.slate == 1 and agent.name == FAMILY_NAME
    if some is not None and not alone:
        why = "is for agent=dqn where one of a set of candidates is shown; leave it out"
        raise ConfigError("agent.target_candidates", some, why)
    if agent.n_steps > 1 and agent.target == "lambda":
        why = "agent.target=lambda mixes all horizons by agent.trace; must be 1"
        raise ConfigError("agent.n_steps", agent.n_steps, why)
    if agent.n_steps > 1 and agent.target == "munchausen":
        why = (
            "agent.target=munchausen would add the log-policy of the first of these steps only; "
            "must be 1"
        )
        raise ConfigError("agent.n_steps", agent.n_steps, why)
    if network.value != "mean" and agent.loss != "mse":
        own = {
            "categorical": "cross-entropy",
            "quantile": "the quantile Huber loss (network.kappa)",
        }[network.value]
        why = f"network.value={network.value} learns by {own}; leave agent.loss out"
        raise ConfigError("agent.loss", agent.loss, why)


FAMILY = AgentFamily(make, DQNConfig, needs, check)
