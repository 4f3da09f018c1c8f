"""Worlds with the profiles that the platform's log gives; one compiled program for all seeds."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.log.impressions import Logits, make_recorder
from lrdqn.envs.live.log.predictions import Features, fit_predictions
from lrdqn.envs.live.log.rows import rows_of
from lrdqn.envs.live.log.streamers import streamer_records
from lrdqn.envs.live.log.users import user_profiles
from lrdqn.envs.live.world import LiveParams
from lrdqn.observations import Catalogue


class LogMethod(NamedTuple):
    """Parts of the log that other rooms supply."""

    logits: Logits
    """The logging policy."""
    features: Features
    """Features of candidates that the predictions are linear in."""


def make_profiles(
    config: LiveConfig, method: LogMethod
) -> Callable[[PRNGKeyArray, LiveParams], Catalogue]:
    """Return ``profiles(key, world) -> Catalogue``: the static content of a world and, beside it,
    the profiles that the log of the logging policy gives.

    Users who have just joined and streamers before their debut have none.
    """
    record = make_recorder(config, method.logits)

    def profiles(key: PRNGKeyArray, world: LiveParams) -> Catalogue:
        log = record(key, world)
        rows = rows_of(log, world.nothing)
        users = user_profiles(rows, world, world.users.cohort > 0)
        nothing = jnp.arange(world.nothing + 1) == world.nothing
        known = ~(world.streamers.newcomer | nothing)
        streamers = streamer_records(rows, users, world.catalogue, known)
        known_all = world.catalogue._replace(**users._asdict(), record=streamers)
        return known_all._replace(prediction=fit_predictions(log, rows, known_all, method.features))

    return profiles


def profiles_of(
    worlds: LiveParams, config: LiveConfig, method: LogMethod, seeds: list[int]
) -> list[Catalogue]:
    """Return the catalogue of each world with its profiles, as host arrays.

    One program plays world after world, so that a world does not depend on how many there are, and
    one log at a time is in memory.

    Args:
        worlds: with a leading axis ``[seeds]``.
        config: of the worlds.
        method: the logging policy, and the features of the predictions.
        seeds: seed of each world's log.
    """
    program = jax.jit(make_profiles(config, method))

    def one(i: int, seed: int) -> Catalogue:
        catalogue = program(jax.random.key(seed), jax.tree.map(operator.itemgetter(i), worlds))
        return jax.tree.map(np.asarray, catalogue)

    return [one(i, seed) for i, seed in enumerate(seeds)]
