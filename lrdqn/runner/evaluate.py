"""A saved policy judged again: on the run's own session starts, fresh ones, or another
catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax

from lrdqn.compose.roots import TrainRun
from lrdqn.config import InputError
from lrdqn.evaluation.summary import LEARNED
from lrdqn.runner.checkpoint import load_policy
from lrdqn.runner.experiment import Experiment
from lrdqn.runner.folder import read_summary
from lrdqn.types import PyTree


def evaluate_run(config: TrainRun, run: Path, seed: int | None, known: bool) -> dict[str, Any]:
    """Evaluate a saved policy.

    Args:
        config: the run's, with the cohorts wanted now.
        run: the run folder.
        seed: root of the cohorts' randomness; ``None`` repeats the run's own.
        known: ``False`` where the population is another one, none of whose streamers the policy has
            met.
    """
    experiment = Experiment(config, known)
    params, _ = load_policy(run)
    refuse_other_widths(params, jax.eval_shape(experiment.learned.init, jax.random.key(0)), run)
    params = jax.device_put(params, experiment.sharding)
    try:
        table = experiment.evaluate_table(
            experiment.judge_alone(), params, config.train.seed if seed is None else seed
        )
    finally:
        experiment.close()
    return experiment.results(table, read_summary(run).get("reference", LEARNED))


def refuse_other_widths(saved: PyTree, wanted: PyTree, run: Path) -> None:
    """A policy judges any catalogue whose content has the widths it was trained on; how many
    streamers there are is free."""
    free = "['identity']['embedding']"  # of the values' network, and of a learned choice model
    for (path, have), need in zip(
        jax.tree_util.tree_leaves_with_path(saved), jax.tree.leaves(wanted), strict=True
    ):
        name = jax.tree_util.keystr(path)
        if not name.endswith(free) and have.shape[2:] != need.shape:
            what = (
                f"its parameters {name} have shape {have.shape[2:]}, "
                f"this population needs {need.shape}"
            )
            raise InputError(
                f"run={run}: {what}; style, categories, tags and "
                "answers must be as many as in training"
            )
