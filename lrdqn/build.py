"""The only switchboard: from frozen configs to environments, worlds, networks, replays, agents and
policies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np

from lrdqn import baselines
from lrdqn.agents.dqn.agent import make_dqn, make_greedy
from lrdqn.agents.full_slate.agent import SlateSet, over_slates, policy_over_slates, slates_of
from lrdqn.agents.slateq.agent import make_slate_greedy, make_slateq
from lrdqn.agents.slateq.choice_models import ChoiceModel, conditional_logit, known_choice_model
from lrdqn.agents.tabular.agent import make_double_q_learning, make_q_learning, make_value_iteration
from lrdqn.compose import plugins
from lrdqn.compose.compatibility import READS, order_counts
from lrdqn.compose.roots import TrainRun
from lrdqn.config import AgentConfig, EnvConfig, InputError, NetworkConfig
from lrdqn.config.family import CLICKED_PLACE, NEXT_ACTION, Needs
from lrdqn.config.grid import KEYS as GRID_KEYS
from lrdqn.config.grid import value_at
from lrdqn.config.train import iteration_steps
from lrdqn.envs.garnet.config import GarnetConfig
from lrdqn.envs.garnet.env import make_garnet, make_garnet_world
from lrdqn.envs.gymnasium.config import GymnasiumConfig
from lrdqn.envs.gymnasium.env import make_gymnasium
from lrdqn.envs.gymnax.config import GymnaxConfig
from lrdqn.envs.gymnax.env import make_gymnax
from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.content import CONTENT
from lrdqn.envs.live.embeddings import load_embeddings
from lrdqn.envs.live.env import make_live
from lrdqn.envs.live.perturbation import perturb
from lrdqn.envs.live.population import resize, sample_population
from lrdqn.envs.live.population_arrays import Population
from lrdqn.envs.live.population_folder import load_population
from lrdqn.envs.live.schedule import with_lists
from lrdqn.envs.live.tick.env import make_tick_live
from lrdqn.envs.live.world import make_world, stack_worlds
from lrdqn.envs.probes.config import ProbeConfig
from lrdqn.envs.probes.env import make_probe
from lrdqn.envs.recsim.config import RecsimConfig
from lrdqn.envs.recsim.env import make_recsim, make_recsim_task
from lrdqn.networks import (
    flat_size,
    make_cnn,
    make_documents,
    make_mlp,
    make_scorer,
    make_table,
    on_flat_observations,
)
from lrdqn.networks.live_scorer import Shapes
from lrdqn.ops.losses import LOSSES
from lrdqn.ops.values import Values, make_categorical, make_expected, make_quantile
from lrdqn.replay import make_prioritized, make_queue, make_rank, make_uniform
from lrdqn.train.horizon import Horizon, make_horizon
from lrdqn.train.memory import HEADROOM, size_text
from lrdqn.types import Agent, Env, EnvSpec, Hypers, Network, Policy, PyTree, Replay

T = TypeVar("T")
Slates = ChoiceModel | SlateSet | None
"""What an agent that fills slates needs to know of them; ``None`` for others."""

OFFERING = ("candidates", "documents")
"""Kinds of observations of a changing set of candidates."""

POPULATION_STREAM, SCHEDULE_STREAM, PERTURBATION_STREAM, CONTENT_STREAM = 0, 1, 2, 3
"""Names of the random streams of a world, so that a schedule does not depend on how its population
was drawn."""

PASSED_OVER = ("renewal_topk", "renewal_greedy")
"""What is known to play ``env=recsim`` and stands in no run's table: ``renewal_exact`` fills the
same slates better."""


def build_env(config: EnvConfig, sessions: int) -> Env:
    """The environment, for ``sessions`` sessions that step together."""
    if config.kind == "live":
        live = cast(LiveConfig, config)
        return (make_tick_live if live.clock == "tick" else make_live)(live, sessions)
    if config.kind == "garnet":
        return make_garnet(cast(GarnetConfig, config), sessions)
    if config.kind == "gymnax":
        return make_gymnax(cast(GymnaxConfig, config), sessions)
    if config.kind == "gymnasium":
        return make_gymnasium(cast(GymnasiumConfig, config), sessions)
    if config.kind == "probe":
        return make_probe(cast(ProbeConfig, config), sessions)
    if config.kind == "recsim":
        return make_recsim(cast(RecsimConfig, config), sessions)
    return of_kind(
        Env, plugins.load("env", config.kind).make(config, sessions), f"env={config.kind}"
    )


def of_kind(kind: type[T], made: Any, what: str) -> T:
    """What a plugin made.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(made, kind):
        raise InputError(
            f"{what}: the plugin made a {type(made).__name__}; "
            f"must make a lrdqn.types.{kind.__name__}"
        )
    return made


