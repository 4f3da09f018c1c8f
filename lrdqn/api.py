"""The Python front door: configurations, environments, training, evaluation, runs, saved policies.

Names and values are the command line's own; mistakes are its one-liners, raised as ``InputError``.
Import these functions from ``lrdqn`` itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
from hydra import initialize_config_dir
from jaxtyping import Array, Float, Int, PRNGKeyArray
from omegaconf import OmegaConf

from lrdqn import build
from lrdqn.compose.compatibility import needs_of, offers_of
from lrdqn.compose.families import env_family
from lrdqn.compose.freeze import freeze
from lrdqn.compose.grid import points_of
from lrdqn.compose.overrides import CONF, compose_job, with_environment
from lrdqn.compose.record import resolved, with_absolute_paths
from lrdqn.compose.roots import TrainRun, register_schemas
from lrdqn.config import InputError
from lrdqn.report.evaluation import Evaluation
from lrdqn.runner.checkpoint import load_policy as load_parameters
from lrdqn.runner.compile import evaluator
from lrdqn.runner.devices import seed_keys
from lrdqn.runner.experiment import TRAIN_STREAM, Experiment
from lrdqn.runner.folder import Files, read_resolved, read_summary
from lrdqn.runner.run import run_in
from lrdqn.train import TrainState, clock_at, make_plan, make_trainer
from lrdqn.types import Env, Hypers, Params, Policy, PyTree, View

OVERRIDES: WeakKeyDictionary[TrainRun, tuple[str, ...]] = WeakKeyDictionary()
"""The words that each configuration was made of, so that ``lrdqn train resume=`` can go on with a
run that was started here."""

Train = Callable[[PRNGKeyArray, PyTree, Hypers], tuple[TrainState, dict[str, Array]]]


def make_config(*overrides: str) -> TrainRun:
    """Return the frozen configuration of ``lrdqn train OVERRIDES``.

    Args:
        overrides: the command line's words, ``"agent=rainbow"``, ``"env.streamers=200"``; those of
            the environment variable ``LRDQN_OVERRIDES`` follow them.

    Returns:
        A ``TrainRun`` that cannot be changed; ``dataclasses.replace`` makes a changed one, and
        ``dataclasses.asdict`` shows every key.

    Raises:
        InputError: unknown key or name, value out of range, parts that do not go together, or a
            file that is missing.
    """
    words = with_environment("train", overrides)
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = freeze(TrainRun, compose_job("train", words))
    env_family(config.env.kind).check_files(config.env)
    OVERRIDES[config] = tuple(words)
    return config


def make_env(config: TrainRun) -> tuple[Env, PyTree]:
    """Return the environment and the world of its first seed.

    ``env.reset(key, world) -> state, obs`` and
    ``env.step(key, state, action, world) -> state, timestep`` are pure functions of
    ``config.train.sessions`` sessions that step together; ended ones are reset in the same call
    (``types.Env``, ``types.TimeStep``).

    Raises:
        InputError: the worlds do not fit into memory, or a file is not what it must be.
    """
    env = build.build_env(config.env, config.train.sessions)
    worlds = build.build_worlds(config.env, config.train.seed, 1)
    return env, jax.tree.map(lambda x: jnp.asarray(x[0]), worlds)


def seeds(config: TrainRun) -> tuple[PRNGKeyArray, PyTree, Hypers]:
    """Return keys, worlds and hyper-parameters of all seeds, each with a leading axis ``[seeds]``:
    the arguments of ``jax.vmap(make_train(config))``. Seed i's do not depend on how many there are.
    """
    train = config.train
    keys = seed_keys(train.seed, train.seeds, TRAIN_STREAM)
    worlds = jax.device_put(build.build_worlds(config.env, train.seed, train.seeds))
    hypers = build.build_hypers(config, [{}])
    return keys, worlds, jax.tree.map(lambda x: jnp.broadcast_to(x[0], (train.seeds,)), hypers)


def make_train(config: TrainRun) -> Train:
    """Return ``train(key, world, hypers) -> state, metrics``: a whole training run of one learner
    as a pure function, for ``jax.jit`` and ``jax.vmap`` over seeds, worlds or hyper-parameters.

    Every ``Hypers`` leaf may be traced, so ``vmap`` over ``hypers._replace(learning_rate=...)`` is
    a grid. ``metrics`` has one entry per evaluation period (``train.eval_period``), with
    ``env_steps`` among them. The myopic twin and the points of ``grid`` are not trained: they are
    other ``hypers``.

    Raises:
        InputError: the configuration has a grid, or its environment is stepped outside jit.
    """
    if points_of(config.grid) != [{}]:
        raise InputError("grid: make_train trains one learner; vmap over hypers instead")
    if why := offers_of(config).lacks.get("compiled"):
        raise InputError(f"env={config.env.kind} {why}; use lrdqn.run")
    train = config.train
    worlds = build.build_worlds(config.env, train.seed, 1)
    env = build.build_env(config.env, train.sessions)
    agent, network, _ = build.build_learner(config, env, worlds)
    plan = make_plan(train, config.replay.batch_size, needs_of(config))
    trainer = make_trainer(
        env,
        agent,
        build.build_replay(config),
        build.build_horizon(config, network),
        plan,
        config.agent,
        train,
        needs_of(config),
    )

    def train_one(
        key: PRNGKeyArray, world: PyTree, hypers: Hypers
    ) -> tuple[TrainState, dict[str, Array]]:
        state = trainer.warmup(trainer.init(key, world, hypers), world, hypers)
        clocks = jax.tree.map(
            lambda *x: jnp.stack(x), *(clock_at(plan, i) for i in range(plan.chunks))
        )
        state, metrics = jax.lax.scan(
            lambda state, clock: trainer.chunk(state, world, hypers, clock), state, clocks
        )
        steps = plan.chunk_steps * jnp.arange(1, plan.chunks + 1, dtype=jnp.int32)
        return state, metrics | {"env_steps": steps}

    return train_one


def evaluate(config: TrainRun, state: TrainState, seed: int | None = None) -> Evaluation:
    """Return the table of the learned policies and the baselines on the same session starts.

    Args:
        config: that ``state`` was trained with.
        state: of ``jax.vmap(make_train(config))``, leading axis ``[seeds]``.
        seed: root of the session starts; ``None`` takes those of ``lrdqn train``'s own table.

    Raises:
        InputError: ``state`` has another number of seeds.
    """
    leaves = jax.tree.leaves(state.agent)
    count = leaves[0].shape[0] if leaves and leaves[0].ndim else 0
    if count != config.train.seeds:
        raise InputError(f"state: has {count} seeds; must have train.seeds={config.train.seeds}")
    alone = dataclasses.replace(config, train=dataclasses.replace(config.train, myopic=False))
    experiment = Experiment(alone, points=[{}])
    one_point = jax.tree.map(lambda x: x[:, None], experiment.agent.policy_params(state.agent))
    program = jax.jit(evaluator(experiment.eval_env, experiment.learned, 1, experiment.baselines))
    root = config.train.seed if seed is None else seed
    table = experiment.evaluate_table(program, one_point, root)
    return Evaluation(experiment.results(table, experiment.learners[0].name))


def run(
    config: TrainRun,
    folder: str | Path,
    *,
    files: Files | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any] | None:
    """Train in a folder and leave there what ``lrdqn train hydra.run.dir=FOLDER`` leaves.

    Args:
        config: of ``make_config``; with ``"resume=auto"`` among its words a run that is in the
            folder goes on.
        folder: the run folder; made where it is missing.
        files: texts to keep beside the results; ``None`` writes them from ``config``.
        say: prints a line that stays.

    Returns:
        The summary, also in ``summary.json``; ``None`` where a signal stopped the run and it has
        been saved.

    Raises:
        InputError: the folder is taken, or a checkpoint or the memory is not what it must be.
    """
    return run_in(Path(folder), config, described(config) if files is None else files, say)


def described(config: TrainRun) -> Files:
    """Return what a run folder keeps of a configuration that was made in Python."""
    overrides = with_absolute_paths(config, list(OVERRIDES.get(config, ())))
    hydra = {"overrides": OmegaConf.to_yaml(OmegaConf.create(overrides))}
    return Files(resolved(config), hydra if config in OVERRIDES else {}, overrides)


@dataclasses.dataclass(frozen=True)
class SavedPolicy:
    """A trained policy with its parameters and the content that it refers to by id.

    Args:
        config: of the run.
        policy: greedy in what was learned.
        params: of one seed.
        catalogue: static content of that seed's world; ``()`` where there is none.
    """

    config: TrainRun
    policy: Policy
    params: Params
    catalogue: PyTree

    def __call__(self, obs: PyTree) -> Float[Array, "B A"]:
        """Return a score per action; actions that are not on offer have the finite minimum."""
        return self.policy.scores(self.params, View(obs, self.catalogue), jax.random.key(0))

    def act(self, obs: PyTree) -> Int[Array, "B ..."]:
        """Return the greedy action, or slate, of each observation."""
        return self.policy.act(self.params, View(obs, self.catalogue), jax.random.key(0))[0]


def load_policy(folder: str | Path, seed: int = 0) -> SavedPolicy:
    """Return the policy that a run left behind: of a grid, of the point that its table compares.

    Args:
        folder: a run folder with a checkpoint.
        seed: which of its seeds.

    Raises:
        InputError: there is no such run or seed, or what the run read is no longer there.
    """
    config, summary = freeze(TrainRun, read_resolved(folder)), read_summary(folder)
    check_seed(config, seed)
    params, meta = load_parameters(folder)
    point = list(meta["grid"]).index(summary["reference"])
    return saved_policy(config, jax.tree.map(lambda x: jnp.asarray(x[seed, point]), params), seed)


def make_policy(config: TrainRun, state: TrainState, seed: int = 0) -> SavedPolicy:
    """Return the greedy policy of one seed of a training state.

    Args:
        config: that ``state`` was trained with.
        state: of ``jax.vmap(make_train(config))``, leading axis ``[seeds]``.
        seed: which of its seeds.

    Raises:
        InputError: there is no such seed.
    """
    check_seed(config, seed)
    env = build.build_env(config.env, 1)
    worlds = build.build_worlds(config.env, config.train.seed, seed + 1)
    params = build.build_learner(config, env, worlds).agent.policy_params(state.agent)
    return saved_policy(config, jax.tree.map(lambda x: x[seed], params), seed)


def check_seed(config: TrainRun, seed: int) -> None:
    """Raise ``InputError`` unless the run has that seed."""
    if not 0 <= seed < config.train.seeds:
        raise InputError(f"seed={seed}: must lie in [0, {config.train.seeds - 1}], the run's seeds")


def saved_policy(config: TrainRun, params: Params, seed: int) -> SavedPolicy:
    """Return the policy with one seed's parameters and the catalogue of that seed's world."""
    worlds = build.build_worlds(config.env, config.train.seed, seed + 1)
    world = jax.tree.map(lambda x: jnp.asarray(x[seed]), worlds)
    env = build.build_env(config.env, 1)
    learner = build.build_learner(config, env, worlds)
    return SavedPolicy(config, learner.policy, params, env.catalogue(world))


__all__ = [
    "Evaluation",
    "SavedPolicy",
    "evaluate",
    "load_policy",
    "make_config",
    "make_env",
    "make_policy",
    "make_train",
    "run",
    "seeds",
]
