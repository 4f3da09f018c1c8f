"""Which parts can be combined: an agent's needs against an environment's offers, networks against
observations. A pair that cannot work is refused in one line that names the key and an
alternative."""

from __future__ import annotations

from typing import Any

from lrdqn.compose.families import agent_family, env_family, own_families
from lrdqn.compose.grid import axes_of
from lrdqn.config import ConfigError
from lrdqn.config.family import Needs, Offers
from lrdqn.config.network import READS

TABLE_ONLY = (("head", "linear"), ("layers", "dense"), ("value", "mean"), ("norm", "none"))
"""Keys of the network that a table does not read, with the only value that each may have there."""


def needs_of(config: Any) -> Needs:
    """Return what the configured agent needs."""
    return agent_family(config.agent.name).needs(config.agent)


def offers_of(config: Any) -> Offers:
    """Return what the configured environment offers, as far as its configuration tells."""
    offers = env_family(config.env.kind).offers
    return Offers(slate=getattr(config.env, "slate", 1)) if offers is None else offers(config.env)


def check_compatible(config: Any) -> None:
    """Raise ``ConfigError`` for the first parts that cannot work together."""
    needs, offers = needs_of(config), offers_of(config)
    check_network(config, needs, offers)
    check_actions(config, needs, offers)
    check_end(config, offers)
    agent_family(config.agent.name).check(config, offers)
    check_replay_kind(config, needs)
    check_consecutive(needs, offers)
    check_evaluation(config, offers)
    check_grid_is_read(config, needs)


def check_network(config: Any, needs: Needs, offers: Offers) -> None:
    """Raise ``ConfigError`` unless the network can read the observations and its keys apply to
    it."""
    network = config.network
    fits = {*READS[network.name], *needs.reads.get(network.name, ())}
    if offers.observations and not fits.intersection(offers.observations) and not needs.slates:
        names = " or ".join(
            f"network={name}" for name, reads in READS.items() if {*reads} & {*offers.observations}
        )
        shown = f"env={config.env.kind} shows {' or '.join(offers.observations)}"
        why = offers.lacks.get("network", shown)
        raise ConfigError("network", network.name, f"{why}; use {names}")
    if network.name != "scorer" and network.history != "mean":
        why = f"network={network.name} reads no watch sequence; must be mean"
        raise ConfigError("network.history", network.history, why)
    for key, plain in TABLE_ONLY if network.name == "table" else ():
        if getattr(network, key) != plain:
            why = f"network=table has no such part; must be {plain}, or use network=mlp"
            raise ConfigError(f"network.{key}", getattr(network, key), why)
    if network.value == "categorical" and network.v_min >= network.v_max:
        why = f"must be below network.v_max={network.v_max}"
        raise ConfigError("network.v_min", network.v_min, why)


def check_actions(config: Any, needs: Needs, offers: Offers) -> None:
    """Raise ``ConfigError`` unless the agent can act in this action space and observes what it
    learns from."""
    name = config.agent.name
    if needs.model and not offers.model:
        having = " or ".join(f"env={env}" for env in envs_that(lambda offers: offers.model))
        why = f"plans with the environment's model, which {having} has"
        raise ConfigError("agent", name, why)
    hidden = offers.lacks.get("clicked_place")
    if not needs.slates:
        if offers.slate != 1:
            other = "" if hidden else f", or use agent={first_that_fills_slates()}"
            why = f"this agent ({name}) shows one item per request; must be 1{other}"
            raise ConfigError("env.slate", offers.slate, why)
        return
    if offers.actions != "candidates":
        taking = " or ".join(
            f"env={env}" for env in envs_that(lambda offers: offers.actions == "candidates")
        )
        why = f"fills slates, and env={config.env.kind} takes none; use {taking}"
        raise ConfigError("agent", name, why)
    if hidden:
        key, _, value = hidden.partition("=")
        why = f"does not tell agent={name} what was taken; must be decision"
        raise ConfigError(key, value, why)


def envs_that(offer: Any) -> list[str]:
    """Return the names of lrdqn's own environments whose defaults satisfy ``offer``."""
    found = []
    for name, family in own_families("env").items():
        if family.offers is not None and offer(family.offers(family.schema())):
            found.append(name)
    return found


def first_that_fills_slates() -> str:
    """Return the first of lrdqn's own agents that fills slates."""
    agents = own_families("agent").items()
    return next(name for name, of in agents if of.needs(of.schema()).slates)


def check_end(config: Any, offers: Offers) -> None:
    """Raise ``ConfigError`` where returns are undiscounted and sessions do not end."""
    if config.agent.gamma == 1 and "end" in offers.lacks:
        raise ConfigError("agent.gamma", 1.0, f"{offers.lacks['end']}; must be below 1")


def check_replay_kind(config: Any, needs: Needs) -> None:
    """Raise ``ConfigError`` unless a queue is combined with an agent that learns from fresh
    sessions, and no other agent."""
    replay = config.replay.name
    if needs.fresh and replay != "queue":
        why = f"{needs.fresh} learns from fresh sessions only; use replay=queue"
        raise ConfigError("replay", replay, why)
    if not needs.fresh and replay == "queue":
        why = "forgets what it has read once; it goes with agent.target=lambda (agent=pqn) only"
        raise ConfigError("replay", replay, why)


def check_consecutive(needs: Needs, offers: Offers) -> None:
    """Raise ``ConfigError`` where the agent needs consecutive decisions and the environment does
    not provide them."""
    if needs.consecutive and "consecutive" in offers.lacks:
        key, value, instead = needs.consecutive
        raise ConfigError(key, value, f"{offers.lacks['consecutive']}; {instead}")


def check_evaluation(config: Any, offers: Offers) -> None:
    """Raise ``ConfigError`` where references are requested and missing, or the environment cannot
    run under the debug mode."""
    if config.evaluate.references and not offers.references:
        none = f"there are none for env={config.env.kind}; must be false"
        raise ConfigError("evaluate.references", "true", offers.lacks.get("references", none))
    if "compiled" in offers.lacks:
        why = f"env={config.env.kind} {offers.lacks['compiled']}"
        if (mode := config.debug.mode) in ("nan", "checkify"):
            looks = "looks inside the training loop, and"
            raise ConfigError("debug", mode, f"{looks} {why}; use debug=fast")
        if (coordinator := config.runtime.coordinator) is not None:
            one = f"{why}, in one process only; leave it out"
            raise ConfigError("runtime.coordinator", coordinator, one)


def check_grid_is_read(config: Any, needs: Needs) -> None:
    """Raise ``ConfigError`` where an axis of the grid is a hyper-parameter that this agent does not
    read."""
    for key, values in axes_of(config.grid).items():
        section, _, name = key.partition(".")
        if key in needs.unread:
            why = f"is read by {needs.unread[key]} only"
            raise ConfigError(f"grid.{key}", list(values), why)
        if not hasattr(getattr(config, section), name):
            why = f"is not read by agent={config.agent.name}; leave it out"
            raise ConfigError(f"grid.{key}", list(values), why)
