"""``lrdqn evaluate run=PATH``: evaluate a saved policy and the baselines in a world, and print the
table."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from omegaconf import DictConfig

from lrdqn.cli.launch import launch
from lrdqn.compose import families
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import EvaluateRun, TrainRun
from lrdqn.config import ConfigError
from lrdqn.envs.live.config import PerturbConfig


def train_config(config: EvaluateRun) -> TrainRun:
    """Return the run's configuration with the cohorts, the population and the perturbations of this
    evaluation."""
    from lrdqn.runner.folder import read_resolved

    values = read_resolved(config.run)
    asked = {
        "sessions": config.sessions,
        "cohorts": config.cohorts,
        "resamples": config.resamples,
        "references": config.references,
    }
    values["evaluate"] |= {name: value for name, value in asked.items() if value is not None}
    kept = {
        name: values["runtime"][name] for name in ("prng", "precision")
    }  # the run's own table depends on them
    values["runtime"] = dataclasses.asdict(config.runtime) | kept
    if config.population is not None:
        if file := values["env"].get("embeddings"):
            raise ConfigError(
                "population",
                config.population,
                f"env.embeddings={file} shows the run's own streamers; leave it out",
            )
        values["env"]["population"] = config.population
    changes, none = (dataclasses.asdict(x) for x in (config.env.perturb, PerturbConfig()))
    if changed := [name for name in changes if changes[name] != none[name]]:
        if "perturb" not in values["env"]:
            able = " or ".join(families.with_key("env", "perturb"))
            why = f"the run played env={values['env']['kind']}; must be {able}"
            raise ConfigError("env.perturb", ", ".join(changed), why)
        values["env"]["perturb"] = changes
    return freeze(TrainRun, values)


def task(config: EvaluateRun, composed: DictConfig) -> float:
    """Run one evaluation and return its score, the learned policy's mean return. The run folder is
    left unchanged."""
    del composed
    from lrdqn.cli.runtime import prepare

    run_config = train_config(config)
    prepare(run_config.runtime)
    from rich.console import Console

    from lrdqn.report.policy_table import policy_table, verdicts
    from lrdqn.report.tables import group_table, slate_table
    from lrdqn.runner.evaluate import evaluate_run

    began, console = time.perf_counter(), Console()
    summary = evaluate_run(
        run_config, Path(config.run), config.seed, known=config.population is None
    )
    console.print(policy_table(summary))
    for beside in (group_table(summary), slate_table(summary)):
        if beside is not None:
            console.print(beside)
    for line in verdicts(summary):
        console.print(line, highlight=False, markup=False)
    console.print(f"{time.perf_counter() - began:.0f} s", highlight=False)
    return summary["score"]


def preflight(config: EvaluateRun) -> None:
    """Raise ``InputError`` unless the run is finished and whole, and its population too."""
    from lrdqn.runner.folder import read_summary

    read_summary(config.run)
    env = train_config(config).env
    families.env_family(env.kind).check_files(env)


def main() -> None:
    """Run ``lrdqn evaluate``."""
    launch("evaluate", EvaluateRun, task, preflight)
