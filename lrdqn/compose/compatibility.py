"""Parts that cannot be paired: each is refused by name, with what to choose instead (DESIGN
P15)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from lrdqn.config.fields import ConfigError
from lrdqn.config.grid import axes_of
from lrdqn.config.learner import AGENTS, SlateConfig
from lrdqn.envs.gymnax.catalogue import GAMES, check_game

TABULAR = ("q_learning", "double_q_learning", "value_iteration")
READS = {
    "scorer": ("candidates", "documents"),
    "mlp": ("vector", "one_hot", "image"),
    "cnn": ("image",),
    "table": ("one_hot",),
}
"""Network -> the kinds of observations that it reads (``types.EnvSpec.observation``)."""

SHOWS = {
    "live": ("candidates",),
    "recsim": ("documents",),
    "probe": ("vector",),
    "garnet": ("one_hot",),
    "gymnasium": ("vector", "one_hot"),  # which of them is known once the environment is made
}
WHY = {
    "live": "offers a changing candidate set",
    "probe": "has a fixed set of actions, no candidates to score, and states that are not numbered",
    "garnet": "has numbered states and a fixed set of actions",
    "gymnasium": "has a fixed set of actions and no candidates to score",
    "recsim": "offers other documents at each step",
}
"""What an environment shows, and why that asks for some networks only."""

USED_BY = {
    "agent.trace": "lambda",
    "agent.munchausen": "munchausen",
    "agent.temperature": "munchausen",
}
"""Hyper-parameter -> the only target rule that reads it."""


def check_pairs(config: Any) -> None:
    """Raise ``ConfigError`` for the first pair of parts that cannot work together."""
    if config.env.kind == "gymnax":
        check_game(config.env)
    check_network(config)
    check_agent(config)
    check_slates(config)
    check_target(config)
    check_clock(config)
    check_head(config)
    if config.env.kind == "garnet" and config.env.branching > config.env.states:
        raise ConfigError(
            "env.branching", config.env.branching, f"must not exceed env.states={config.env.states}"
        )
    for key in axes_of(config.grid):
        if key in USED_BY and config.agent.target != USED_BY[key]:
            raise ConfigError(
                f"grid.{key}",
                list(axes_of(config.grid)[key]),
                f"is read by agent.target={USED_BY[key]} only",
            )


def check_network(config: Any) -> None:
    """The network can read what the environment shows."""
    network, env = config.network, config.env
    shown = (GAMES[env.name].shows,) if env.kind == "gymnax" else SHOWS.get(env.kind)
    fitting = (
        shown is None
        or bool(set(shown) & set(READS[network.name]))
        or config.agent.name == "full_slate"
    )
    if not fitting and shown is not None:
        names = " or ".join(
            f"network={name}" for name, read in READS.items() if set(shown) & set(read)
        )
        why = (
            f"env.name={env.name} shows {shown[0]}"
            if env.kind == "gymnax"
            else f"env={env.kind} {WHY[env.kind]}"
        )
        raise ConfigError("network", network.name, f"{why}; use {names}")
    if network.name != "scorer" and network.history != "mean":
        raise ConfigError(
            "network.history",
            network.history,
            f"network={network.name} reads no watch sequence; must be mean",
        )
    if network.name == "table":
        for key, plain in (
            ("head", "linear"),
            ("layers", "dense"),
            ("value", "mean"),
            ("norm", "none"),
        ):
            if getattr(network, key) != plain:
                raise ConfigError(
                    f"network.{key}",
                    getattr(network, key),
                    f"network=table has no such part; must be {plain}, or use network=mlp",
                )


def check_agent(config: Any) -> None:
    """Tabular agents have tables, planning has a model, and an agent recommends one stream."""
    agent, network = config.agent, config.network
    if agent.name in TABULAR and network.name != "table":
        raise ConfigError(
            "agent", agent.name, "keeps a table of numbered states; use network=table env=garnet"
        )
    if agent.name == "value_iteration" and config.env.kind != "garnet":
        raise ConfigError(
            "agent", agent.name, "plans with the environment's model, which env=garnet has"
        )


SLATED = ("slateq", "full_slate")
MOST_SLATES = {"scorer": 2_000, "mlp": 20_000}
"""Actions that a network of full slates may have: a scorer computes its layers for each of them."""


def order_counts(env: Any) -> bool:
    """Whether viewers' choices depend on the order of a slate, and not only on what is on it."""
    first_only = env.kind == "recsim" and env.task == "long_term_satisfaction"
    return first_only or env.choice_model not in ("auto", "mnl", "proportional")


