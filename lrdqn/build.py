"""The only switchboard: from frozen configs to environments, worlds, networks, replays, agents and policies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import jax
import numpy as np

from lrdqn.agents import make_dqn, make_greedy
from lrdqn.baselines import make_content, make_popularity, make_random
from lrdqn.config import (
    GRID_KEYS,
    AgentConfig,
    EnvConfig,
    InputError,
    LiveConfig,
    ProbeConfig,
    ReplayConfig,
    TrainRun,
    value_at,
)
from lrdqn.envs.live import make_live, make_world, sample_population
from lrdqn.envs.live.population import resize
from lrdqn.envs.live.world import stack_worlds
from lrdqn.envs.probes import make_probe
from lrdqn.io.population import load_population
from lrdqn.networks import make_mlp, make_scorer
from lrdqn.networks.scorer import Shapes
from lrdqn.replay import make_prioritized, make_uniform
from lrdqn.train.memory import HEADROOM, size_text
from lrdqn.types import Agent, Env, Hypers, Network, Policy, Population, PyTree, Replay

POPULATION_STREAM, SCHEDULE_STREAM = 0, 1
"""Names of the random streams of a world, so that a schedule does not depend on how its population was drawn."""


def build_env(config: EnvConfig, sessions: int) -> Env:
    """The environment, for ``sessions`` sessions that step together."""
    if config.name == "live":
        return make_live(cast(LiveConfig, config), sessions)
    return make_probe(cast(ProbeConfig, config), sessions)


def world_stream(config: LiveConfig, seed: int, index: int, stream: int) -> np.random.Generator:
    """Random numbers of seed ``index``'s world; the same for all seeds where ``world_seed`` is given."""
    root = (seed, index) if config.world_seed is None else (config.world_seed,)
    return np.random.default_rng([*root, stream])


def build_population(config: LiveConfig, seed: int, index: int) -> Population:
    """The population of seed ``index``: read from its folder, or drawn."""
    if config.population is None:
        return sample_population(config, world_stream(config, seed, index, POPULATION_STREAM))
    return resize(load_population(Path(config.population)), config.history, config.loyalty_slots)


def build_worlds(config: EnvConfig, seed: int, seeds: int, known: bool = True) -> PyTree:
    """Environment parameters with a leading axis ``[seeds]``, on the host; ``()`` where an environment has none.

    Args:
        config: the environment's.
        seed: root of all randomness.
        seeds: how many; seed i's world is folded from its index, so it does not depend on how many there are.
        known: whether policies have met these streamers.
    """
    if config.name != "live":
        return ()
    live = cast(LiveConfig, config)
    shared = live.population is not None or live.world_seed is not None
    population = build_population(live, seed, 0) if shared else None
    worlds = [
        make_world(live, population or build_population(live, seed, i), world_stream(live, seed, i, SCHEDULE_STREAM), known)
        for i in range(seeds)
    ]
    return stack_worlds(worlds)


def refuse_large_worlds(config: EnvConfig, seeds: int, free: int | None) -> None:
    """Raise ``InputError`` where synthetic worlds would not fit, before any is drawn.

    A world's bytes are an affine function of its streamers and users; three small ones give its slopes.
    """
    if config.name != "live" or free is None:
        return
    live = cast(LiveConfig, config)
    small = max(200, live.candidates)
    if live.population is not None or max(live.streamers, live.users) <= 100 * small:
        return

    def size(streamers: int, users: int) -> int:
        mini = dataclasses.replace(live, streamers=streamers, users=users)
        world = make_world(mini, build_population(mini, 0, 0), world_stream(mini, 0, 0, SCHEDULE_STREAM))
        return sum(np.asarray(x).nbytes for x in jax.tree.leaves(world))

    base = size(small, small)
    of = {
        "env.streamers": (size(2 * small, small) - base) / small * live.streamers,
        "env.users": (size(small, 2 * small) - base) / small * live.users,
    }
    total = seeds * sum(of.values())
    if total > HEADROOM * free:
        key = max(of, key=lambda k: of[k])
        value = live.streamers if key == "env.streamers" else live.users
        raise InputError(
            f"{key}={value}: {seeds} worlds would take {size_text(total)}, and {size_text(free)} are free; lower it"
        )


def build_network(config: TrainRun, env: Env, worlds: PyTree) -> Network:
    """The Q-network; a scorer takes its widths from the worlds."""
    if config.network.name == "mlp":
        return make_mlp(config.network, env.spec)
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), worlds)
    _, obs = jax.eval_shape(env.reset, jax.eval_shape(lambda: jax.random.key(0)), one)
    return make_scorer(config.network, Shapes.of(one.catalogue, obs))


def build_replay(config: ReplayConfig) -> Replay:
    """The replay memory."""
    return {"uniform": make_uniform, "prioritized": make_prioritized}[config.name](config)


def build_agent(config: AgentConfig, network: Network) -> Agent:
    """The learner."""
    return make_dqn(config, network)


def build_hypers(config: TrainRun, points: Sequence[Mapping[str, float]]) -> Hypers:
    """Float hyper-parameters with a leading axis ``[grid]``, on the host.

    Args:
        config: gives the value of what a point does not name.
        points: one mapping per learner, from dotted keys (``agent.gamma``) to values.
    """
    columns = {key.partition(".")[2]: [point.get(key, value_at(config, key)) for point in points] for key in GRID_KEYS}
    return Hypers(**{name: np.asarray(values, np.float32) for name, values in columns.items()})  # type: ignore[arg-type]


def build_baselines(env: Env) -> dict[str, Policy]:
    """Policies that do not learn from reward, by the name they have in every table."""
    baselines = {"random": make_random(env.spec)}
    if env.spec.observation == "candidates":
        baselines |= {"popularity": make_popularity(), "content": make_content()}
    return baselines


def build_learned(network: Network) -> Policy:
    """The greedy policy of a trained network; its state is the parameters."""
    return make_greedy(network)
