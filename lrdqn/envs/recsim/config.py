"""Keys of ``env=recsim`` and the check that they fit together. Defaults are those of RecSim's
code."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lrdqn.config.env import EnvConfig
from lrdqn.config.fields import ConfigError, choice_field, float_field, int_field

TASKS = ("interest_evolution", "interest_exploration", "long_term_satisfaction")


@dataclass
class EvolutionConfig:
    """Keys of interest evolution: interests move with what is watched, and a session ends when its
    time budget is used up (envs/recsim/README.md, section 1)."""

    topics: int = int_field(
        20,
        2,
        "topics; sampler=utility gives a document one of them, sampler=features a weight on each",
        127,
    )
    budget: float | None = float_field(
        None,
        0.0,
        math.inf,
        "minutes a user has; null takes the sampler's own, 200 (utility) or 30 (features)",
        open_low=True,
    )
    step_penalty: float | None = float_field(
        None, 0.0, math.inf, "minutes lost without a click; null: 0.5 or 1 by sampler"
    )
    budget_gain: float | None = float_field(
        None,
        0.0,
        math.inf,
        "share of a watch that a quality of 1 gives back; null: 0.9 / 3.4 or 0 by sampler",
    )
    length: float | None = float_field(
        None,
        0.0,
        100.0,
        "minutes of a document, on average; null: 4 or 4.3 by sampler",
        open_low=True,
    )
    no_click: float = float_field(
        1.0, -100.0, 100.0, "score of choosing nothing (mnl, proportional)"
    )
    floor: float = float_field(
        -1.0, -100.0, 0.0, "score that is never chosen (proportional, cascade_proportional)"
    )
    attention: float | None = float_field(
        None, 0.0, 1.0, "chance that a place is looked at (cascades); null: 0.65 or 0.9 by sampler"
    )
    score_scaling: float = float_field(
        0.05, 0.0, math.inf, "chance of a click per unit of appeal (cascades)"
    )


@dataclass
class ExplorationConfig:
    """Keys of interest exploration: two user types and two topics, the type being hidden
    (envs/recsim/README.md, section 2)."""

    first_kind: float = float_field(
        0.3, 0.0, 1.0, "share of users of the first kind, which likes the second topic"
    )
    first_topic: float = float_field(
        0.2, 0.0, 1.0, "share of documents of the first topic, which is well made"
    )
    affinity_sigma: float = float_field(0.1, 0.0, 3.0, "log-sd of a user's affinity to a topic")
    quality_sigma: float = float_field(0.1, 0.0, 3.0, "log-sd of a document's quality")
    no_click: float = float_field(5.0, -100.0, 100.0, "score of choosing nothing")


@dataclass
class SatisfactionConfig:
    """Keys of long-term satisfaction: clickbait raises engagement now and lowers satisfaction later
    (envs/recsim/README.md, section 3)."""

    memory_discount: float = float_field(
        0.7, 0.0, 0.999, "share of past exposure that is remembered"
    )
    sensitivity: float = float_field(0.01, 0.0, math.inf, "how much satisfaction hangs on exposure")
    innovation: float = float_field(0.05, 0.0, math.inf, "standard deviation of a step of exposure")
    choc_mean: float = float_field(
        5.0, 0.0, math.inf, "log-engagement with pure clickbait, times satisfaction"
    )
    choc_sigma: float = float_field(1.0, 0.0, 10.0, "its standard deviation")
    kale_mean: float = float_field(
        4.0, 0.0, math.inf, "log-engagement with what has no clickbait, times satisfaction"
    )
    kale_sigma: float = float_field(1.0, 0.0, 10.0, "its standard deviation")
    budget: int = int_field(60, 1, "steps of a session")


@dataclass
class RecsimConfig(EnvConfig):
    """Keys of ``env=recsim``: N users at once, and a slate of K of m documents at each step."""

    kind: str = choice_field("recsim", ("recsim",), "environment")
    task: str = choice_field("interest_evolution", TASKS, "environment of RecSim")
    candidates: int = int_field(10, 1, "documents offered at each step, drawn anew each time")
    slate: int = int_field(3, 1, "documents shown per step, out of the candidates")
    choice_model: str = choice_field(
        "auto",
        ("auto", "proportional", "mnl", "cascade_exp", "cascade_proportional"),
        (
            "how a user chooses; auto is proportional "
            "(interest_evolution) or mnl (interest_exploration)"
        ),
    )
    sampler: str = choice_field(
        "utility",
        ("utility", "features"),
        "documents of one topic and its quality, or of random features (interest_evolution)",
    )
    horizon: int = int_field(500, 1, "steps after which a session is cut")
    memory: list[float] = field(
        default_factory=list,
        metadata={
            "doc": (
                "decays of sums over a session's responses (steps, "
                "log watch, quality), shown too; 1 adds up"
            )
        },
    )
    evolution: EvolutionConfig = field(default_factory=EvolutionConfig)
    exploration: ExplorationConfig = field(default_factory=ExplorationConfig)
    satisfaction: SatisfactionConfig = field(default_factory=SatisfactionConfig)


def check_recsim(env: RecsimConfig) -> None:
    """Raise ``ConfigError`` unless shapes fit and the task has the choice model and the sampler
    that are named."""
    if env.slate > env.candidates:
        raise ConfigError(
            "env.slate", env.slate, f"must not exceed env.candidates={env.candidates}"
        )
    allowed = {"interest_exploration": ("auto", "mnl"), "long_term_satisfaction": ("auto",)}.get(
        env.task
    )
    if allowed and env.choice_model not in allowed:
        raise ConfigError(
            "env.choice_model",
            env.choice_model,
            f"env.task={env.task} has its own; must be {' or '.join(allowed)}",
        )
    evolution = env.evolution
    if env.choice_model in ("auto", "proportional") and evolution.no_click <= evolution.floor:
        raise ConfigError(
            "env.evolution.no_click",
            evolution.no_click,
            f"must be above env.evolution.floor={evolution.floor}",
        )
    if any(not 0 <= decay <= 1 for decay in env.memory):
        raise ConfigError(
            "env.memory", list(env.memory), "must be a list of decays in [0, 1]; 1 forgets nothing"
        )
    if env.sampler != "utility" and env.task != "interest_evolution":
        raise ConfigError(
            "env.sampler",
            env.sampler,
            f"env.task={env.task} has its own documents; must be utility",
        )