def check_slates(config: Any) -> None:
    """Who fills slates, of what, and how many of them there are."""
    agent, env, network = config.agent, config.env, config.network
    slate, documents = getattr(env, "slate", 1), env.kind == "recsim"
    if documents and env.task == "interest_exploration" and agent.gamma == 1:
        raise ConfigError(
            "agent.gamma", 1.0, "env.task=interest_exploration never ends; must be below 1"
        )
    for own in (
        dataclasses.fields(SlateConfig) if agent.name in AGENTS and agent.name != "slateq" else ()
    ):
        if (value := getattr(agent.slate, own.name)) != own.default:
            raise ConfigError(
                f"agent.slate.{own.name}",
                value,
                f"is not read by this agent ({agent.name}); leave it out, or use agent=slateq",
            )
    if agent.name not in SLATED:
        if slate != 1:
            other = "" if getattr(env, "clock", "decision") == "tick" else ", or use agent=slateq"
            raise ConfigError(
                "env.slate",
                slate,
                f"this agent ({agent.name}) shows one item per request; must be 1{other}",
            )
        if agent.target == "sarsa":
            raise ConfigError(
                "agent.target", "sarsa", "is a rule of agent=slateq; use expected_sarsa"
            )
        return
    if env.kind not in ("live", "recsim"):
        raise ConfigError(
            "agent",
            agent.name,
            f"fills slates, and env={env.kind} takes none; use env=live or env=recsim",
        )
    if getattr(env, "clock", "decision") == "tick":
        raise ConfigError(
            "env.clock",
            "tick",
            f"does not tell agent={agent.name} what was taken; must be decision",
        )
    if agent.name == "full_slate":
        if network.name not in ("scorer", "mlp"):
            why = (
                "agent=full_slate scores slates by network=scorer, "
                "or has one output for each with network=mlp"
            )
            raise ConfigError("network", network.name, why)
        count = math.perm if order_counts(env) else math.comb
        if (number := count(env.candidates, slate)) > (most := MOST_SLATES[network.name]):
            why = (
                f"{number} slates of {slate} of them; must not be more "
                f"than {most} with network={network.name}"
            )
            raise ConfigError("env.candidates", env.candidates, why)
        if agent.target == "sarsa":
            raise ConfigError(
                "agent.target", "sarsa", "is a rule of agent=slateq; use expected_sarsa"
            )
        return
    if documents and env.task == "long_term_satisfaction" and slate > 1:
        why = (
            "agent=slateq cannot learn that only the first "
            "document of a slate is watched; must be 1"
        )
        raise ConfigError("env.slate", slate, f"env.task={env.task}: {why}")
    if agent.target not in ("max", "double", "sarsa"):
        raise ConfigError("agent.target", agent.target, "agent=slateq knows max, double and sarsa")
    if agent.slate.choice == "told" and not documents:
        raise ConfigError(
            "agent.slate.choice", "told", "env=live hides how viewers choose; use logit"
        )
    if not agent.slate.null_value and network.value != "mean":
        raise ConfigError(
            "agent.slate.null_value",
            False,
            f"network.value={network.value} has no 0 to count; must be true",
        )


def check_target(config: Any) -> None:
    """Lambda-returns come from fresh sessions, and what is computed per step stays per step."""
    agent, replay = config.agent, config.replay
    fresh = agent.target == "lambda"
    if fresh and agent.name in TABULAR:
        raise ConfigError(
            "agent.target",
            "lambda",
            f"agent={agent.name} bootstraps from its own table; leave it out",
        )
    if fresh and replay.name != "queue":
        raise ConfigError(
            "replay",
            replay.name,
            "agent.target=lambda learns from fresh sessions only; use replay=queue",
        )
    if not fresh and replay.name == "queue":
        raise ConfigError(
            "replay",
            "queue",
            "forgets what it has read once; it goes with agent.target=lambda (agent=pqn) only",
        )
    if agent.n_steps > 1 and fresh:
        raise ConfigError(
            "agent.n_steps",
            agent.n_steps,
            "agent.target=lambda mixes all horizons by agent.trace; must be 1",
        )
    if agent.n_steps > 1 and agent.target == "munchausen":
        why = (
            "agent.target=munchausen would add the log-policy of "
            "the first of these steps only; must be 1"
        )
        raise ConfigError("agent.n_steps", agent.n_steps, why)


def check_clock(config: Any) -> None:
    """In the tick clock a session's consecutive steps are parts of decisions, and what knows the
    decision clock only is not asked."""
    if getattr(config.env, "clock", "decision") != "tick":
        return
    agent = config.agent
    why = "env.clock=tick hands over whole decisions, not consecutive steps"
    if agent.target == "lambda":
        raise ConfigError(
            "agent.target", "lambda", f"{why}; use another agent than pqn, or env.clock=decision"
        )
    if agent.n_steps > 1:
        raise ConfigError("agent.n_steps", agent.n_steps, f"{why}; must be 1")
    if config.evaluate.references:
        why = "privileged references know the laws of env.clock=decision only"
        raise ConfigError(
            "evaluate.references", "true", f"{why}; must be false with env.clock=tick"
        )


def check_head(config: Any) -> None:
    """Distributions have a loss of their own, and atoms need room."""
    network = config.network
    if network.value != "mean" and config.agent.loss != "mse":
        own = {
            "categorical": "cross-entropy",
            "quantile": "the quantile Huber loss (network.kappa)",
        }[network.value]
        raise ConfigError(
            "agent.loss",
            config.agent.loss,
            f"network.value={network.value} learns by {own}; leave agent.loss out",
        )
    if network.value == "categorical" and network.v_min >= network.v_max:
        raise ConfigError(
            "network.v_min", network.v_min, f"must be below network.v_max={network.v_max}"
        )
