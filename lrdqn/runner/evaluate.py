"""Evaluation of a saved policy: on the run's own session starts, on fresh ones, or on another
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
    """Return the summary of a saved policy and the baselines.

    Args:
        config: the run's, with the cohorts of this evaluation.
        run: the run folder.
        seed: root of the cohorts' randomness; ``None`` repeats the run's own.
        known: ``False`` where the population is another one, with streamers that the policy has
            never met.
    """
    experiment = Experiment(config, known)
    params, _ = load_policy(run)
    refuse_other_widths(params, jax.eval_shape(experiment.learned.init, jax.random.key(0)), run)
    params = jax.device_put(params, experiment.sharding)
    try:
        table = experiment.evaluate_table(
            experiment.evaluation_program(), params, config.train.seed if seed is None else seed
        )
    finally:
        experiment.close()
    return experiment.results(table, read_summary(run).get("reference", LEARNED))


def refuse_other_widths(saved: PyTree, wanted: PyTree, run: Path) -> None:
    """Raise ``InputError`` unless the content has the widths that the policy was trained on; the
    number of streamers is free."""
    free = "['identity']['embedding']"  # in the Q-network and in a learned choice model
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
