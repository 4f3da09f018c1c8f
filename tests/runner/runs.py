"""Small runs for the tests of this folder: a probe that compiles in seconds, run in this
process."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
from omegaconf import OmegaConf

from lrdqn.compose import families
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import TrainRun
from lrdqn.runner.compile import over_learners, run_once
from lrdqn.runner.experiment import TRAIN_STREAM, Experiment
from lrdqn.runner.folder import Files
from lrdqn.runner.run import run_in
from lrdqn.train import TrainState

KEYS = {
    "network": {"name": "mlp", "hidden": [16], "embedding": 1},
    "replay": {"name": "prioritized", "capacity": 512, "batch_size": 32},
    "agent": {"target_period": 64, "learning_rate": 3e-3, "epsilon_steps": 1000},
    "train": {
        "seeds": 2,
        "sessions": 8,
        "env_steps": 1024,
        "warmup_steps": 64,
        "update_period": 8,
        "eval_period": 256,
    },
    "evaluate": {"sessions": 8, "cohorts": 1, "resamples": 100},
    "checkpoint": {"seconds": 0.0},
    "runtime": {"cache_dir": None},
}


def values(**changes: Any) -> dict[str, Any]:
    """Return the config as nested dicts; ``train={"seeds": 3}`` changes parts of a section."""
    env = families.env_family(changes.get("env", {}).get("kind", "probe")).schema()
    name = changes.get("agent", {}).get("name", "dqn")
    agent = dataclasses.asdict(families.agent_family(name).schema(name=name))
    root = dataclasses.asdict(TrainRun(env=env)) | {"agent": agent}
    own = {key: value for key, value in KEYS["agent"].items() if key in agent}
    return merged(merged(root, KEYS | {"agent": own}), changes)


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the leaves of ``changes`` in place of its own."""
    both = {
        key: merged(base.get(key, {}), of) if isinstance(of, dict) else of
        for key, of in changes.items()
    }
    return base | both


def config(**changes: Any) -> TrainRun:
    return freeze(TrainRun, values(**changes))


def play(folder: Path, lines: list[str] | None = None, **changes: Any) -> dict[str, Any] | None:
    """Run ``lrdqn train`` in this process; its output goes into ``lines``."""
    of = values(**changes)
    said = [] if lines is None else lines
    return run_in(
        folder,
        freeze(TrainRun, of),
        Files(OmegaConf.to_yaml(OmegaConf.create(of)), {}, []),
        said.append,
    )


def trained(e: Experiment) -> TrainState:
    """Return the state after all chunks. The programs are those of ``e.compile()`` without the
    evaluation, which takes as long to compile and is not needed here."""
    start, chunk = over_learners(e.trainer)
    s = e.shapes
    lowered = jax.jit(chunk, donate_argnums=0, out_shardings=e.sharding)
    chunk = lowered.lower(s.state, s.worlds, s.hypers, s.clock).compile()
    lowered = jax.jit(start, out_shardings=e.sharding).lower(s.keys, s.worlds, s.hypers)
    state = lowered.compile(run_once())(e.keys(TRAIN_STREAM), e.worlds, e.hypers)
    for i in range(e.plan.chunks):
        state, metrics = chunk(state, e.worlds, e.hypers, e.clock(i))
        assert int(metrics["nonfinite"].sum()) == 0
    return state
