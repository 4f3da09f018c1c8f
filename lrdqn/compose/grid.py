"""``grid.*``: values of float hyper-parameters that are trained side by side in one program, as one
vmapped axis."""

from __future__ import annotations

import dataclasses
import itertools
import struct
from dataclasses import dataclass, field
from typing import Any

from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.config import ReplayConfig
from lrdqn.config.fields import ConfigError


def _ranges(schema: type) -> dict[str, Any]:
    """Return, for each field of ``schema``, metadata for a list of its values, each within the
    range of the single value."""
    return {spec.name: {"each": spec.metadata} for spec in dataclasses.fields(schema)}


AGENT, REPLAY = _ranges(DQNConfig), _ranges(ReplayConfig)


@dataclass
class AgentGrid:
    """Float hyper-parameters of the agent, fields of ``types.Hypers``."""

    learning_rate: Any = field(default=None, metadata=AGENT["learning_rate"])
    learning_rate_decay: Any = field(default=None, metadata=AGENT["learning_rate_decay"])
    gamma: Any = field(default=None, metadata=AGENT["gamma"])
    epsilon: Any = field(default=None, metadata=AGENT["epsilon"])
    epsilon_end: Any = field(default=None, metadata=AGENT["epsilon_end"])
    tau: Any = field(default=None, metadata=AGENT["tau"])
    reward_scale: Any = field(default=None, metadata=AGENT["reward_scale"])
    trace: Any = field(default=None, metadata=AGENT["trace"])
    munchausen: Any = field(default=None, metadata=AGENT["munchausen"])
    temperature: Any = field(default=None, metadata=AGENT["temperature"])


@dataclass
class ReplayGrid:
    """Float hyper-parameters of replay, fields of ``types.Hypers``."""

    alpha: Any = field(default=None, metadata=REPLAY["alpha"])
    beta: Any = field(default=None, metadata=REPLAY["beta"])
    beta_end: Any = field(default=None, metadata=REPLAY["beta_end"])


@dataclass
class GridConfig:
    """Lists of values; the learners are all combinations. ``null`` keeps the single value from the
    section itself."""

    agent: AgentGrid = field(default_factory=AgentGrid)
    replay: ReplayGrid = field(default_factory=ReplayGrid)


KEYS = tuple(
    f"{name}.{f.name}"
    for name, part in (("agent", AgentGrid), ("replay", ReplayGrid))
    for f in dataclasses.fields(part)
)
"""Dotted keys of all hyper-parameters that can be an axis."""


def axes_of(grid: Any) -> dict[str, tuple[float, ...]]:
    """Return the axes that were given, by dotted key: ``{"agent.gamma": (0.9, 0.99)}``."""
    given = {key: value_at(grid, key) for key in KEYS}
    return {key: values for key, values in given.items() if values is not None}


def points_of(grid: Any) -> list[dict[str, float]]:
    """Return all combinations of a grid's values, the last axis fastest; one empty point where
    nothing varies."""
    axes = axes_of(grid)
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def check_grid(config: Any) -> None:
    """Raise ``ConfigError`` where an axis holds a value twice, or an ordered pair is out of order
    at some point."""
    for key, values in axes_of(config.grid).items():
        if len({struct.pack("f", value) for value in values}) < len(values):
            raise ConfigError(
                f"grid.{key}", list(values), "must not hold a value twice (as float32)"
            )
    for point in points_of(config.grid):
        check_orders(point, config)


def check_orders(point: dict[str, float], config: Any) -> None:
    """Raise ``ConfigError`` unless exploration falls and the importance-weight exponent rises."""
    check_order(point, config, "agent.epsilon_end", "agent.epsilon", at_most=True)
    check_order(point, config, "replay.beta_end", "replay.beta", at_most=False)


def check_order(
    point: dict[str, float], config: Any, key: str, bound: str, *, at_most: bool
) -> None:
    """Raise ``ConfigError`` where ``key`` passes ``bound``, whether a value comes from the point or
    the config."""
    value, limit = (point[k] if k in point else value_at(config, k) for k in (key, bound))
    if value > limit if at_most else value < limit:
        raise ConfigError(
            key, value, f"must {'not exceed' if at_most else 'be at least'} {bound}={limit}"
        )


def value_at(config: Any, key: str) -> Any:
    """Return the value of a dotted key; for a hyper-parameter that this agent lacks, the default of
    ``agent=dqn``, which nothing reads."""
    section, _, name = key.partition(".")
    part = getattr(config, section)
    return getattr(part, name) if hasattr(part, name) else getattr(DQNConfig, name)
