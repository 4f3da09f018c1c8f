"""The tabular agents as plugs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lrdqn.agents.tabular.config import TabularConfig
from lrdqn.config import ConfigError
from lrdqn.config.family import AgentFamily, Needs, Offers


def maker(name: str) -> Callable[[TabularConfig, Any], Any]:
    """Return ``make`` of the function ``name`` of ``agents.tabular.agent``."""

    def make(config: TabularConfig, parts: Any) -> Any:
        from lrdqn.agents.tabular import agent

        return getattr(agent, name)(config, parts.spec)

    return make


def check(config: Any, offers: Offers) -> None:
    """Raise unless the network is a table."""
    if config.network.name != "table":
        why = "keeps a table of numbered states; use network=table env=garnet"
        raise ConfigError("agent", config.agent.name, why)


def needs(config: TabularConfig) -> Needs:
    """Return what a tabular agent needs: consecutive steps for n-step returns."""
    steps = ("agent.n_steps", config.n_steps, "must be 1") if config.n_steps > 1 else None
    return Needs(consecutive=steps)


Q_LEARNING = AgentFamily(maker("make_q_learning"), TabularConfig, needs, check)
DOUBLE_Q_LEARNING = AgentFamily(maker("make_double_q_learning"), TabularConfig, needs, check)
VALUE_ITERATION = AgentFamily(
    maker("make_value_iteration"),
    TabularConfig,
    lambda config: needs(config)._replace(model=True),
    check,
)
