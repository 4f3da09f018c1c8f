"""World as one pytree: population, schedule and laws, stackable over seeds."""

from __future__ import annotations

import typing
from collections import namedtuple
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.affinity import standard_popularity
from lrdqn.envs.live.config import LiveConfig, RewardConfig, UserLawConfig
from lrdqn.envs.live.daily_patterns import COLD_INTERACTIONS
from lrdqn.envs.live.population_arrays import Population
from lrdqn.envs.live.schedule import Schedule, sample_schedule, widen
from lrdqn.observations import UNKNOWN, Catalogue


def _leaves_of(schema: type) -> Any:
    """Return a named tuple type of a schema's numbers: one scalar leaf per constant, so that any of
    them can be a vmapped axis."""
    numbers = [name for name, kind in typing.get_type_hints(schema).items() if kind is float]
    return namedtuple(schema.__name__.removesuffix("Config"), numbers)


def _numbers(leaves: Any, config: Any) -> Any:
    return leaves(*(np.float32(getattr(config, name)) for name in leaves._fields))


Law, RewardWeights = _leaves_of(UserLawConfig), _leaves_of(RewardConfig)


COHORTS = (COLD_INTERACTIONS, 50)
"""Interactions from which a user belongs to the next cohort: cold, warm, active."""


class Streamers(NamedTuple):
    """Fields of streamers that the laws read. Row ``S`` is "nothing" and is never on air."""

    style: Float[Array, "S+1 d"]
    category: Float[Array, "S+1 G"]
    popularity: Float[Array, "S+1"]
    """Log popularity."""
    skill: Float[Array, "S+1"]
    hook: Float[Array, "S+1"]
    newcomer: Bool[Array, "S+1"]
    """Has a debut within the schedule."""


class Users(NamedTuple):
    """Fields of users that the laws and the first observation of a session read."""

    interest: Float[Array, "U d"]
    category_bias: Float[Array, "U G"]
    wealth: Float[Array, "U"]
    wealth_rank: Float[Array, "U"]
    """In (0, 1), 1 for the wealthiest."""
    active_hour: Float[Array, "U"]
    reach: Float[Array, "U"]
    """Cumulative share of all sessions, up to and with this user."""
    cohort: Int[Array, "U"]
    """Index of the cohort by interactions (``COHORTS``)."""
    history: Int[Array, "U H"]
    history_watch: Float[Array, "U H"]
    history_reaction: Int[Array, "U H"]
    loyalty: Int[Array, "U L"]
    loyalty_strength: Float[Array, "U L"]
    loyalty_hours: Float[Array, "U L"]
    followed: Float[Array, "U L"]


class LiveParams(NamedTuple):
    """Parameters of the live world (``Env.params``)."""

    streamers: Streamers
    users: Users
    catalogue: Catalogue
    schedule: Schedule
    law: UserLawConfig
    weights: RewardConfig
    affinity_mean: Float[Array, ""]
    affinity_scale: Float[Array, ""]
    utility_mean: Float[Array, ""]
    utility_scale: Float[Array, ""]
    salt: Int[Array, ""]
    """Salt of the hash that decides which two-minute bins of a room are highlights."""

    @property
    def nothing(self) -> int:
        """Id S of the row that stands for "show nothing", in one world (no axis of seeds)."""
        return self.streamers.popularity.shape[0] - 1


def id_dtype(streamers: int) -> type[np.signedinteger[Any]]:
    """Return the smallest integer type that holds every streamer id and the empty one."""
    return np.int16 if streamers < np.iinfo(np.int16).max else np.int32


