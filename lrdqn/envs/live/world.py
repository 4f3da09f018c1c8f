"""The world on the device: population, schedule and laws as one pytree, stackable over seeds."""

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

SIM_VERSION = "3"
"""Bumped with every change of behaviour of the live world."""


def _leaves_of(schema: type) -> Any:
    """A named tuple of a schema's numbers: one scalar leaf per constant, so that any of them can be
    a vmapped axis."""
    numbers = [name for name, kind in typing.get_type_hints(schema).items() if kind is float]
    return namedtuple(schema.__name__.removesuffix("Config"), numbers)


def _numbers(leaves: Any, config: Any) -> Any:
    return leaves(*(np.float32(getattr(config, name)) for name in leaves._fields))


Law, RewardWeights = _leaves_of(UserLawConfig), _leaves_of(RewardConfig)


COHORTS = (COLD_INTERACTIONS, 50)
"""Interactions from which a user belongs to the next cohort: cold, warm, active (SIMULATOR section
7)."""


class Streamers(NamedTuple):
    """What the laws need of a streamer. Row ``S`` is "nothing" and is never on air."""

    style: Float[Array, "S+1 d"]
    category: Float[Array, "S+1 G"]
    popularity: Float[Array, "S+1"]
    """Log popularity."""
    skill: Float[Array, "S+1"]
    hook: Float[Array, "S+1"]
    newcomer: Bool[Array, "S+1"]
    """Makes a debut while the world lasts."""


class Users(NamedTuple):
    """What the laws and the first observation of a session need of a user."""

    interest: Float[Array, "U d"]
    category_bias: Float[Array, "U G"]
    wealth: Float[Array, "U"]
    wealth_rank: Float[Array, "U"]
    """In (0, 1), 1 for the wealthiest."""
    active_hour: Float[Array, "U"]
    reach: Float[Array, "U"]
    """Share of all sessions that this user and those before have."""
    cohort: Int[Array, "U"]
    """Place in ``COHORTS`` by the interactions behind the user."""
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
    """Seeds the hash that decides which two-minute bins of a room are highlights."""

    @property
    def nothing(self) -> int:
        """Id S of the row that stands for "show nothing", in one world (no axis of seeds)."""
        return self.streamers.popularity.shape[0] - 1


def id_dtype(streamers: int) -> type[np.signedinteger[Any]]:
    """Smallest integer type that holds every streamer id and the empty one."""
    return np.int16 if streamers < np.iinfo(np.int16).max else np.int32


def make_world(
    config: LiveConfig,
    population: Population,
    rng: np.random.Generator,
    known: bool = True,
    shown: Any = None,
) -> LiveParams:
    """Draw a schedule for ``population`` and lay everything out as host arrays, padded with the
    empty streamer.

    Args:
        config: the world's config.
        population: users and streamers.
        rng: source of the schedule and of the highlights.
        known: whether policies have met these streamers; ``False`` maps all of them to the shared
            identity row.
        shown: what policies are shown of the streamers' content ``[S, D]`` (``content.CONTENT``);
            ``None`` shows the style.
    """
    ids = id_dtype(len(population.style))

    def pad(x: Any) -> Any:
        return np.concatenate([x, np.zeros_like(x[:1])])

    def scalar(x: Any, dtype: Any = np.float32) -> Any:
        return np.asarray(x, dtype)

    streamers = len(population.style)
    identity = (
        np.arange(1, streamers + 1, dtype=np.int32)
        if known
        else np.full(streamers, UNKNOWN, np.int32)
    )
    # a newcomer has no row of its own in any table learnt before the debut
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
    """Worlds of several seeds with a leading axis ``[seeds]``; their schedules are padded to one
    width."""
    rooms, columns = (
        max(getattr(w.schedule, name).shape[1] for w in worlds) for name in ("start", "on_air")
    )
    wide = [w._replace(schedule=widen(w.schedule, rooms, columns)) for w in worlds]
    return jax.tree.map(lambda *x: np.stack(x), *wide)


def rank_shares(x: Any) -> Any:
    """Place of each value among all ``[n]``, in (0, 1)."""
    place = np.empty(len(x), np.float32)
    place[np.argsort(x, kind="stable")] = (np.arange(len(x)) + 0.5) / len(x)
    return place


def affinity(
    params: LiveParams, interest: Float[Array, "N d"], streamer: Int[Array, "N K"]
) -> Float[Array, "N K"]:
    """Standardised affinity ``(theta_u . e_s - mean) / scale``; with random unit vectors of length
    16, ``4 theta . e``."""
    dot = jnp.einsum("nd,nkd->nk", interest, params.streamers.style[streamer])
    return (dot - params.affinity_mean) / params.affinity_scale


def fresh_utility(
    params: LiveParams,
    taste: Float[Array, "N K"],
    category_bias: Float[Array, "N G"],
    streamer: Int[Array, "N K"],
) -> Float[Array, "N K"]:
    """Standardised utility of a stream to a user who meets it for the first time, without highlight
    or fatigue.

    ``(1.2 a + b_c + .15 L + .4 k + .4 h - m_V) / s_V`` with affinity a, category bias b,
    standardised log popularity L, skill k, hook h; the constants ``m_V, s_V`` are frozen with the
    population.

    Args:
        params: the world.
        taste: ``affinity``.
        category_bias: of the viewers.
        streamer: shown to them.

    Source: SIMULATOR section 0, set J.
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
