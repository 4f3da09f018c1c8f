"""``lrdqn calibrate``: the world beside published statistics, or a population fitted to a log."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from omegaconf import DictConfig

from lrdqn.cli.launch import launch
from lrdqn.compose.roots import CalibrateRun
from lrdqn.config import ConfigError


def compare_world(config: CalibrateRun) -> bool:
    """Print simulated beside published statistics, after fitting the constants if ``config.fit`` is
    set; return whether every statistic is within its tolerance."""
    from rich.console import Console

    from lrdqn.calibration.measure import measure_world
    from lrdqn.calibration.settings import fitted_settings, print_settings, with_settings
    from lrdqn.calibration.tables import calibration_table

    console = Console()
    if config.fit:
        settings = fitted_settings(console, config.env, config.seed, {})
        print_settings(console, settings)
        config = dataclasses.replace(config, env=with_settings(config.env, settings, None))
    rows = measure_world(config)
    console.print(calibration_table(rows, config.sessions * config.worlds, config.worlds))
    return all(row.passed is not False for row in rows)


def task(config: CalibrateRun, composed: DictConfig) -> None:
    """Run one calibration."""
    del composed
    from lrdqn.cli.runtime import prepare

    prepare(config.runtime)
    if config.source != "world":
        from lrdqn.calibration.fit_log import FITS

        FITS[config.source](config)
    elif not compare_world(config) and config.check:
        raise SystemExit(1)


def preflight(config: CalibrateRun) -> None:
    """Raise ``InputError`` unless the log's folder exists, the destination is free and the world
    can be built."""
    from lrdqn.envs.live.family import check_files
    from lrdqn.envs.live.population_folder import check_destination

    if config.env.clock == "tick":
        raise ConfigError(
            "env.clock", "tick", "the table counts impressions, one a step; must be decision"
        )
    if config.source != "world":
        for key, usual in (("population", None), ("content", "exact")):
            if (value := getattr(config.env, key)) != usual:
                raise ConfigError(
                    f"env.{key}",
                    value,
                    "goes with lrdqn train; must be left out while a log is fitted",
                )
    check_files(config.env)
    if config.source != "world":
        if not Path(str(config.path)).is_dir():
            raise ConfigError("path", config.path, "no such folder; must be the folder of the log")
        check_destination(Path(str(config.out)))


def main() -> None:
    """Run ``lrdqn calibrate``."""
    launch("calibrate", CalibrateRun, task, preflight)
