"""A whole run: build, compile, train in chunks, evaluate, and leave a run folder. ``lrdqn train`` is a thin shell around it."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from lrdqn import build
from lrdqn.config import InputError, TrainRun
from lrdqn.envs.live import SIM_VERSION
from lrdqn.evaluate.cohort import METRICS, Outcome, make_cohort, per_seed
from lrdqn.evaluate.summary import CENSORED, LEARNED, summarise
from lrdqn.io.checkpoint import load_policy, save_policy
from lrdqn.io.progress import Progress
from lrdqn.io.run_folder import MetricsLog
from lrdqn.train import Clock, TrainState, clock_at, make_plan, make_trainer
from lrdqn.types import Hypers, Policy, PyTree

MYOPIC = "myopic"
TRAIN_STREAM, CURVE_STREAM, TABLE_STREAM = 0, 1, 2
"""Names of a run's random streams: learning, the learning curve's cohort, the final table's first cohort (others follow)."""


class Programs(NamedTuple):
    """The compiled programs of a run, each with leading axes ``[seeds]`` (and ``[grid]`` inside)."""

    start: Callable[..., TrainState]
    chunk: Callable[..., tuple[TrainState, dict[str, jax.Array]]]
    evaluate: Callable[..., Outcome]


def seed_sharding(seeds: int) -> NamedSharding:
    """Seeds spread over as many devices as divide them evenly, without collectives.

    Results agree across device counts to float32 rounding: the compiler may order a sum differently for another batch shape.
    """
    count = max(d for d in range(1, jax.device_count() + 1) if seeds % d == 0)
    mesh = jax.make_mesh((count,), ("seed",), axis_types=(AxisType.Auto,), devices=jax.devices()[:count])
    return NamedSharding(mesh, PartitionSpec("seed"))


def seed_keys(seed: int, seeds: int, stream: int) -> jax.Array:
    """Keys ``[seeds]``; seed i's is folded from its index, so it does not depend on how many run beside it (DESIGN P22)."""
    root = jax.random.fold_in(jax.random.key(seed), stream)
    return jax.vmap(lambda i: jax.random.fold_in(root, i))(jnp.arange(seeds))


