"""A whole run: train in chunks, evaluate, save, stop, resume, and leave a run folder.
``lrdqn train`` wraps it."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console

from lrdqn.compose.roots import TrainRun
from lrdqn.compose.words import command
from lrdqn.config import InputError
from lrdqn.evaluation.cohort import Outcome
from lrdqn.runner import debug
from lrdqn.runner.checkpoint import load_state, save_checkpoint
from lrdqn.runner.compile import Programs
from lrdqn.runner.devices import any_process, describe, is_main_process, to_host
from lrdqn.runner.experiment import CURVE_STREAM, REFILL_STREAM, TRAIN_STREAM, Experiment
from lrdqn.runner.folder import (
    METRICS_FILE,
    PARQUET,
    Files,
    MetricsLog,
    held,
    how_to_go_on,
    open_run,
    read_summary,
    write_environment,
    write_hydra,
    write_resolved,
    write_summary,
)
from lrdqn.runner.loggers import NULL, Logger, open_loggers
from lrdqn.runner.parquet import NO_PYARROW, write_parquet
from lrdqn.runner.progress import Progress
from lrdqn.runner.resume import (
    ResumePoint,
    clear_for,
    find_resume_point,
    is_finished,
    plain_config,
    refuse_changes,
    with_period,
)
from lrdqn.runner.signals import StopRequest
from lrdqn.train import TrainState
from lrdqn.train.memory import tree_bytes

COUNTED = ("nonfinite", "nonfinite_rewards", "nonfinite_observations")
"""Metrics that are summed over a run and reported at its end."""


class Totals(NamedTuple):
    """Quantities that are summed over the attempts of a run."""

    train_seconds: float = 0.0
    compile_seconds: float = 0.0
    seconds: float = 0.0
    nonfinite: int = 0
    nonfinite_rewards: int = 0
    nonfinite_observations: int = 0
    resumed: tuple[int, ...] = ()
    """Env steps at which the run was resumed."""
    exact: bool = True
    """Whether every resume was bit-exact: replay saved, the same schedules, devices and program."""


def _silent(text: str) -> None:
    """Print nothing."""


def run_in(
    where: Path, config: TrainRun, files: Files, say: Callable[[str], None] = _silent
) -> dict[str, Any] | None:
    """Train in a folder, from its newest checkpoint where ``config.resume`` allows it.

    Args:
        where: the run folder; made where it is missing.
        config: frozen.
        files: texts to keep beside the results.
        say: prints one line.

    Returns:
        The summary, as written to ``summary.json``; ``None`` where the run was asked to stop and
        has been saved.

    Raises:
        InputError: the folder, a checkpoint or the configuration is not valid, or the memory does
            not suffice.
    """
    with ExitStack() as stack:
        stop = stack.enter_context(StopRequest())
        say = say if is_main_process() else _silent
        folder = open_run(where)
        if is_main_process():
            stack.enter_context(held(folder))
        if config.resume is not None and is_finished(folder, config.train.env_steps):
            refuse_changes(folder, config)
            say(f"{folder} has finished already")
            return read_summary(folder)
        point = find_resume_point(folder, config, mine=is_main_process())
        if point:
            config = with_period(config, point.meta["eval_period"])
            if point.notice:
                say(point.notice)
        experiment = Experiment(config)
        stack.callback(experiment.close)
        experiment.refuse_too_large()
        if point and point.meta["worlds"] != experiment.world_digest:
            raise InputError(
                f"resume: {folder} was trained in other worlds; its "
                "population, embeddings or the simulator has changed"
            )
        logger = NULL
        if is_main_process():
            clear_for(folder, point)
            write_environment(folder, point.env_steps if point else None)
            write_resolved(folder, files.resolved)
            write_hydra(folder, files.hydra)
            logger = open_loggers(
                config.logger, folder, plain_config(config), point.env_steps if point else None
            )
            stack.callback(logger.close)
        summary = Run(experiment, folder, point, stop, logger).play()
        if summary is None:
            onward = how_to_go_on(folder) or "a run with resume=auto in this folder"
            say(f"stopped and saved; {onward} goes on")
            return None
        summary |= {
            "overrides": files.overrides,
            "command": command("lrdqn", "train", *files.overrides),
        }
        if is_main_process():
            message = write_parquet(folder / METRICS_FILE, folder / PARQUET)
            if message and message != NO_PYARROW:
                say(message)
            write_summary(folder, summary)
            logger.summary(summary)
        return summary


class Run:
    """One attempt of a run: from the start, or a checkpoint, to the end or a stop.

    Args:
        experiment: the parts.
        folder: the run folder, held by this process.
        point: checkpoint to resume from; ``None`` starts afresh.
        stop: checked at every chunk boundary.
        logger: takes the rows beside ``metrics.jsonl``.
    """

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        point: ResumePoint | None,
        stop: StopRequest,
        logger: Logger = NULL,
    ) -> None:
        self.e, self.folder, self.point, self.stop, self.logger = (
            experiment,
            folder,
            point,
            stop,
            logger,
        )
        self.carried = Totals(**point.meta["carried"]) if point else Totals()
        self.began, self.saved_at = time.perf_counter(), time.perf_counter()
        self.log = MetricsLog(folder)
        self.steps = point.env_steps if point else 0
        self.saved_steps = self.steps if point else -1
        self.chunk: tuple[float, float | None] = time.perf_counter(), None
        """When the chunk that is running began, and how long the one before it took."""
        stop.notice = self.when_it_stops

    @property
    def seconds(self) -> float:
        """Return the wall-clock seconds of all attempts."""
        return self.carried.seconds + time.perf_counter() - self.began

    def when_it_stops(self) -> str:
        """Return what a stop waits for, and how long that takes."""
        began, last = self.chunk
        wait = (
            "" if last is None else f", in about {max(last - time.perf_counter() + began, 0):.0f} s"
        )
        return f"the run ends after this evaluation period{wait}, and is saved"

    def play(self) -> dict[str, Any] | None:
        """Train to the end, evaluate, save and return the summary; ``None`` where a stop was
        requested."""
        e, plan, train = self.e, self.e.plan, self.e.config.train
        console = None if is_main_process() else Console(file=open(os.devnull, "w"))  # noqa: SIM115 - as long as the process
        with Progress(train.env_steps, train.seeds * len(e.learners), console=console) as progress:
            programs, state = self.begin(progress)
            curve_keys, play = (
                e.keys(CURVE_STREAM),
                player(e, programs, self.folder, self.steps // plan.chunk_steps),
            )

            def record(metrics: dict[str, np.ndarray]) -> Outcome:
                params = e.agent.policy_params(state.agent)
                outcome = to_host(programs.evaluate(params, e.worlds, curve_keys))
                rows = list(e.curve_rows(outcome, self.steps, self.seconds, metrics))
                if is_main_process():
                    self.log.append(rows)
                    self.logger.rows(rows)
                mean = np.mean(
                    [row["return"] for row in rows if row["policy"] == e.learners[0].name]
                )
                progress.update(self.steps, self.carried.train_seconds, float(mean))
                return outcome

            outcome = None if self.point else record({})
            while self.steps < train.env_steps:
                if any_process(self.stop.asked):
                    self.save(state)
                    return None
                began = time.perf_counter()
                self.chunk = began, self.chunk[1]
                state, metrics = play(state, self.steps // plan.chunk_steps)
                metrics = to_host(metrics)
                self.steps += plan.chunk_steps
                self.count(metrics, time.perf_counter() - began)
                outcome = record(metrics)
                self.chunk = self.chunk[0], time.perf_counter() - began
                if any_process(time.perf_counter() - self.saved_at >= e.config.checkpoint.seconds):
                    self.save(state)
            self.save(state)
            progress.stage("final table: every policy on the same session starts")
            params = e.agent.policy_params(state.agent)
            if outcome is None:  # the checkpoint was the last one: only the table is missing
                outcome = to_host(programs.evaluate(params, e.worlds, curve_keys))
            table = e.evaluate_table(programs.evaluate, params, train.seed)
        return e.results(table, e.best(outcome)) | self.circumstances(state)

    def begin(self, progress: Progress) -> tuple[Programs, TrainState]:
        """Compile; then fill replay, or load the state and cut the rows of chunks that will be
        repeated."""
        e, point = self.e, self.point
        learners = e.config.train.seeds * len(e.learners)
        progress.stage(e.memory.line())
        progress.stage(
            f"compiling for {learners} learners on {e.sharding.num_devices} "
            f"of {jax.device_count()} devices"
        )
        programs = e.compile()
        self.carried = self.carried._replace(
            compile_seconds=self.carried.compile_seconds + e.compile_seconds
        )
        if point is None:
            filling = (
                f"; filling replay with {e.warmup_steps} random steps each"
                if e.warmup_steps
                else ""
            )
            progress.stage(f"compiled in {e.compile_seconds:.0f} s{filling}")
            state = jax.block_until_ready(programs.start(e.keys(TRAIN_STREAM), e.worlds, e.hypers))
            if is_main_process():
                self.log.append(())
            return programs, state
        progress.stage(
            f"compiled in {e.compile_seconds:.0f} s; going on from env step {point.env_steps}"
        )
        template = e.shapes.state if point.meta["replay"] else e.shapes.state._replace(replay=())
        state = load_state(self.folder, point.env_steps, template)
        reasons = []
        if not point.meta["replay"]:
            reasons.append("replay was not saved and is filled afresh by warm-up")
            refilled = programs.start(e.keys(REFILL_STREAM), e.worlds, e.hypers)
            state = state._replace(replay=refilled.replay)
        if programs.rejoin:
            keys = e.keys(REFILL_STREAM, e.config.train.seed + point.env_steps)
            state = programs.rejoin(state, keys, e.worlds, e.hypers)
            reasons.append(
                f"the sessions of env={e.config.env.kind} cannot be saved and begin afresh"
            )
        there, here = point.meta["devices"], describe(e.sharding)
        reasons += [
            f"{name} is {here[name]}, was {there.get(name)}"
            for name in here
            if here[name] != there.get(name)
        ]
        if point.meta["debug"] != e.config.debug.mode:
            reasons.append(f"debug is {e.config.debug.mode}, was {point.meta['debug']}")
        if point.meta["total_steps"] != e.config.train.env_steps:
            over = f"over train.env_steps, which was {point.meta['total_steps']}"
            reasons += [f"{key} anneals {over}" for key in annealed(e.config)]
        if reasons:
            progress.stage(f"resume is not bit-exact: {'; '.join(reasons)}")
        if is_main_process():
            self.log.cut(point.meta["metrics_bytes"])
        self.carried = self.carried._replace(
            resumed=(*self.carried.resumed, point.env_steps),
            exact=self.carried.exact and not reasons,
        )
        return programs, state

    def count(self, metrics: dict[str, np.ndarray], seconds: float) -> None:
        """Add the duration of a chunk, and its number of values that are not finite, to the
        totals."""
        added = {name: getattr(self.carried, name) + int(metrics[name].sum()) for name in COUNTED}
        self.carried = self.carried._replace(
            train_seconds=self.carried.train_seconds + seconds, **added
        )

    def save(self, state: TrainState) -> None:
        """Write a checkpoint at this chunk boundary, unless there is one already."""
        if self.saved_steps == self.steps:
            return
        e, keep = self.e, self.e.config.checkpoint
        meta = {
            "env_steps": self.steps,
            "grid": {x.name: x.point for x in e.learners},
            "eval_period": e.plan.chunk_steps,
            "metrics_bytes": self.log.size() if is_main_process() else 0,
            "replay": keep.replay,
            "devices": describe(e.sharding),
            "debug": e.config.debug.mode,
            "total_steps": e.config.train.env_steps,
            "worlds": e.world_digest,
            "carried": self.carried._replace(seconds=self.seconds)._asdict(),
        }
        policy = to_host(e.agent.policy_params(state.agent))
        kept = state if keep.replay else state._replace(replay=())
        save_checkpoint(self.folder, policy, meta, self.steps, kept, keep.keep)
        self.saved_steps, self.saved_at = self.steps, time.perf_counter()

    def circumstances(self, state: TrainState) -> dict[str, Any]:
        """Return the part of a summary that says how the run went."""
        e, carried = self.e, self.carried
        learners = e.config.train.seeds * len(e.learners)
        return {
            "env_steps": self.steps,
            "warmup_steps": e.warmup_steps,
            "learners": learners,
            "steps_per_second": self.steps * learners / carried.train_seconds,
            "seconds": self.seconds,
            **{name: getattr(carried, name) for name in carried._fields if name != "seconds"},
            "peak_bytes": peak_bytes(),
            "replay_bytes": tree_bytes(state.replay),
            "memory_plan": e.memory.parts,
        }


def player(e: Experiment, programs: Programs, folder: Path, first: int) -> debug.Play:
    """Return ``play`` for chunks, as ``debug.mode`` requires. ``first`` is the first chunk of this
    attempt."""
    mode, play = e.config.debug.mode, debug.played(programs.chunk, e.worlds, e.hypers, e.clock)
    if mode == "checkify":
        return debug.stop_at_errors(play)
    if mode == "profile":
        return debug.traced(play, folder, min(first + 1, e.plan.chunks - 1))
    if mode == "nan":
        fine = debug.played(programs.chunk, e.worlds, e.hypers, e.fine_clock)
        source = debug.find_source(e.trainer, e.worlds, e.hypers, e.fine_clock)
        return debug.stop_at_nonfinite(fine, e.plan, [x.name for x in e.learners], source)
    return play


def annealed(config: TrainRun) -> list[str]:
    """Return the keys whose schedules are as long as the run."""
    replay = config.replay
    beta = replay.name in ("prioritized", "rank") and replay.beta != replay.beta_end
    rate = any({config.agent.learning_rate_decay, *(config.grid.agent.learning_rate_decay or ())})
    return ["replay.beta"] * beta + ["agent.learning_rate"] * rate


def peak_bytes() -> int:
    """Return the peak memory in bytes: of the devices where they report it, else of the process."""
    stats = [device.memory_stats() for device in jax.local_devices()]
    if all(s and "peak_bytes_in_use" in s for s in stats):
        return sum(s["peak_bytes_in_use"] for s in stats if s)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