def world_stream(config: EnvConfig, seed: int, index: int, stream: int) -> np.random.Generator:
    """Random numbers of seed ``index``'s world; the same for all seeds where there is a
    ``world_seed`` and it is given."""
    world_seed = getattr(config, "world_seed", None)
    root = (seed, index) if world_seed is None else (world_seed,)
    return np.random.default_rng([*root, stream])


def build_population(config: LiveConfig, seed: int, index: int) -> Population:
    """The population of seed ``index``: read from its folder, or drawn."""
    if config.population is None:
        return sample_population(config, world_stream(config, seed, index, POPULATION_STREAM))
    return resize(load_population(Path(config.population)), config.history, config.loyalty_slots)


def build_content(
    config: LiveConfig, population: Population, seed: int, index: int, table: Any
) -> Any:
    """What policies are shown of seed ``index``'s streamers ``[S, D]``; ``table`` holds the rows of
    ``env.embeddings``."""
    return CONTENT[config.content](
        population, config, world_stream(config, seed, index, CONTENT_STREAM), table
    )


def build_worlds(config: EnvConfig, seed: int, seeds: int, known: bool = True) -> PyTree:
    """Environment parameters with a leading axis ``[seeds]``, on the host; ``()`` where an
    environment has none.

    Args:
        config: the environment's.
        seed: root of all randomness.
        seeds: how many; seed i's world is folded from its index, so it does not depend on how many
            there are.
        known: whether policies have met these streamers.
    """
    if config.kind == "garnet":
        garnet = cast(GarnetConfig, config)
        streams = (world_stream(garnet, seed, i, POPULATION_STREAM) for i in range(seeds))
        return stacked([make_garnet_world(garnet, stream) for stream in streams])
    if config.kind in ("probe", "gymnax", "gymnasium", "recsim"):
        return ()
    if config.kind != "live":
        return plugin_worlds(config, seed, seeds)
    live = cast(LiveConfig, config)
    shared = live.population is not None or live.world_seed is not None
    population = build_population(live, seed, 0) if shared else None
    table = read_embeddings(live, live.streamers if population is None else len(population.style))
    worlds = []
    for i in range(seeds):
        of_seed = population or build_population(live, seed, i)
        shown = build_content(live, of_seed, seed, i, table)
        world = make_world(
            live, of_seed, world_stream(live, seed, i, SCHEDULE_STREAM), known, shown
        )
        world = perturb(
            world,
            live.perturb,
            world_stream(live, seed, i, PERTURBATION_STREAM),
            live.content_views,
        )
        lists = with_lists(
            world.schedule, np.asarray(world.streamers.popularity), live.popular, live.fresh
        )
        worlds.append(world._replace(schedule=lists))
    return stack_worlds(worlds)


def read_embeddings(config: LiveConfig, streamers: int) -> Any:
    """The rows ``[S, D]`` of ``env.embeddings``; nothing where content comes from elsewhere."""
    if config.embeddings is None:
        return None
    ids = None if config.embedding_ids is None else Path(config.embedding_ids)
    return load_embeddings(Path(config.embeddings), ids, streamers)


def plugin_worlds(config: EnvConfig, seed: int, seeds: int) -> PyTree:
    """Worlds of a third party's environment, each from its own random stream; ``()`` where it has
    none."""
    world = plugins.load("env", config.kind).world
    if world is None:
        return ()
    return stacked(
        [world(config, world_stream(config, seed, i, POPULATION_STREAM)) for i in range(seeds)]
    )


def stacked(worlds: Sequence[PyTree]) -> PyTree:
    """Worlds of several seeds with a leading axis, in types that devices hold (NumPy draws
    float64)."""

    def stack(*leaves: Any) -> np.ndarray:
        whole = np.stack(leaves)
        return whole.astype(jax.dtypes.canonicalize_dtype(whole.dtype))

    return jax.tree.map(stack, *worlds)


def refuse_large_worlds(config: EnvConfig, seeds: int, free: int | None) -> None:
    """Raise ``InputError`` where synthetic worlds would not fit, before any is drawn.

    A world's bytes are an affine function of its streamers and users; three small ones give its
    slopes.
    """
    if config.kind != "live" or free is None:
        return
    live = cast(LiveConfig, config)
    small = max(200, live.candidates)
    if live.population is not None or max(live.streamers, live.users) <= 100 * small:
        return

    table = read_embeddings(live, live.streamers)

    def size(streamers: int, users: int) -> int:
        mini = dataclasses.replace(live, streamers=streamers, users=users)
        drawn = build_population(mini, 0, 0)
        shown = build_content(mini, drawn, 0, 0, None if table is None else table[:streamers])
        world = make_world(mini, drawn, world_stream(mini, 0, 0, SCHEDULE_STREAM), shown=shown)
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
            f"{key}={value}: {seeds} worlds would take {size_text(total)}, "
            f"and {size_text(free)} are free; lower it"
        )