def run_once() -> dict[str, Any]:
    """Compiler options for a program that runs for a second: compiled twice as fast, without the optimiser (CPU only)."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else {}


def gamma_grid(gamma: float) -> dict[str, float]:
    """The learners of a run: the one asked for, and beside it the myopic one (gamma = 0)."""
    return {LEARNED: gamma, MYOPIC: 0.0} if gamma > 0 else {LEARNED: gamma}


def evaluator(env: Any, learned: Policy, learners: int, baselines: dict[str, Policy]) -> Callable[..., Outcome]:
    """``f(params [seeds, grid], worlds, keys) -> Outcome [seeds, P, N]``; policies in the order learners, baselines."""
    cohort = make_cohort(env, (learned,) * learners + tuple(baselines.values()))

    def one_seed(params: PyTree, world: PyTree, key: jax.Array) -> Outcome:
        trained = tuple(jax.tree.map(lambda x, g=g: x[g], params) for g in range(learners))
        untrained = tuple(p.init(jax.random.fold_in(key, i)) for i, p in enumerate(baselines.values()))
        return cohort(trained + untrained, world, key)

    return jax.vmap(one_seed)


class Experiment:
    """Host state of one run. ``Experiment(config).run(folder)`` does everything; the steps are methods to be read in order."""

    def __init__(self, config: TrainRun, known: bool = True) -> None:
        """Build every part and lay the worlds out on the devices. Nothing is compiled or written yet.

        ``known`` says whether policies have met the worlds' streamers.
        """
        self.config = config
        train, evaluate = config.train, config.evaluate
        self.plan = make_plan(train, config.agent, config.replay.batch_size)
        self.grid = gamma_grid(config.agent.gamma)
        self.sharding = seed_sharding(train.seeds)
        self.everywhere = NamedSharding(self.sharding.mesh, PartitionSpec())
        hypers = build.build_hypers(config, tuple(self.grid.values()))
        self.hypers: Hypers = jax.device_put(hypers, self.everywhere)
        worlds = build.build_worlds(config.env, train.seed, train.seeds, known)
        self.env = build.build_env(config.env, train.sessions)
        self.network = build.build_network(config, self.env, worlds)
        self.worlds = jax.device_put(worlds, self.sharding)
        self.agent = build.build_agent(config.agent, self.network)
        self.replay = build.build_replay(config.replay)
        self.trainer = make_trainer(self.env, self.agent, self.replay, self.plan, config.agent, train)
        self.learned = build.build_learned(self.network)
        self.judge = build.build_env(config.env, evaluate.sessions)
        self.baselines = build.build_baselines(self.judge)
        self.warmup_steps = self.plan.warmup_iterations * self.plan.stride
        self.compile_seconds = 0.0

    def keys(self, stream: int, seed: int | None = None) -> jax.Array:
        """Keys ``[seeds]`` of one stream, on the devices of their seeds; ``seed`` takes another root than the run's."""
        root = self.config.train.seed if seed is None else seed
        return jax.device_put(seed_keys(root, self.config.train.seeds, stream), self.sharding)

    def clock(self, chunk: int) -> Clock:
        """The clock before chunk number ``chunk``, on every device: the chunk itself then moves nothing between them."""
        return jax.device_put(clock_at(self.plan, chunk), self.everywhere)

    def compile(self) -> Programs:
        """Compile the three programs side by side, each exactly once (DESIGN P5)."""
        began = time.perf_counter()
        trainer, learners = self.trainer, len(self.grid)

        def start_one(key: jax.Array, world: PyTree, hypers: Hypers) -> TrainState:
            return trainer.warmup(trainer.init(key, world, hypers), world, hypers)

        start = jax.vmap(jax.vmap(start_one, in_axes=(None, None, 0)), in_axes=(0, 0, None))
        chunk = jax.vmap(jax.vmap(trainer.chunk, in_axes=(0, None, 0, None)), in_axes=(0, 0, None, None))
        evaluate = evaluator(self.judge, self.learned, learners, self.baselines)

        keys, hypers, clock = self.keys(TRAIN_STREAM), self.hypers, self.clock(0)
        state = jax.eval_shape(start, keys, self.worlds, hypers)
        state = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=self.sharding), state)
        params = self.agent.policy_params(state.agent)
        chunk_out = (self.sharding, self.sharding)
        # XLA compiles outside the interpreter lock, so the longest program compiles while the others are still being traced.
        with ThreadPoolExecutor(2) as pool:
            lowered = jax.jit(chunk, donate_argnums=0, out_shardings=chunk_out).lower(state, self.worlds, hypers, clock)
            chunk_c = pool.submit(lowered.compile)
            lowered = jax.jit(evaluate, out_shardings=self.sharding).lower(params, self.worlds, keys)
            evaluate_c = pool.submit(lowered.compile)
            lowered = jax.jit(start, out_shardings=self.sharding).lower(keys, self.worlds, hypers)
            start_c = pool.submit(lowered.compile, run_once())
            programs = Programs(start_c.result(), chunk_c.result(), evaluate_c.result())
        self.compile_seconds = time.perf_counter() - began
        return programs

    def evaluate_table(self, program: Callable[..., Outcome], params: PyTree, seed: int) -> dict[str, dict[str, np.ndarray]]:
        """Every policy's per-seed figures over all cohorts: ``{policy: {metric: [seeds]}}``."""
        rounds = [
            per_seed(jax.device_get(program(params, self.worlds, self.keys(TABLE_STREAM + i, seed))))
            for i in range(self.config.evaluate.cohorts)
        ]
        figures = {metric: np.mean([r[metric] for r in rounds], axis=0) for metric in METRICS}
        names = [*self.grid, *self.baselines]
        table = {name: {metric: figures[metric][:, i] for metric in METRICS} for i, name in enumerate(names)}
        table.setdefault(MYOPIC, table[LEARNED])
        return table

    def curve_rows(
        self, outcome: Outcome, env_steps: int, seconds: float, extra: dict[str, np.ndarray]
    ) -> Iterator[dict[str, Any]]:
        """A row per seed and learner for ``metrics.jsonl``. ``valid`` says whether every session of the cohort could end."""
        figures = per_seed(jax.device_get(outcome))
        for seed in range(self.config.train.seeds):
            for g, (policy, gamma) in enumerate(self.grid.items()):
                row = {"seed": seed, "policy": policy, "gamma": gamma, "env_steps": env_steps, "seconds": round(seconds, 3)}
                row |= {metric: float(figures[metric][seed, g]) for metric in METRICS}
                row["valid"] = row["censored"] == 0.0
                row |= {name: float(value[seed, g]) for name, value in extra.items()}
                yield row

    def run(self, folder: Path, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
        """Train, evaluate and write. Returns the summary (also in ``summary.json`` once the caller has written it)."""
        began, train, plan = time.perf_counter(), self.config.train, self.plan
        learners = train.seeds * len(self.grid)
        with Progress(train.env_steps, learners) as progress, MetricsLog(folder) as log:
            progress.stage(f"compiling for {learners} learners on {self.sharding.num_devices} of {jax.device_count()} devices")
            programs = self.compile()
            progress.stage(
                f"compiled in {self.compile_seconds:.0f} s; filling replay with {self.warmup_steps} random steps each"
            )
            state = jax.block_until_ready(programs.start(self.keys(TRAIN_STREAM), self.worlds, self.hypers))
            curve_keys, seconds = self.keys(CURVE_STREAM), 0.0

            def point(number: int, metrics: dict[str, np.ndarray]) -> None:
                outcome = programs.evaluate(self.agent.policy_params(state.agent), self.worlds, curve_keys)
                rows = list(self.curve_rows(outcome, number * plan.chunk_steps, time.perf_counter() - began, metrics))
                log.append(rows)
                mean = np.mean([row["return"] for row in rows if row["policy"] == LEARNED])
                progress.update(number * plan.chunk_steps, seconds, float(mean))

            point(0, {})
            for number in range(plan.chunks):
                with stopwatch() as watch:
                    state, metrics = programs.chunk(state, self.worlds, self.hypers, self.clock(number))
                    metrics = jax.device_get(metrics)
                seconds += watch.seconds
                point(number + 1, metrics)
            progress.stage("final table: every policy on the same session starts")
            params = self.agent.policy_params(state.agent)
            table = self.evaluate_table(programs.evaluate, params, train.seed)
        save_policy(folder, jax.device_get(params), {"grid": self.grid}, step=train.env_steps)
        return self.results(table) | {
            "env_steps": train.env_steps,
            "warmup_steps": self.warmup_steps,
            "learners": learners,
            "steps_per_second": train.env_steps * learners / seconds,
            "compile_seconds": self.compile_seconds,
            "train_seconds": seconds,
            "seconds": time.perf_counter() - began,
            "peak_bytes": peak_bytes(),
            "replay_bytes": tree_bytes(state.replay),
        }

    def results(self, table: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
        """The part of a summary that a table of per-seed figures gives."""
        evaluate = self.config.evaluate
        policies, differences = summarise(table, LEARNED, evaluate.resamples)
        return {
            "policies": policies,
            "differences": differences,
            "score": policies[LEARNED]["return"]["mean"],
            "seeds": self.config.train.seeds,
            "sim_version": SIM_VERSION,
            "sessions_per_seed": evaluate.sessions * evaluate.cohorts,
            "censored_share": {name: float(of[CENSORED].mean()) for name, of in table.items()},
        }


def judge_saved(config: TrainRun, run: Path, seed: int | None, known: bool) -> dict[str, Any]:
    """Evaluate a saved policy.

    Args:
        config: the run's, with the cohorts wanted now.
        run: the run folder.
        seed: root of the cohorts' randomness; ``None`` repeats the run's own.
        known: ``False`` where the population is another one, none of whose streamers the policy has met.
    """
    experiment = Experiment(config, known)
    params, _ = load_policy(run)
    refuse_other_widths(params, jax.eval_shape(experiment.network.init, jax.random.key(0)), run)
    params = jax.device_put(params, experiment.sharding)
    program = jax.jit(evaluator(experiment.judge, experiment.learned, len(experiment.grid), experiment.baselines))
    table = experiment.evaluate_table(program, params, config.train.seed if seed is None else seed)
    return experiment.results(table)


def refuse_other_widths(saved: PyTree, wanted: PyTree, run: Path) -> None:
    """A policy judges any catalogue whose content has the widths it was trained on; how many streamers there are is free."""
    free = "['identity']['embedding']"
    for (path, have), need in zip(jax.tree_util.tree_leaves_with_path(saved), jax.tree.leaves(wanted), strict=True):
        name = jax.tree_util.keystr(path)
        if name != free and have.shape[2:] != need.shape:
            what = f"its parameters {name} have shape {have.shape[2:]}, this population needs {need.shape}"
            raise InputError(f"run={run}: {what}; style, categories, tags and answers must be as many as in training")


class Stopwatch:
    """Seconds between entering and leaving ``stopwatch()``."""

    seconds = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Time a block."""
    watch, began = Stopwatch(), time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - began


def tree_bytes(tree: PyTree) -> int:
    """Bytes of all arrays of a pytree."""
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def peak_bytes() -> int:
    """Peak memory: the devices' where they report it, else the process's."""
    stats = [device.memory_stats() for device in jax.local_devices()]
    if all(s and "peak_bytes_in_use" in s for s in stats):
        return sum(s["peak_bytes_in_use"] for s in stats if s)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
