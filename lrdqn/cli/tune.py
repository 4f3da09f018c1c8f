"""``lrdqn tune``: search float hyper-parameters; print the best trials and the command that trains
the best one."""

from __future__ import annotations

import os
import sys
from typing import Any

from omegaconf import DictConfig

from lrdqn.cli.launch import job_files, launch
from lrdqn.cli.train import preflight as train_preflight
from lrdqn.cli.train import rewrite, say
from lrdqn.compose.roots import TuneRun
from lrdqn.compose.words import command, word

SHOWN = 10


def task(config: TuneRun, composed: DictConfig) -> float | None:
    """Run one search and return its score, the best trial's mean return."""
    from lrdqn.cli.runtime import prepare

    prepare(config.runtime)
    from lrdqn.runner.tune import tune_in

    folder, files = job_files(config, composed)
    rows = tune_in(folder, config, files, say)
    if rows is None:
        say(f"stopped; {command('lrdqn', 'tune', word('resume', folder))} goes on")
        raise SystemExit(0)
    show_trials(rows, config, files.overrides)
    say(f"folder: {folder}")
    return rows[0]["return"]["mean"]


def show_trials(rows: list[dict[str, Any]], config: TuneRun, overrides: list[str]) -> None:
    """Print the best trials, and how to train the best one."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from lrdqn.evaluation.statistics import INTERVAL
    from lrdqn.runner.tune import arguments_of

    keys = list(rows[0]["point"])
    caption = (
        f"{len(rows)} trials x {config.train.seeds} seeds; "
        f"mean [{INTERVAL}]; the best was chosen by "
        "these returns, so its lead is overestimated: train it on another train.seed to evaluate it"
    )
    table = Table(
        "Trial", *keys, "Return", box=box.SIMPLE_HEAD, caption=caption, caption_justify="left"
    )
    for row in rows[:SHOWN]:
        of = row["return"]
        figure = f"{of['mean']:.2f} \\[{of['ci_low']:.2f}, {of['ci_high']:.2f}]"
        table.add_row(str(row["trial"]), *(f"{row['point'][key]:.4g}" for key in keys), figure)
    Console().print(table)
    own = ("tune.", "resume=", "train.seed=", *(f"{key}=" for key in keys))
    kept = [override for override in overrides if not override.startswith(own)]
    best = [*kept, *arguments_of(rows[0]["point"]).split(), f"train.seed={config.train.seed + 1}"]
    say(f"best: {command('lrdqn', 'train', *best)}")


def preflight(config: TuneRun) -> None:
    """Raise ``InputError`` where Optuna is missing, or for the reasons of ``lrdqn train``."""
    from importlib.util import find_spec

    from lrdqn.config import InputError

    if find_spec("optuna") is None:
        raise InputError("lrdqn tune: needs optuna; pip install 'lrdqn[tune]'")
    train_preflight(config)


def main() -> None:
    """Run ``lrdqn tune``."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    launch("tune", TuneRun, task, preflight, rewrite)