def build_values(config: TrainRun) -> Values:
    """What the network's last axis means, and the loss on it."""
    network = config.network
    if network.value == "categorical":
        return make_categorical(network.atoms, network.v_min, network.v_max)
    if network.value == "quantile":
        return make_quantile(network.atoms, network.kappa)
    return make_expected(LOSSES[config.agent.loss])


def build_network(
    config: NetworkConfig, env: Env, worlds: PyTree, values: Values, slates: Slates = None
) -> Network:
    """The Q-network; a scorer takes its widths from the worlds, and one of full slates has
    ``slates``.

    Raises:
        InputError: it cannot read this environment's observations.
    """
    shown, kinds = env.spec.observation, " or ".join(READS[config.name])
    flat = slates is not None and config.name == "mlp" and shown in OFFERING
    if shown not in READS[config.name] and not flat:
        fitting = " or ".join(f"network={name}" for name, read in READS.items() if shown in read)
        advice = f"use {fitting}" if fitting else "no network reads that"
        raise InputError(
            f"network={config.name}: reads {kinds}, and env={env.spec.name} shows {shown}; {advice}"
        )
    if config.name == "table":
        return make_table(env.spec)
    if config.name in ("mlp", "cnn") and shown not in OFFERING:
        return {"mlp": make_mlp, "cnn": make_cnn}[config.name](config, env.spec, values)
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), worlds)
    _, obs = jax.eval_shape(env.reset, jax.eval_shape(lambda: jax.random.key(0)), one)
    catalogue = jax.eval_shape(env.catalogue, one)
    pages = slates_of(slates) if isinstance(slates, SlateSet) else None
    if config.name == "mlp" and pages is not None:
        vectors = env.spec._replace(
            observation="vector", actions=len(pages), obs_shape=(flat_size(obs, catalogue),)
        )
        return on_flat_observations(make_mlp(config, vectors, values), pages)
    if shown == "documents":
        return make_documents(config, obs, catalogue, values, pages)
    return make_scorer(config, Shapes.of(one.catalogue, obs), values, pages)


def build_replay(config: TrainRun) -> Replay:
    """The replay memory; a queue holds what one iteration writes."""
    if config.replay.name == "queue":
        return make_queue(config.replay, passes(config) * iteration_steps(config.train))
    return {"uniform": make_uniform, "prioritized": make_prioritized, "rank": make_rank}[
        config.replay.name
    ](config.replay)


