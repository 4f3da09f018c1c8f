"""``lrdqn train``: train, print the table, leave a run folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from lrdqn.cli.launch import launch, resolved_yaml
from lrdqn.config import ConfigError, LiveConfig, TrainRun


def check_env(env: LiveConfig) -> None:
    """A population folder must be whole, and large enough for the candidates; needs no jax."""
    if env.name != "live" or env.population is None:
        return
    from lrdqn.io.population import check_population

    streamers = check_population(Path(env.population))["streamers"]
    if env.candidates > streamers:
        raise ConfigError("env.candidates", env.candidates, f"must not exceed the catalogue, {streamers} streamers")


def preflight(config: TrainRun) -> None:
    """Checks that need files. Hydra writes into its run folder before the task runs, so a taken one is refused here."""
    from lrdqn.io.run_folder import check_free

    check_env(config.env)
    for argument in sys.argv[1:]:
        key, _, value = argument.partition("=")
        if key == "hydra.run.dir":
            check_free(value)


def task(config: TrainRun, composed: DictConfig) -> float:
    """One job; returns its score, the learned policy's mean return."""
    from lrdqn.cli.runtime import prepare

    prepare(config.cache_dir)
    from lrdqn.experiment import Experiment
    from lrdqn.io.run_folder import open_run, write_environment, write_resolved, write_summary

    hydra_config = HydraConfig.get()
    folder = open_run(Path(hydra_config.runtime.output_dir))
    write_environment(folder)
    write_resolved(folder, resolved_yaml(composed))
    summary = Experiment(config).run(folder)
    summary["command"] = " ".join(["lrdqn train", *hydra_config.overrides.task])
    write_summary(folder, summary)

    from lrdqn.cli.report import show

    show(folder)
    return summary["score"]


def main() -> None:
    """Entry point."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    launch("train", TrainRun, task, preflight)
