"""Interface between lrdqn and a folder of an environment or an agent, whether its own or of another
package. Nothing here imports jax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

CLICKED_PLACE, NEXT_ACTION = "clicked_place", "next_action"
"""Fields of a stored transition beside (s, a, r, discount, s')."""


class Needs(NamedTuple):
    """Requirements that a configured agent has of the environment and of the training loop."""

    slates: bool = False
    """Whether it shows slates from a changing set of candidates and learns from which item was
    clicked."""
    model: bool = False
    """Whether it plans with the environment's transition probabilities."""
    reads: Mapping[str, tuple[str, ...]] = {}
    """Network -> further kinds of observations that it can read under this agent (added to
    ``config.network.READS``)."""
    stored: tuple[str, ...] = ()
    """Fields that replay stores beside (s, a, r, discount, s'): ``CLICKED_PLACE``,
    ``NEXT_ACTION``."""
    fresh: str = ""
    """Key that makes it learn from the newest transitions only (replay is a queue, without warm-up
    or target network); empty where replay keeps older ones."""
    consecutive: tuple[str, Any, str] | None = None
    """Key, value and what is allowed instead, given where it learns from consecutive decisions of a
    session."""
    sync_period: int | None = None
    """Env steps between two calls of ``types.Agent.sync``; ``None`` where it sets no period."""
    unread: Mapping[str, str] = {}
    """Hyper-parameter that this configuration does not read -> the setting that reads it."""


class Offers(NamedTuple):
    """Properties that a configured environment offers to an agent."""

    observations: tuple[str, ...] = ()
    """Possible kinds of its observations (``types.EnvSpec.observation``); empty where the kind is
    known only once the environment is built."""
    actions: str = "discrete"
    """The action space: ``discrete`` (numbered actions), ``candidates`` (one of a changing set, or
    a slate of them), ``box`` (real vectors)."""
    slate: int = 1
    """Candidates shown at once."""
    candidates: int = 0
    """Size of the changing set."""
    ordered: bool = False
    """Whether users' choices depend on the order of a slate."""
    model: bool = False
    """Whether its parameters hold the transition probabilities."""
    known_choice: bool = False
    """Whether observations reveal the weights with which users choose from a slate."""
    references: bool = False
    """Whether there are exploiters and privileged policies to compare with."""
    lacks: Mapping[str, str] = {}
    """Why it lacks a property that others of its kind have, for the one-line error message:
    ``network`` (why few networks fit), ``clicked_place`` (key, value), ``consecutive``, ``end``,
    ``choice``, ``compiled`` (it steps outside the compiled program), ``any_place``."""


def accept(config: Any) -> None:
    """Accept any configuration."""


class EnvFamily(NamedTuple):
    """Environment as a plugin. Importing a module of lrdqn's own that holds one imports no jax; its
    functions import what they use when they are called."""

    schema: type
    """``@dataclass`` derived from ``lrdqn.config.EnvConfig``: its fields are the keys ``env.*``."""
    make: Callable[[Any, int], Any]
    """``make(config, sessions) -> types.Env``, from the frozen config."""
    world: Callable[[Any, Any], Any] | None = None
    """``world(config, rng) -> params`` of one seed, host arrays; ``None`` where ``params`` is
    ``()``. Where the schema has a key ``env.world_seed`` and it is given, all seeds share one
    world."""
    worlds: Callable[[Any, int, int, bool], Any] | None = None
    """``worlds(config, seed, seeds, known) -> params [seeds, ...]``, instead of ``world`` where
    seeds share files. ``known``: whether policies have met the streamers."""
    offers: Callable[[Any], Offers] | None = None
    """``offers(config)``; ``None`` where only the built environment tells (``Env.spec``)."""
    check: Callable[[Any], None] = accept
    """``check(config)``: raise ``ConfigError`` where keys do not fit together; reads no file."""
    check_files: Callable[[Any], None] = accept
    """``check_files(config)``: raise ``InputError`` where a file or a package is missing."""
    baselines: Callable[[Any, Any], dict[str, Any]] | None = None
    """``baselines(config, env) -> {name: types.Policy}``, shown in every table; ``None``: a random
    policy."""
    references: Callable[[Any], dict[str, Any]] | None = None
    """``references(config) -> {name: types.Policy}``: exploiters and privileged policies."""
    choice_weights: Callable[[Any], Any] | None = None
    """``choice_weights(config)(obs) -> v [B, C], v_0 [B]`` where ``Offers.known_choice``."""
    world_bytes: Callable[[Any], dict[str, float]] | None = None
    """``world_bytes(config) -> {key: bytes}``: size of one seed's world by the keys that scale
    it."""
    version: str | None = None
    """Version of the environment's behaviour, which ``summary.json`` holds as ``sim_version``:
    results of different versions are not compared."""


class AgentFamily(NamedTuple):
    """Agent as a plugin, under the same rule of imports."""

    make: Callable[[Any, Any], Any]
    """``make(config, parts) -> types.Agent``, or ``types.Learner`` where its policy is not the
    argmax of ``parts.network()``; ``parts`` is a ``types.AgentParts``."""
    schema: type | None = None
    """``@dataclass`` derived from ``lrdqn.config.AgentConfig`` with the agent's own keys; ``None``
    stands for the keys of ``agent=dqn``."""
    needs: Callable[[Any], Needs] = lambda config: Needs()
    """``needs(config)``, from the agent's own config."""
    check: Callable[[Any, Offers], None] = lambda config, offers: None
    """``check(config, offers)``: raise ``ConfigError`` where the agent's keys do not fit together,
    or with the network or the environment; ``config`` is the whole run's."""
