"""Parts built from a frozen configuration: environment, worlds, learner, replay, horizon,
hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lrdqn import baselines
from lrdqn.agents.dqn.agent import make_greedy
from lrdqn.compose.compatibility import needs_of, offers_of
from lrdqn.compose.families import agent_family, env_family, made
from lrdqn.compose.grid import KEYS, value_at
from lrdqn.compose.roots import TrainRun
from lrdqn.config import EnvConfig, NetworkConfig, iteration_steps
from lrdqn.envs.finite import finite_observations
from lrdqn.envs.streams import WORLD_STREAM, stack_seeds, world_stream
from lrdqn.networks.make import make_network
from lrdqn.networks.slates import SlateTable
from lrdqn.ops.losses import LOSSES
from lrdqn.ops.values import Values, make_categorical, make_expected, make_quantile
from lrdqn.replay import make_prioritized, make_queue, make_rank, make_uniform
from lrdqn.train.horizon import Horizon, make_horizon
from lrdqn.types import Agent, AgentParts, Env, Hypers, Learner, Network, Policy, PyTree, Replay


def build_env(config: EnvConfig, sessions: int) -> Env:
    """Return the environment for ``sessions`` sessions that step together; where its observations
    come from other packages' laws, they are kept finite."""
    env = made(Env, env_family(config.kind).make(config, sessions), f"env={config.kind}")
    return finite_observations(env) if env.spec.observation in ("vector", "image") else env


def build_worlds(config: EnvConfig, seed: int, seeds: int, known: bool = True) -> PyTree:
    """Return environment parameters with a leading axis ``[seeds]``, on the host; ``()`` where an
    environment has none.

    Args:
        config: the environment's.
        seed: root of all randomness.
        seeds: number of seeds. The random stream of seed i's world is folded from i, so its world
            does not depend on the number of seeds.
        known: whether policies have met the streamers.
    """
    family = env_family(config.kind)
    if family.worlds is not None:
        return family.worlds(config, seed, seeds, known)
    if family.world is None:
        return ()
    streams = (world_stream(config, seed, i, WORLD_STREAM) for i in range(seeds))
    return stack_seeds([family.world(config, stream) for stream in streams])


def world_bytes(config: EnvConfig) -> dict[str, float]:
    """Return the size of one seed's world by the keys that scale it; empty where it is not
    known."""
    measure = env_family(config.kind).world_bytes
    return {} if measure is None else measure(config)


def build_values(config: TrainRun) -> Values:
    """Return the meaning of the network's last axis, and the loss on it."""
    network = config.network
    if network.value == "categorical":
        return make_categorical(network.atoms, network.v_min, network.v_max)
    if network.value == "quantile":
        return make_quantile(network.atoms, network.kappa)
    return make_expected(LOSSES[getattr(config.agent, "loss", "mse")])


def agent_parts(config: TrainRun, env: Env, worlds: PyTree) -> AgentParts:
    """Return the parts that the configured agent is built from."""
    values = build_values(config)

    def network(
        of: NetworkConfig = config.network, values: Values = values, slates: SlateTable = None
    ) -> Network:
        return make_network(of, env, worlds, values, slates)

    weights = env_family(config.env.kind).choice_weights
    known = None if weights is None else weights(config.env)
    return AgentParts(network, config.network, values, env.spec, offers_of(config), known)


def build_learner(config: TrainRun, env: Env, worlds: PyTree) -> Learner:
    """Return the agent with its network and its greedy policy.

    Raises:
        InputError: the network cannot read the observations, or a plugin returned an object of
            another type.
    """
    parts = agent_parts(config, env, worlds)
    learner = agent_family(config.agent.name).make(config.agent, parts)
    if not isinstance(learner, Learner):
        agent = made(Agent, learner, f"agent={config.agent.name}")
        network = parts.network()
        learner = Learner(agent, network, make_greedy(network))
    return learner


def build_replay(config: TrainRun) -> Replay:
    """Return the replay memory; a queue holds what one iteration writes."""
    make = {"uniform": make_uniform, "prioritized": make_prioritized, "rank": make_rank}
    if config.replay.name == "queue":
        return make_queue(config.replay, passes(config) * iteration_steps(config.train))
    return make[config.replay.name](config.replay)


def passes(config: TrainRun) -> int:
    """Return how many times each transition is learnt from on average."""
    return max(config.replay.batch_size // config.train.update_period, 1)


def build_horizon(config: TrainRun, network: Network) -> Horizon:
    """Return the horizon, which turns one-step transitions into those that replay stores."""
    return make_horizon(config.agent, network, passes(config), needs_of(config))


def build_hypers(config: TrainRun, points: Sequence[Mapping[str, float]]) -> Hypers:
    """Return the float hyper-parameters with a leading axis ``[grid]``, on the host.

    Args:
        config: supplies the values of keys that a point does not name.
        points: one mapping per learner, from dotted keys (``agent.gamma``) to values.
    """
    columns = {
        key.partition(".")[2]: [point.get(key, value_at(config, key)) for point in points]
        for key in KEYS
    }
    return Hypers(**{name: np.asarray(values, np.float32) for name, values in columns.items()})  # type: ignore[arg-type]


def build_baselines(config: EnvConfig, env: Env) -> dict[str, Policy]:
    """Return the policies that do not learn from reward, by their names in the tables."""
    family = env_family(config.kind)
    if family.baselines is None:
        return {"random": baselines.make_random(env.spec)}
    return family.baselines(config, env)


def build_references(config: EnvConfig) -> dict[str, Policy]:
    """Return the exploiters and privileged policies of the environment; empty where it has none."""
    family = env_family(config.kind)
    return {} if family.references is None else family.references(config)