def make_world(
    config: LiveConfig,
    population: Population,
    rng: np.random.Generator,
    known: bool = True,
    shown: Any = None,
) -> LiveParams:
    """Draw a schedule for ``population`` and return the world as host arrays, padded with the empty
    streamer.

    Args:
        config: the world's config.
        population: users and streamers.
        rng: source of the schedule and of the highlights.
        known: whether policies have met these streamers; ``False`` maps all of them to the shared
            identity row.
        shown: the streamers' content as policies see it ``[S, D]`` (``content.CONTENT``); ``None``
            shows the style.
    """
    ids = id_dtype(len(population.style))

    def pad(x: Any) -> Any:
        return np.concatenate([x, np.zeros_like(x[:1])])

    def scalar(x: Any, dtype: Any = np.float32) -> Any:
        return np.asarray(x, dtype)

    def empty(rows: int, columns: int = 0) -> Any:
        return np.zeros((rows, columns), np.float32)

    streamers = len(population.style)
    identity = (
        np.arange(1, streamers + 1, dtype=np.int32)
        if known
        else np.full(streamers, UNKNOWN, np.int32)
    )
    # a newcomer has no row of its own in a table learnt before the debut
    identity = np.where(population.debut > 0, UNKNOWN, identity)
    shares = np.cumsum(population.activity, dtype=np.float64)
    return LiveParams(
        streamers=Streamers(
            style=pad(population.style),
            category=pad(population.category),
            popularity=pad(population.log_popularity),
            skill=pad(population.skill),
            hook=pad(population.hook),
            newcomer=pad(population.debut > 0),
        ),
        users=Users(
            interest=population.interest,
            category_bias=population.category_bias,
            wealth=population.wealth,
            wealth_rank=rank_shares(population.wealth),
            active_hour=population.active_hour,
            reach=(shares / shares[-1]).astype(np.float32),
            cohort=np.searchsorted(COHORTS, population.interactions, side="right").astype(np.int8),
            history=population.history.astype(ids),
            history_watch=np.log1p(population.history_watch).astype(np.float16),
            history_reaction=population.history_reaction.astype(np.uint8),
            loyalty=population.loyalty,
            loyalty_strength=population.loyalty_strength,
            loyalty_hours=population.loyalty_hours,
            followed=population.followed,
        ),
        catalogue=Catalogue(
            identity=scalar(np.append(identity, streamers + 1), np.int32),
            style=pad(population.style if shown is None else shown),
            category=pad(population.category),
            tags=pad(population.tags),
            profile=population.profile,
            taste=empty(len(population.profile)),
            habits=empty(len(population.profile)),
            record=empty(streamers + 1),
            prediction=empty(0, 2),
        ),
        schedule=sample_schedule(config, population, rng),
        law=_numbers(Law, config.law),
        weights=_numbers(RewardWeights, config.reward),
        affinity_mean=scalar(population.affinity_mean),
        affinity_scale=scalar(population.affinity_scale),
        utility_mean=scalar(population.utility_mean),
        utility_scale=scalar(population.utility_scale),
        salt=scalar(rng.integers(0, 2**32, dtype=np.uint32), np.uint32),
    )


def stack_worlds(worlds: list[LiveParams]) -> LiveParams:
    """Stack the worlds of several seeds along a leading axis ``[seeds]``; schedules are padded to
    one width."""
    rooms, columns = (
        max(getattr(w.schedule, name).shape[1] for w in worlds) for name in ("start", "on_air")
    )
    wide = [w._replace(schedule=widen(w.schedule, rooms, columns)) for w in worlds]
    return jax.tree.map(lambda *x: np.stack(x), *wide)


def rank_shares(x: Any) -> Any:
    """Return the rank of each value among all ``[n]``, scaled to (0, 1)."""
    place = np.empty(len(x), np.float32)
    place[np.argsort(x, kind="stable")] = (np.arange(len(x)) + 0.5) / len(x)
    return place


def affinity(
    params: LiveParams, interest: Float[Array, "N d"], streamer: Int[Array, "N K"]
) -> Float[Array, "N K"]:
    """Return the standardised affinity ``(theta_u . e_i - m_a) / s_a``.

    For random unit vectors of length 16 this is ``4 theta . e``.
    """
    dot = jnp.einsum("nd,nkd->nk", interest, params.streamers.style[streamer])
    return (dot - params.affinity_mean) / params.affinity_scale


def fresh_utility(
    params: LiveParams,
    taste: Float[Array, "N K"],
    category_bias: Float[Array, "N G"],
    streamer: Int[Array, "N K"],
) -> Float[Array, "N K"]:
    """Return the standardised utility of streams without loyalty, highlight and fatigue.

    ``(w_a a + b_g + w_P L + w_k k + w_h h - m_V) / s_V`` with affinity a, category bias b_g,
    standardised log popularity L, skill k and hook h; ``m_V, s_V`` are frozen with the population.

    Args:
        params: the world.
        taste: a, ``affinity``.
        category_bias: of the users.
        streamer: shown to them.

    Source: envs/live/README.md, section 5; the weights are design choices.
    """
    law, s = params.law, params.streamers
    bias = jnp.einsum("ng,nkg->nk", category_bias, s.category[streamer])
    raw = (
        law.affinity * taste
        + bias
        + law.popularity * standard_popularity(s.popularity[streamer])
        + law.skill * s.skill[streamer]
        + law.hook * s.hook[streamer]
    )
    return (raw - params.utility_mean) / params.utility_scale
