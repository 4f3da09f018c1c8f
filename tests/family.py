"""Variants of the family: the axes, the combinations that the project allows, and a covering set of
pairs."""

from __future__ import annotations

import dataclasses
import itertools
from functools import cache
from typing import Any

import jax
import numpy as np
from runner.runs import merged, values

from lrdqn.compose import families
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import TrainRun
from lrdqn.config import ConfigError
from lrdqn.runner.compile import over_learners, run_once
from lrdqn.runner.experiment import TRAIN_STREAM, Experiment

AXES: dict[str, tuple[str, ...]] = {
    "target": ("max", "double", "expected_sarsa", "munchausen", "lambda"),
    "n_steps": ("1", "3"),
    "head": ("linear", "dueling"),
    "layers": ("dense", "noisy"),
    "value": ("mean", "categorical", "quantile"),
    "replay": ("uniform", "prioritized", "rank", "queue"),
    "place": ("probe", "live mean", "live gru", "live attention", "garnet"),
    "loss": ("mse", "huber"),
    "norm": ("none", "layer"),
}
Combination = tuple[str, ...]
TINY_WORLD = {
    "env": {
        "kind": "live",
        "streamers": 40,
        "users": 16,
        "candidates": 4,
        "history": 4,
        "familiar": 1,
    }
}


def place_of(name: str) -> dict[str, Any]:
    """Return the environment and the network."""
    if name == "probe":
        return {}
    if name == "garnet":
        return {"env": {"kind": "garnet", "states": 5}, "network": {"name": "table"}}
    return {**TINY_WORLD, "network": {"name": "scorer", "history": name.split()[1]}}


def config_of(combination: Combination) -> TrainRun:
    """Return the smallest run of a combination.

    Raises:
        ConfigError: the project does not allow it.
    """
    c = dict(zip(AXES, combination, strict=True))
    fresh = c["replay"] == "queue"
    changes: dict[str, Any] = {
        "agent": {
            "target": c["target"],
            "n_steps": int(c["n_steps"]),
            "loss": c["loss"],
            "target_period": 16,
        },
        "network": {
            "hidden": [8, 8],
            "head": c["head"],
            "layers": c["layers"],
            "value": c["value"],
            "norm": c["norm"],
            "atoms": 5,
            "history_width": 4,
            "embedding": 2,
        },
        "replay": {"name": c["replay"], "capacity": 64, "batch_size": 8},
        "train": {
            "sessions": 4,
            "env_steps": 32,
            "eval_period": 32,
            "warmup_steps": 16,
            "update_period": 4,
            "myopic": False,
            "rollout": 4 if fresh else None,
        },
        "evaluate": {"sessions": 2},
    }
    return freeze(TrainRun, of_place(merged(changes, place_of(c["place"]))))


def of_place(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the environment's keys, all from its own schema."""
    name = changes.get("env", {}).get("kind", "probe")
    env = merged(dataclasses.asdict(families.env_family(name).schema()), changes.get("env", {}))
    return values(**{k: v for k, v in changes.items() if k != "env"}) | {"env": env}


def refusal(combination: Combination) -> str | None:
    """Return the line that refuses a combination, or ``None``."""
    try:
        config_of(combination)
    except ConfigError as error:
        return str(error)
    return None


@cache
def allowed(axes: tuple[str, ...] = tuple(AXES)) -> tuple[Combination, ...]:
    """Return every combination that the project allows; axes that are left out keep their first
    value."""
    choices = (of if name in axes else of[:1] for name, of in AXES.items())
    return tuple(c for c in itertools.product(*choices) if refusal(c) is None)


def pairs_of(combination: Combination) -> set[tuple[int, str, int, str]]:
    """Return the pairs of values that a combination covers."""
    return {
        (i, combination[i], j, combination[j])
        for i, j in itertools.combinations(range(len(combination)), 2)
    }


@cache
def covering() -> tuple[Combination, ...]:
    """Return a small set of allowed combinations that holds every pair of values of any allowed
    one; greedy and deterministic."""
    left = set().union(*(pairs_of(c) for c in allowed()))
    chosen: list[Combination] = []
    while left:
        best = max(allowed(), key=lambda c: len(pairs_of(c) & left))
        chosen.append(best)
        left -= pairs_of(best)
    return tuple(chosen)


def play(combination: Combination) -> dict[str, np.ndarray]:
    """Train it for a few iterations; its metrics. Raises as ``trained``."""
    return trained(config_of(combination))


def trained(config: TrainRun) -> dict[str, np.ndarray]:
    """Return the metrics of a few iterations.

    Raises:
        AssertionError: a value is not finite, nothing was learnt, or the target network is not what
            it should be.
    """
    e, named = Experiment(config), repr(config.agent)
    # what runs for a moment need not be optimised: that would take most of the time
    s = e.shapes
    programs = zip(
        over_learners(e.trainer), ((s.keys, s.worlds, s.hypers), s[4:] + s[1:4]), strict=True
    )
    lowered = (
        jax.jit(program, out_shardings=e.sharding).lower(*arguments)
        for program, arguments in programs
    )
    start, chunk = (program.compile(run_once()) for program in lowered)
    state = before = start(e.keys(TRAIN_STREAM), e.worlds, e.hypers)
    for i in range(2):
        state, metrics = chunk(state, e.worlds, e.hypers, e.clock(0))
        assert int(np.sum(metrics["nonfinite"])) == 0, (named, i)
        told = {k: v for k, v in metrics.items() if k != "train_return"}  # NaN if none ended
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(told)), named
    params, old = (e.agent.policy_params(s.agent) for s in (state, before))
    moved = [
        bool((a != b).any())
        for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(old), strict=True)
    ]
    assert any(moved), named
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(params)), named
    target = state.agent.target_params
    assert (target == ()) == (config.agent.target == "lambda"), named
    if target != ():
        same = [
            bool((a == b).all())
            for a, b in zip(jax.tree.leaves(target), jax.tree.leaves(params), strict=True)
        ]
        assert all(same), f"{named}: the last block ends with a copy"
    return {name: np.asarray(x) for name, x in metrics.items()}
