"""What the folder of an environment or an agent hands over: the one plug for lrdqn's own parts and
for those of other packages. Nothing here imports jax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

CLICKED_PLACE, NEXT_ACTION = "clicked_place", "next_action"
"""Fields of a stored transition beside (s, a, r, discount, s')."""


class Needs(NamedTuple):
    """What an agent, as configured, needs of an environment and of the training loop."""

    observations: tuple[str, ...] = ()
    """Kinds of observations that it can learn from; empty where its network decides."""
    actions: tuple[str, ...] = ("discrete", "candidates")
    """Action spaces that it can act in: ``discrete``, ``candidates``, ``slate``, ``box``."""
    stored: tuple[str, ...] = ()
    """What replay stores beside (s, a, r, discount, s'): ``CLICKED_PLACE``, ``NEXT_ACTION``."""
    model: bool = False
    """It plans with the environment's transition probabilities."""
    fresh: bool = False
    """It learns from the newest sessions only, each once per pass: replay is a queue, there is no
    warm-up and no target network."""
    consecutive: str = ""
    """The key that asks for consecutive decisions of a session, empty where single ones will do."""


class Offers(NamedTuple):
    """What an environment, as configured, offers to an agent."""

    observations: tuple[str, ...] = ()
    """Kinds of observations (``types.EnvSpec.observation``) of which one is shown; empty where
    that is known only once the environment is made."""
    actions: str = "discrete"
    """The action space: ``discrete`` (numbered actions), ``candidates`` (one of a changing set),
    ``slate`` (several of them at once), ``box`` (real vectors)."""
    slate: int = 1
    """Items shown at once."""
    candidates: int = 0
    """Size of the changing set; 0 where actions are numbered."""
    ordered: bool = False
    """Whether choices depend on the order of a slate, and not only on its items."""
    reveals_choice: bool = False
    """Whether a step tells which place of the slate was clicked."""
    known_choice: bool = False
    """Whether an observation tells the weights with which users choose."""
    consecutive: bool = True
    """Whether each step is a decision; where not, a decision spans several steps."""
    model: bool = False
    """Whether ``params`` holds the transition probabilities."""
    on_host: bool = False
    """Whether it is stepped outside the compiled program."""
    references: bool = False
    """Whether there are exploiters and privileged policies to compare with."""
    ends: bool = True
    """Whether every session ends or is cut, so that the discount may be 1."""


def accept(config: Any) -> None:
    """Accept any configuration."""


def no_worlds(config: Any, seed: int, seeds: int, known: bool) -> Any:
    """Return ``()``: an environment without parameters."""
    return ()


class EnvFamily(NamedTuple):
    """An environment as a plug. Importing the module that holds it must not import jax; functions
    import what they use when they are called."""

    schema: type
    """A ``@dataclass`` derived from ``lrdqn.config.EnvConfig``: its fields are the keys
    ``env.*``."""
    make: Callable[[Any, int], Any]
    """``make(config, sessions) -> types.Env``"""
    offers: Callable[[Any], Offers] | None = None
    """``offers(config)``; ``None`` where only the environment itself tells (``Env.spec``)."""
    worlds: Callable[[Any, int, int, bool], Any] = no_worlds
    """``worlds(config, seed, seeds, known) -> params [seeds, ...]``, host arrays; seed i's world
    does not depend on ``seeds``. ``known``: whether policies have met its streamers."""
    check: Callable[[Any], None] = accept
    """``check(config)``: raise ``ConfigError`` where keys do not fit together; reads no file."""
    check_files: Callable[[Any], None] = accept
    """``check_files(config)``: raise ``InputError`` where a file or a package is missing."""
    baselines: Callable[[Any, Any], Mapping[str, Any]] | None = None
    """``baselines(config, env) -> {name: types.Policy}`` in every table; ``None``: random only."""
    references: Callable[[Any], Mapping[str, Any]] | None = None
    """``references(config) -> {name: types.Policy}``: exploiters and privileged policies."""
    world_bytes: Callable[[Any], Mapping[str, float]] | None = None
    """``world_bytes(config) -> {key: bytes}`` of one seed's world by the key that scales them."""


class AgentFamily(NamedTuple):
    """An agent as a plug, under the same rule of imports."""

    make: Callable[..., Any]
    """``make(config, network, values, spec) -> types.Agent``, or ``(Agent, Policy)`` where the
    greedy policy is not the network's argmax."""
    schema: type | None = None
    """A ``@dataclass`` derived from ``lrdqn.config.AgentConfig`` with the agent's own keys."""
    needs: Callable[[Any], Needs] = lambda config: Needs()
    """``needs(config)``"""
    check: Callable[[Any], None] = accept
    """``check(config)``: raise ``ConfigError`` where the agent's keys do not fit together."""
