"""What the folder of an environment or an agent hands over: the one plug for lrdqn's own parts and
for those of other packages. Nothing here imports jax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

CLICKED_PLACE, NEXT_ACTION = "clicked_place", "next_action"
"""Fields of a stored transition beside (s, a, r, discount, s')."""


class Needs(NamedTuple):
    """What an agent, as configured, needs of an environment and of the training loop."""

    slates: bool = False
    """It shows slates of a changing set of candidates, and learns from which item was clicked."""
    model: bool = False
    """It plans with the environment's transition probabilities."""
    reads: Mapping[str, tuple[str, ...]] = {}
    """Kinds of observations that a network can read under this agent besides its own, by the
    network's name."""
    stored: tuple[str, ...] = ()
    """What replay stores beside (s, a, r, discount, s'): ``CLICKED_PLACE``, ``NEXT_ACTION``."""
    fresh: str = ""
    """The key that makes it learn from the newest sessions only (replay is a queue, without warm-up
    or target network); empty where replay keeps what is older."""
    consecutive: tuple[str, Any, str] | None = None
    """Key, value and what is allowed instead, where it learns from consecutive decisions of a
    session."""
    sync_period: int | None = None
    """Env steps between two calls of ``types.Agent.sync``; ``None`` where any will do."""
    unread: Mapping[str, str] = {}
    """Hyper-parameters that this configuration does not read, and the setting that reads each."""


class Offers(NamedTuple):
    """What an environment, as configured, offers to an agent."""

    observations: tuple[str, ...] = ()
    """Kinds of observations (``types.EnvSpec.observation``) of which one is shown; empty where
    that is known only once the environment is made."""
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
    """Whether an observation tells the weights with which users choose from a slate."""
    references: bool = False
    """Whether there are exploiters and privileged policies to compare with."""
    lacks: Mapping[str, str] = {}
    """Why it lacks something that others of its kind have, for the refusal of one line:
    ``network`` (why few networks fit), ``clicked_place`` (key, value), ``consecutive``, ``end``,
    ``choice``, ``compiled`` (it steps outside the compiled program), ``any_place``."""


def accept(config: Any) -> None:
    """Accept any configuration."""


class EnvFamily(NamedTuple):
    """An environment as a plug. Importing the module that holds it imports no jax where it is
    lrdqn's own: its functions import what they use when they are called."""

    schema: type
    """A ``@dataclass`` derived from ``lrdqn.config.EnvConfig``: its fields are the keys
    ``env.*``."""
    make: Callable[[Any, int], Any]
    """``make(config, sessions) -> types.Env``, from the frozen config."""
    world: Callable[[Any, Any], Any] | None = None
    """``world(config, rng) -> params`` of one seed, host arrays; ``None`` where ``params`` is
    ``()``. A key ``env.world_seed``, where the schema has one and it is given, draws every seed's
    world alike."""
    worlds: Callable[[Any, int, int, bool], Any] | None = None
    """``worlds(config, seed, seeds, known) -> params [seeds, ...]``, in the place of ``world``
    where seeds share files. ``known``: whether policies have met the streamers."""
    offers: Callable[[Any], Offers] | None = None
    """``offers(config)``; ``None`` where only the environment itself tells (``Env.spec``)."""
    check: Callable[[Any], None] = accept
    """``check(config)``: raise ``ConfigError`` where keys do not fit together; reads no file."""
    check_files: Callable[[Any], None] = accept
    """``check_files(config)``: raise ``InputError`` where a file or a package is missing."""
    baselines: Callable[[Any, Any], dict[str, Any]] | None = None
    """``baselines(config, env) -> {name: types.Policy}``, in every table; ``None``: a random
    one."""
    references: Callable[[Any], dict[str, Any]] | None = None
    """``references(config) -> {name: types.Policy}``: exploiters and privileged policies."""
    choice_weights: Callable[[Any], Any] | None = None
    """``choice_weights(config)(obs) -> v [B, C], v_0 [B]`` where ``Offers.known_choice``."""
    world_bytes: Callable[[Any], dict[str, float]] | None = None
    """``world_bytes(config) -> {key: bytes}``: one seed's world by the keys that scale it."""


class AgentFamily(NamedTuple):
    """An agent as a plug, under the same rule of imports."""

    make: Callable[[Any, Any], Any]
    """``make(config, parts) -> types.Agent``, or ``types.Learner`` where its policy is not the
    argmax of ``parts.network()``; ``parts`` is a ``types.AgentParts``."""
    schema: type | None = None
    """A ``@dataclass`` derived from ``lrdqn.config.AgentConfig`` with the agent's own keys;
    ``None`` has the keys of ``agent=dqn``."""
    needs: Callable[[Any], Needs] = lambda config: Needs()
    """``needs(config)``, from the agent's own config."""
    check: Callable[[Any, Offers], None] = lambda config, offers: None
    """``check(config, offers)``: raise ``ConfigError`` where the agent's keys do not fit together,
    or with the network or the environment; ``config`` is the whole run's."""
