"""The fits of ``lrdqn calibrate``, one function per ``source=``: each reads a log and writes a
population folder and its settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from lrdqn.calibration.settings import write_settings
from lrdqn.calibration.sizes import check_sizes
from lrdqn.compose.roots import CalibrateRun
from lrdqn.envs.live.population import complete, freeze_utility, sample_population
from lrdqn.envs.live.population_folder import save_population
from lrdqn.envs.live.user_history import simulate_history
from lrdqn.logs.tables import Match, cut_files

if TYPE_CHECKING:
    from lrdqn.calibration.directions import Directions
    from lrdqn.envs.live.population_arrays import Population


RECALL_NOT_MEASURED = "held-out recall@20: not measured (no user has five events, the newest liked)"


def calibrate_movielens(config: CalibrateRun) -> None:
    """Read a MovieLens folder, factorise its ratings and write the population."""
    from lrdqn.calibration.factors import fit_factors
    from lrdqn.calibration.population_from_ratings import population_card, rated_population
    from lrdqn.logs.movielens import read_movielens

    console, out = Console(), Path(str(config.out))
    log = read_movielens(Path(str(config.path)))
    console.print(
        f"read {len(log.rating):,} ratings of {log.n_items:,} items by {log.n_users:,} users",
        highlight=False,
        markup=False,
    )
    print_matches(console, config, ())
    check_sizes(config, log.n_users, log.n_items)
    factors = fit_factors(log, config.factors, config.seed)
    rng = np.random.default_rng(config.seed)
    sizes = {
        "streamers": log.n_items,
        "users": log.n_users,
        "style": config.factors,
        "categories": len(log.category_names),
    }
    defaults = sample_population(config.env, rng, **sizes)
    population = complete(
        rated_population(log, factors, defaults, config.env.history, config.env.tags),
        config.env.law,
        rng,
    )
    card = population_card(log, factors, population)
    save_population(out, population, card)
    if not factors.held_out_users:
        console.print(RECALL_NOT_MEASURED, highlight=False, markup=False)
    else:
        console.print(
            f"held-out recall@20: factors {factors.recall:.3f}, as "
            f"unit vectors {factors.cosine_recall:.3f}, "
            f"popularity {factors.popularity_recall:.3f} ({factors.held_out_users} users)",
            highlight=False,
            markup=False,
        )
    write_settings(console, config, {}, {})


def calibrate_kuailive(config: CalibrateRun) -> None:
    """Read a KuaiLive folder, print its metrics beside the published ones, and write the population
    and the settings that the log gives."""
    from lrdqn.calibration.kuailive_metrics import hourly_watch, kuailive_metrics, lognormal_sd
    from lrdqn.calibration.law_from_kuailive import fitted_law
    from lrdqn.calibration.plausible import CONSTANTS, TARGETS, split_plausible
    from lrdqn.calibration.population_from_kuailive import fit_kuailive
    from lrdqn.calibration.population_from_watches import watched_card
    from lrdqn.calibration.tables import log_table
    from lrdqn.calibration.targets import compare_log
    from lrdqn.logs.kuailive import read_kuailive

    console = Console()
    log = read_kuailive(Path(str(config.path)))
    console.print(
        f"read {log.clicks.size:,} clicks, {log.comments.size:,} comments, "
        f"{log.likes.size:,} likes, {log.gifts.size:,} gifts "
        f"and {log.rooms.size:,} rooms",
        highlight=False,
        markup=False,
    )
    print_matches(console, config, log.matches)
    metrics = kuailive_metrics(log)
    console.print(
        log_table(compare_log(metrics), "this log against the metrics published of KuaiLive")
    )
    law, left = split_plausible(fitted_law(log), CONSTANTS, "the default stays")
    clicked = {"click per impression, reference": metrics.get("click per impression", math.nan)}
    aims, unaimed = split_plausible(
        {name: value for name, value in (metrics | clicked).items() if name in TARGETS},
        TARGETS,
        "the published value is fitted to",
    )
    left += unaimed
    for line in left:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    rng = np.random.default_rng(config.seed)
    log_sd = lognormal_sd(metrics.get("Gini of gifts, users", 0.942))
    fit, found = fit_kuailive(log, config, log_sd, rng)
    population = complete_population(fit.arrays, config, rng)
    card = watched_card(fit, found, population)
    hours = [round(float(share), 4) for share in hourly_watch(log)]
    card |= {
        "law": law,
        "matches": [str(found) for found in log.matches],
        "not_used": left,
        "figures": metrics,
        "hourly_watch_shares": hours,
    }
    save_population(Path(str(config.out)), population, card)
    print_recall(console, found)
    write_settings(console, config, law, aims)


def calibrate_kuairand(config: CalibrateRun) -> None:
    """Read a KuaiRand folder, print its rates beside the published ones and write the
    population."""
    from lrdqn.calibration.kuairand_metrics import kuairand_rows
    from lrdqn.calibration.population_from_kuairand import fit_kuairand
    from lrdqn.calibration.population_from_watches import watched_card
    from lrdqn.calibration.tables import log_table
    from lrdqn.logs.kuairand import read_kuairand

    console = Console()
    log = read_kuairand(Path(str(config.path)))
    seen = "no log, rates only" if log.log is None else f"{len(log.log.user):,} impressions"
    console.print(
        f"read {len(log.user_id):,} users and {len(log.video_id):,} videos, {seen}",
        highlight=False,
        markup=False,
    )
    print_matches(console, config, log.matches)
    console.print(
        log_table(kuairand_rows(log), "these files against what was published of KuaiRand-Pure")
    )
    rng = np.random.default_rng(config.seed)
    fit, found = fit_kuairand(log, config, rng)
    population = complete_population(fit.arrays, config, rng)
    card = watched_card(fit, found, population)
    card |= {"matches": [str(found) for found in log.matches]}
    save_population(Path(str(config.out)), population, card)
    if found is not None:
        print_recall(console, found)
    write_settings(console, config, {}, {})


def print_matches(console: Console, config: CalibrateRun, matches: Iterable[Match]) -> None:
    """Print how many rows of each table have the ids of another, and which files may be cut."""
    for found in matches:
        console.print(str(found), highlight=False, markup=False, soft_wrap=True)
    for file in cut_files(Path(str(config.path))):
        console.print(
            f"{file}: does not end with a line break; its last row may be cut",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def complete_population(
    fields: Mapping[str, np.ndarray], config: CalibrateRun, rng: np.random.Generator
) -> Population:
    """Return a population with the fitted fields; the other fields are drawn, given the fitted ones
    where they depend on them."""
    sizes = {
        "streamers": len(fields["category"]),
        "users": len(fields["interest"]),
        "style": fields["style"].shape[1],
        "categories": fields["category"].shape[1],
    }
    drawn = sample_population(config.env, rng, **sizes)
    population = complete(drawn._replace(**fields), config.env.law, rng)
    if "hook" in fields or "profile" in fields:
        own: dict[str, Any] = {name: fields[name] for name in ("hook", "profile") if name in fields}
        population = freeze_utility(population._replace(**own), config.env.law, rng)
    return population if "history" in fields else simulate_history(population, config.env, rng)


def print_recall(console: Console, found: Directions) -> None:
    """Print the recall of the vectors and of the alternatives to them."""
    if not found.held_out_users:
        console.print(
            f"{RECALL_NOT_MEASURED}; style from {found.origin}", highlight=False, markup=False
        )
        return
    told = ", ".join(
        f"{name.replace('_', ' ')} {value:.3f}"
        for name, value in found.recall.items()
        if value is not None
    )
    console.print(
        f"held-out recall@20: {told} ({found.held_out_users} users); style from {found.origin}",
        highlight=False,
        markup=False,
    )


FITS: dict[str, Callable[[CalibrateRun], None]] = {
    "movielens": calibrate_movielens,
    "kuailive": calibrate_kuailive,
    "kuairand": calibrate_kuairand,
}