def passes(config: TrainRun) -> int:
    """Times that each transition is learnt from, on average."""
    return max(config.replay.batch_size // config.train.update_period, 1)


def build_horizon(config: TrainRun, network: Network) -> Horizon:
    """What becomes of one-step transitions before they are stored."""
    return make_horizon(config.agent, network, passes(config), build_needs(config))


def build_needs(config: TrainRun) -> Needs:
    """Return what the agent needs of the training loop."""
    clicks = (CLICKED_PLACE,) if config.agent.name == "slateq" else ()
    following = (NEXT_ACTION,) if config.agent.target == "sarsa" else ()
    return Needs(stored=clicks + following, fresh=config.agent.target == "lambda")


def slate_set(config: TrainRun) -> SlateSet | None:
    """The actions of ``agent=full_slate``; nothing for others."""
    env = cast(RecsimConfig, config.env)  # or LiveConfig, which names these keys alike
    if config.agent.name != "full_slate":
        return None
    return SlateSet(env.candidates, env.slate, order_counts(env))


def build_choice(config: TrainRun, env: Env, worlds: PyTree) -> ChoiceModel | None:
    """How ``agent=slateq`` takes viewers to choose: as the environment says, or as it learns they
    do; nothing for others."""
    if config.agent.name != "slateq":
        return None
    if config.env.kind == "recsim" and config.agent.slate.choice in ("auto", "told"):
        return known_choice_model(make_recsim_task(cast(RecsimConfig, config.env), 1).weights)
    plain = dataclasses.replace(config.network, head="linear", layers="dense", value="mean")
    return conditional_logit(build_network(plain, env, worlds, make_expected(LOSSES["mse"])))


def build_agent(
    config: AgentConfig,
    network: Network,
    values: Values,
    spec: EnvSpec,
    slates: Slates = None,
) -> Agent:
    """The learner; ``slates`` from ``build_choice`` or ``slate_set``, for those that fill them."""
    if config.name == "dqn":
        return make_dqn(config, network, values)
    if isinstance(slates, ChoiceModel):
        return make_slateq(config, network, values, slates, spec.slate)
    if isinstance(slates, SlateSet):
        return over_slates(make_dqn(config, network, values), slates)
    tabular = {
        "q_learning": make_q_learning,
        "double_q_learning": make_double_q_learning,
        "value_iteration": make_value_iteration,
    }
    if config.name in tabular:
        return tabular[config.name](config, spec)
    made = plugins.load("agent", config.name).make(config, network, values, spec)
    return counting(of_kind(Agent, made, f"agent={config.name}"))


def counting(agent: Agent) -> Agent:
    """An agent whose metrics have ``nonfinite``, which every run adds up (DESIGN P20), where it
    does not count itself."""

    def update(*arguments: Any) -> tuple[PyTree, jax.Array, dict[str, jax.Array]]:
        state, td_error, metrics = agent.update(*arguments)
        return state, td_error, {"nonfinite": jnp.sum(~jnp.isfinite(td_error)), **metrics}

    return agent._replace(update=update)


def build_hypers(config: TrainRun, points: Sequence[Mapping[str, float]]) -> Hypers:
    """Float hyper-parameters with a leading axis ``[grid]``, on the host.

    Args:
        config: gives the value of what a point does not name.
        points: one mapping per learner, from dotted keys (``agent.gamma``) to values.
    """
    columns = {
        key.partition(".")[2]: [point.get(key, value_at(config, key)) for point in points]
        for key in GRID_KEYS
    }
    return Hypers(**{name: np.asarray(values, np.float32) for name, values in columns.items()})  # type: ignore[arg-type]


def build_baselines(env: Env, config: EnvConfig | None = None) -> dict[str, Policy]:
    """Policies that do not learn from reward, by the name they have in every table.

    Args:
        env: what they play.
        config: its config, which may name more: an action of one that always takes it (``idle``),
            and what is known to play ``env=recsim``.
    """
    if config is not None and config.kind == "recsim":
        known = build_slates(cast(RecsimConfig, config))
        return {name: policy for name, policy in known.items() if name not in PASSED_OVER}
    spec, idle = env.spec, getattr(config, "idle", None)
    slates = spec.slate > 1 or spec.observation == "documents"
    found = {"random": (baselines.make_random_slate if slates else baselines.make_random)(spec)}
    if spec.observation == "candidates":
        ranked = {"popularity": baselines.make_popularity(), "content": baselines.make_content()}
        found |= {name: baselines.as_page(policy, spec.slate) for name, policy in ranked.items()}
    if idle is not None:
        found |= {"idle": baselines.make_constant(spec, idle)}
    return found


def build_references(config: LiveConfig) -> dict[str, Policy]:
    """What a learner on the live world is measured by besides: exploiters, and privileged policies,
    which see the truth.

    On pages exploiters show their best few, and there are two myopic oracles, by an exact and by a
    greedy optimiser.
    """
    exploiters = {
        "one_place": baselines.make_place(config.candidates),
        "one_category": baselines.make_category(),
        "one_streamer": baselines.make_streamer(),
        "always_repeat": baselines.make_repeat(),
        "linear": baselines.make_linear(),
        "static_ranking": baselines.make_static(),
    }
    if config.slate == 1:
        return exploiters | {
            "oracle_myopic": baselines.make_index(config),
            "oracle_planner": baselines.make_index(config, baselines.PLANNER_WEIGHTS),
        }
    return {
        name: baselines.as_page(policy, config.slate) for name, policy in exploiters.items()
    } | {
        "oracle_myopic": baselines.make_page_index(config, "exact"),
        "oracle_greedy": baselines.make_page_index(config, "greedy"),
        "oracle_planner": baselines.make_page_index(config, "exact", baselines.PLANNER_WEIGHTS),
    }


def build_slates(config: RecsimConfig) -> dict[str, Policy]:
    """What is known to play ``env=recsim`` without learning, by the name it has in every table."""
    task = make_recsim_task(config, 1)
    found = {"random": baselines.make_random_slate(make_recsim(config, 1).spec)}
    if config.task == "long_term_satisfaction":
        return found | {
            f"clickbait_{c:g}": baselines.make_clickbait(config.slate, c) for c in (0.0, 0.5, 1.0)
        }
    found |= {
        f"myopic_{name}": baselines.make_myopic(task, config.slate, name)
        for name in ("topk", "greedy")
    }
    if config.task == "interest_evolution" and config.sampler == "utility":
        found |= {"static_ranking": baselines.make_topic_ranking(config)}
        found |= {
            f"renewal_{name}": baselines.make_renewal(config, task, name)
            for name in ("topk", "greedy", "exact")
        }
    return found


def build_learned(
    config: AgentConfig, network: Network, spec: EnvSpec, slates: Slates = None
) -> Policy:
    """The greedy policy of what an agent learns; its state is the parameters."""
    if isinstance(slates, ChoiceModel):
        return make_slate_greedy(config, network, slates, spec.slate)
    greedy = make_greedy(network)
    return policy_over_slates(greedy, slates) if isinstance(slates, SlateSet) else greedy
