"""Worlds of all seeds of a run: populations read or drawn, schedules, content, perturbations."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.content import CONTENT
from lrdqn.envs.live.embeddings import load_embeddings
from lrdqn.envs.live.log.attach import LogMethod, profiles_of
from lrdqn.envs.live.perturbation import perturb
from lrdqn.envs.live.population import resize, sample_population
from lrdqn.envs.live.population_arrays import Population
from lrdqn.envs.live.population_folder import load_population
from lrdqn.envs.live.schedule import with_lists
from lrdqn.envs.live.world import LiveParams, make_world, stack_worlds
from lrdqn.envs.streams import world_stream
from lrdqn.types import PyTree

POPULATION_STREAM, SCHEDULE_STREAM, PERTURBATION_STREAM, CONTENT_STREAM, LOG_STREAM = range(5)
"""Random streams of a world, apart so that a schedule does not depend on how its population was
drawn."""


def make_worlds(
    config: LiveConfig,
    seed: int,
    seeds: int,
    known: bool = True,
    method: LogMethod | None = None,
) -> PyTree:
    """Return ``LiveParams`` with a leading axis ``[seeds]``, on the host.

    The platform's log is of the worlds as they were before a perturbation.

    Args:
        config: of the world.
        seed: root of all randomness; seed i's world is folded from its index.
        seeds: how many.
        known: whether policies have met these streamers.
        method: of the log, where there is one.
    """
    shared = config.population is not None or config.world_seed is not None
    population = make_population(config, seed, 0) if shared else None
    table = read_embeddings(
        config, config.streamers if population is None else len(population.style)
    )
    worlds = []
    for i in range(seeds):
        of_seed = population or make_population(config, seed, i)
        shown = make_content(config, of_seed, seed, i, table)
        schedule = world_stream(config, seed, i, SCHEDULE_STREAM)
        worlds.append(make_world(config, of_seed, schedule, known, shown))
    if config.log.impressions and method is not None:
        drawn = (world_stream(config, seed, i, LOG_STREAM) for i in range(seeds))
        keys = [int(stream.integers(2**31)) for stream in drawn]
        catalogues = profiles_of(listed(worlds, config), config, method, keys)
        pairs = zip(worlds, catalogues, strict=True)
        worlds = [world._replace(catalogue=catalogue) for world, catalogue in pairs]
    changes = (world_stream(config, seed, i, PERTURBATION_STREAM) for i in range(seeds))
    pairs = zip(worlds, changes, strict=True)
    return listed(
        [perturb(world, config.perturb, change, config.content_views) for world, change in pairs],
        config,
    )


def listed(worlds: Sequence[LiveParams], config: LiveConfig) -> LiveParams:
    """Return worlds stacked, with the lists of popular and fresh streams that requests draw on."""

    def one(world: LiveParams) -> LiveParams:
        popularity = np.asarray(world.streamers.popularity)
        schedule = with_lists(world.schedule, popularity, config.popular, config.fresh)
        return world._replace(schedule=schedule)

    return stack_worlds([one(world) for world in worlds])


def make_population(config: LiveConfig, seed: int, index: int) -> Population:
    """Read the population of seed ``index`` from its folder, or draw it."""
    if config.population is None:
        return sample_population(config, world_stream(config, seed, index, POPULATION_STREAM))
    return resize(load_population(Path(config.population)), config.history, config.loyalty_slots)


def make_content(
    config: LiveConfig, population: Population, seed: int, index: int, table: Any
) -> Any:
    """Return the content ``[S, D]`` that policies are shown of seed ``index``'s streamers;
    ``table`` holds the rows of ``env.embeddings``."""
    stream = world_stream(config, seed, index, CONTENT_STREAM)
    return CONTENT[config.content](population, config, stream, table)


def read_embeddings(config: LiveConfig, streamers: int) -> Any:
    """Return the rows ``[S, D]`` of ``env.embeddings``; ``None`` where content comes from
    elsewhere."""
    if config.embeddings is None:
        return None
    ids = None if config.embedding_ids is None else Path(config.embedding_ids)
    return load_embeddings(Path(config.embeddings), ids, streamers)


def world_bytes(config: LiveConfig) -> dict[str, float]:
    """Return the bytes of one synthetic world by the key that scales them; empty where the world is
    small or its population is read from a folder.

    They are an affine function of streamers and users; three small worlds give its slopes.
    """
    small = max(200, config.candidates)
    if config.population is not None or max(config.streamers, config.users) <= 100 * small:
        return {}
    table = read_embeddings(config, config.streamers)

    def size(streamers: int, users: int) -> int:
        mini = dataclasses.replace(config, streamers=streamers, users=users)
        drawn = make_population(mini, 0, 0)
        shown = make_content(mini, drawn, 0, 0, None if table is None else table[:streamers])
        world = make_world(mini, drawn, world_stream(mini, 0, 0, SCHEDULE_STREAM), shown=shown)
        return sum(np.asarray(x).nbytes for x in jax.tree.leaves(world))

    base = size(small, small)
    return {
        "env.streamers": (size(2 * small, small) - base) / small * config.streamers,
        "env.users": (size(small, 2 * small) - base) / small * config.users,
    }
