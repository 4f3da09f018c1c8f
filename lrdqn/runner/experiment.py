"""Parts of one run, built and placed on the devices: worlds, learners, plan, keys, clocks; and the
rows of its metrics."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from lrdqn import build
from lrdqn.compose.compatibility import needs_of
from lrdqn.compose.families import env_family
from lrdqn.compose.roots import TrainRun
from lrdqn.evaluation.cohort import METRICS, Outcome, joined, per_seed
from lrdqn.evaluation.slate_metrics import SLATE_METRICS
from lrdqn.evaluation.statistics import INTERVAL
from lrdqn.evaluation.summary import CENSORED, LEARNED, MYOPIC, NONFINITE, summarise
from lrdqn.runner.compile import (
    Programs,
    ProgramShapes,
    compile_programs,
    evaluator,
    over_learners,
    rejoin_over_learners,
    with_sharding,
)
from lrdqn.runner.debug import checked, plan_for
from lrdqn.runner.devices import seed_keys, seed_sharding, to_host
from lrdqn.runner.learners import GAMMA, is_learned, make_learners
from lrdqn.train import Clock, clock_at, make_plan, make_trainer
from lrdqn.train.memory import (
    MemoryPlan,
    free_bytes,
    make_memory_plan,
    refuse_large_worlds,
    refuse_what_cannot_fit,
)
from lrdqn.types import Hypers, PyTree

TRAIN_STREAM, CURVE_STREAM, REFILL_STREAM, TABLE_STREAM = 0, 1, 2, 3
"""Random streams of a run: learning, the learning curve's cohort, replay refilled after a resume,
and the first cohort of the final table (the numbers after it are its other cohorts)."""

Table = dict[str, dict[str, np.ndarray]]
"""``{policy: {metric: [seeds]}}``"""


def digest(tree: PyTree) -> str:
    """Return the SHA-256 of all host arrays of a pytree: a resumed run must find the worlds that it
    began in."""
    found = hashlib.sha256()
    for x in jax.tree.leaves(tree):
        found.update(np.ascontiguousarray(x).tobytes())
    return found.hexdigest()


class Experiment:
    """Host state of one run, which ``run.Run`` executes. Building it compiles nothing and writes
    nothing.

    Args:
        config: frozen.
        known: whether policies have met the streamers of the worlds.
        points: hyper-parameters of the learners, by dotted key, instead of the config's own grid.

    Raises:
        InputError: the worlds do not fit into memory, or the seeds do not divide over the
            processes.
    """

    def __init__(
        self,
        config: TrainRun,
        known: bool = True,
        points: Sequence[Mapping[str, float]] | None = None,
    ) -> None:
        self.config = config
        train, evaluate = config.train, config.evaluate
        needs = needs_of(config)
        self.plan = make_plan(train, config.replay.batch_size, needs)
        self.compiled_plan = plan_for(self.plan, config.debug.mode)
        self.learners = make_learners(config, points)
        self.env = build.build_env(config.env, train.sessions)
        self.outside = self.env.outside is not None
        devices = 1 if self.outside else config.runtime.devices
        self.sharding = seed_sharding(train.seeds, devices)
        self.everywhere = NamedSharding(self.sharding.mesh, PartitionSpec())
        self.free = free_bytes(
            config.runtime.memory_gib, self.sharding.num_devices // jax.process_count()
        )
        sizes = build.world_bytes(config.env)
        refuse_large_worlds(config.env, sizes, train.seeds, self.free)
        worlds = build.build_worlds(config.env, train.seed, train.seeds, known)
        learner = build.build_learner(config, self.env, worlds)
        self.agent, self.network, self.learned = learner
        self.replay, self.horizon = (
            build.build_replay(config),
            build.build_horizon(config, self.network),
        )
        parts = (self.env, self.agent, self.replay, self.horizon)
        self.trainer = make_trainer(*parts, self.compiled_plan, config.agent, train, needs)
        self.eval_env = build.build_env(config.env, evaluate.sessions)
        self.baselines = build.build_baselines(config.env, self.eval_env)
        if evaluate.references:
            self.baselines |= build.build_references(config.env)
        self.hypers: Hypers = self.place(
            build.build_hypers(config, [x.point for x in self.learners])
        )
        self.shapes = self.make_shapes(worlds)
        self.memory = self.plan_memory()
        self.world_digest = digest(worlds)
        self.worlds = jax.device_put(worlds, self.sharding)
        self.warmup_steps = (
            self.plan.warmup_iterations * self.plan.stride + self.horizon.fill * train.sessions
        )
        self.compile_seconds = 0.0

    def set_points(self, points: Sequence[Mapping[str, float]]) -> None:
        """Set other values on the grid axis, as many as before: the compiled programs take them as
        arguments."""
        learners = make_learners(self.config, points)
        if len(learners) != len(self.learners):
            raise ValueError(f"{len(learners)} learners, compiled for {len(self.learners)}")
        self.learners = learners
        self.hypers = self.place(build.build_hypers(self.config, [x.point for x in learners]))

    @property
    def names(self) -> list[str]:
        """Return the names of the policies in the order of an ``Outcome``: learners, baselines."""
        return [*(x.name for x in self.learners), *self.baselines]

    def place(self, tree: PyTree) -> PyTree:
        """Copy host values to every device, so that a program moves nothing when it runs."""
        return jax.device_put(tree, self.everywhere)

    def keys(self, stream: int, seed: int | None = None) -> jax.Array:
        """Return keys ``[seeds]`` of one stream, on the devices of their seeds; ``seed`` replaces
        the run's root."""
        root = self.config.train.seed if seed is None else seed
        make = jax.jit(seed_keys, static_argnums=1, out_shardings=self.sharding)
        return make(root, self.config.train.seeds, stream)

    def clock(self, chunk: int) -> Clock:
        """Return the clock before chunk number ``chunk``, on every device, so that the chunk moves
        nothing between them."""
        return self.place(clock_at(self.plan, chunk))

    def fine_clock(self, number: int) -> Clock:
        """Return the clock of the compiled plan before its chunk
        ``number``; it differs from ``clock`` in ``debug=nan`` only."""
        return self.place(clock_at(self.compiled_plan, number))

    def make_shapes(self, worlds: PyTree) -> ProgramShapes:
        """Return shapes and shardings of all arguments of the programs."""
        keys = jax.eval_shape(lambda: seed_keys(0, self.config.train.seeds, TRAIN_STREAM))
        keys, worlds = (with_sharding(x, self.sharding) for x in (keys, worlds))
        hypers, clock = (
            with_sharding(x, self.everywhere) for x in (self.hypers, clock_at(self.plan, 0))
        )
        start, _ = over_learners(self.trainer, self.outside)
        state = with_sharding(jax.eval_shape(start, keys, worlds, hypers), self.sharding)
        return ProgramShapes(keys, worlds, hypers, clock, state)

    def plan_memory(self) -> MemoryPlan:
        """Return the planned memory of training."""
        config, state = self.config, self.shapes.state
        seeds, learners = config.train.seeds, len(self.learners)
        sessions = (state.env, state.obs)
        eval_sessions, policies = config.evaluate.sessions, len(self.names)
        return make_memory_plan(
            state,
            self.shapes.worlds,
            sessions,
            seeds,
            learners,
            policies,
            eval_sessions,
            config.train.sessions,
        )

    def refuse_too_large(self) -> None:
        """Raise ``InputError``, naming the key to lower, where this process's share of the plan
        does not fit."""
        config, processes = self.config, jax.process_count()
        share = MemoryPlan(
            {name: size // processes for name, size in self.memory.parts.items()}, *self.memory[1:]
        )
        keys = {
            "replay.capacity": config.replay.capacity,
            "network.hidden": list(config.network.hidden),
            "train.sessions": config.train.sessions,
            "env.streamers": getattr(config.env, "streamers", None),
            "evaluate.sessions": config.evaluate.sessions,
        }
        refuse_what_cannot_fit(share, self.free, keys)

    def compile(self) -> Programs:
        """Compile start, chunk and evaluation side by side."""
        began, mode = time.perf_counter(), self.config.debug.mode
        trainer = checked(self.trainer) if mode == "checkify" else self.trainer
        programs = compile_programs(
            *over_learners(trainer, self.outside),
            self.evaluator(),
            self.agent,
            self.shapes,
            donate=mode != "nan",
        )
        if self.outside:
            rejoin = jax.jit(rejoin_over_learners(trainer), out_shardings=self.sharding)
            programs = Programs(*(self.in_turn(x) for x in (*programs[:3], rejoin)))
        self.compile_seconds = time.perf_counter() - began
        return programs

    def evaluator(self) -> Callable[..., Outcome]:
        """Return the evaluation of all policies, not compiled."""
        return evaluator(self.eval_env, self.learned, len(self.learners), self.baselines)

    def evaluation_program(self) -> Callable[..., Outcome]:
        """Return evaluation without training; it is compiled at its first call."""
        program = jax.jit(self.evaluator())
        return self.in_turn(program) if self.outside else program

    def in_turn(self, program: Callable[..., Any]) -> Callable[..., Any]:
        """Return a program, whose sessions run outside it, that has ended when it returns and
        raises ``InputError`` where an environment has failed."""

        def play(*arguments: Any) -> Any:
            result = jax.block_until_ready(program(*arguments))
            for env in (self.env, self.eval_env):
                if env.outside:
                    env.outside.check()
            return result

        return play

    def close(self) -> None:
        """Close the sessions that run outside the compiled programs."""
        for env in (self.env, self.eval_env):
            if env.outside:
                env.outside.close()

    def evaluate_table(self, program: Any, params: PyTree, seed: int) -> Table:
        """Return the metrics of every policy per seed, over all cohorts."""
        rounds = [
            to_host(program(params, self.worlds, self.keys(TABLE_STREAM + i, seed)))
            for i in range(self.config.evaluate.cohorts)
        ]
        figures = per_seed(joined(rounds))
        table = {
            name: {metric: x[:, i] for metric, x in figures.items()}
            for i, name in enumerate(self.names)
        }
        if self.config.train.myopic and LEARNED in table:
            table.setdefault(MYOPIC, table[LEARNED])  # with gamma = 0 the learner is its own twin
        return table

    def curve_rows(
        self, outcome: Outcome, env_steps: int, seconds: float, extra: Mapping[str, np.ndarray]
    ) -> Iterator[dict[str, Any]]:
        """Yield a row per seed and learner for ``metrics.jsonl``. ``valid`` says whether every
        session of the cohort could end."""
        figures = per_seed(outcome)
        for seed in range(self.config.train.seeds):
            for g, (policy, point) in enumerate(self.learners):
                row = {"seed": seed, "policy": policy, "gamma": point[GAMMA]}
                row |= {key: value for key, value in point.items() if key != GAMMA}
                row |= {"env_steps": env_steps, "seconds": round(seconds, 3)}
                shown = (metric for metric in (*METRICS, *SLATE_METRICS) if metric in figures)
                row |= {metric: float(figures[metric][seed, g]) for metric in shown}
                row["valid"] = row["censored"] == 0.0
                row |= {name: float(value[seed, g]) for name, value in extra.items()}
                yield row

    def best(self, outcome: Outcome) -> str:
        """Return the name of the learner with the best mean return on the learning curve's cohort.

        Its reported return is that of the table's cohorts: other sessions, but the same seeds and
        training, so that its lead is overestimated, as the table's caption says."""
        points = [i for i, x in enumerate(self.learners) if is_learned(x.name)]
        means = per_seed(outcome)["return"].mean(0)
        return self.learners[max(points, key=lambda i: means[i])].name

    def results(self, table: Table, reference: str) -> dict[str, Any]:
        """Return the part of a summary that follows from a table of per-seed metrics;
        ``differences`` are ``reference`` minus each policy."""
        evaluate = self.config.evaluate
        policies, differences = summarise(table, reference, evaluate.resamples)
        version = env_family(self.config.env.kind).version
        return {
            "policies": policies,
            "differences": differences,
            "reference": reference,
            "interval": INTERVAL,
            "grid": {x.name: x.point for x in self.learners},
            "score": policies[reference]["return"]["mean"],
            "seeds": self.config.train.seeds,
            **({} if version is None else {"sim_version": version}),
            "sessions_per_seed": evaluate.sessions * evaluate.cohorts,
            "censored_share": {name: float(of[CENSORED].mean()) for name, of in table.items()},
            "nonfinite_evaluation": {name: int(of[NONFINITE].sum()) for name, of in table.items()},
        }
