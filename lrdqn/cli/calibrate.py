"""``lrdqn calibrate``: the world next to published figures, or a population fitted to a log."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from lrdqn.cli.launch import launch
from lrdqn.config import CalibrateRun, ConfigError


def fit_log(config: CalibrateRun) -> None:
    """Read a log, fit it, write the population folder and say what is in it."""
    import numpy as np
    from rich.console import Console

    from lrdqn.data.factors import fit_factors
    from lrdqn.data.movielens import read_movielens
    from lrdqn.data.rated_population import population_card, rated_population
    from lrdqn.envs.live.population import complete, sample_population
    from lrdqn.io.population import save_population

    console, out = Console(), Path(str(config.out))
    log = read_movielens(Path(str(config.path)))
    console.print(f"read {len(log.rating):,} ratings of {log.n_items:,} items by {log.n_users:,} users", highlight=False)
    factors = fit_factors(log, config.factors, config.seed)
    rng = np.random.default_rng(config.seed)
    sizes = {"streamers": log.n_items, "users": log.n_users, "style": config.factors, "categories": len(log.category_names)}
    defaults = sample_population(config.env, rng, **sizes)
    population = complete(rated_population(log, factors, defaults, config.env.history, config.env.tags), config.env.law, rng)
    card = population_card(log, factors, population)
    save_population(out, population, card)
    console.print(
        f"held-out recall@20: factors {factors.recall:.3f}, as unit vectors {factors.cosine_recall:.3f}, "
        f"popularity {factors.popularity_recall:.3f} ({factors.held_out_users} users)",
        highlight=False,
    )
    console.print(f"population folder: {out}\ntrain on it: lrdqn train env.population={out}", highlight=False, soft_wrap=True)


def compare_world(config: CalibrateRun) -> bool:
    """Print simulated against target; whether every target is met."""
    from rich.console import Console

    from lrdqn.experiment.measuring import measure_world
    from lrdqn.io.calibration_table import calibration_table

    rows = measure_world(config)
    Console().print(calibration_table(rows, config.sessions * config.worlds, config.worlds))
    return all(row.passed is not False for row in rows)


def task(config: CalibrateRun, composed: DictConfig) -> None:
    """One calibration."""
    del composed
    from lrdqn.cli.runtime import prepare

    prepare(config.runtime)
    if config.source != "world":
        fit_log(config)
    elif not compare_world(config) and config.check:
        raise SystemExit(1)


def preflight(config: CalibrateRun) -> None:
    """The log's folder must exist and the destination must be free; a world is a live one."""
    from lrdqn.cli.train import check_env
    from lrdqn.io.population import check_destination

    if config.env.kind != "live":
        raise ConfigError("env", config.env.kind, "calibrate compares the live world; must be live")
    if config.env.clock == "tick":
        raise ConfigError("env.clock", "tick", "the table counts impressions, one a step; must be decision")
    check_env(config.env)
    if config.source != "world":
        if not Path(str(config.path)).is_dir():
            raise ConfigError("path", config.path, "no such folder; must be the folder of the log")
        check_destination(Path(str(config.out)))


def main() -> None:
    """Entry point."""
    launch("calibrate", CalibrateRun, task, preflight)
