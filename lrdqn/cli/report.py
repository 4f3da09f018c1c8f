"""``lrdqn report run=PATH``: table and learning curve of a run, or all runs of a sweep in one
table; ``world=``: pictures of a live world, or, in the tick clock, the welfare of its streamers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from omegaconf import DictConfig

from lrdqn.cli.launch import launch
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import CalibrateRun, ReportRun, TrainRun
from lrdqn.config import ConfigError
from lrdqn.envs.live.config import LiveConfig

JOINED = "joined"
"""Name of the files that join the runs of a sweep."""


def show_run(folder: Path) -> None:
    """Print the table, redraw the curve, and print where the files are."""
    from rich.console import Console

    from lrdqn.report.curve import draw_curve
    from lrdqn.report.policy_table import nonfinite_notes, policy_table, verdicts
    from lrdqn.report.tables import slate_table
    from lrdqn.runner.folder import CURVE, MetricsLog, read_summary

    console = Console()
    summary = read_summary(folder)
    console.print(policy_table(summary))
    if (pages := slate_table(summary)) is not None:
        console.print(pages)
    for line in [*verdicts(summary), *nonfinite_notes(summary)]:
        console.print(line, highlight=False, markup=False)
    message = draw_curve(folder, MetricsLog(folder).rows(), folder / CURVE)
    if message:
        console.print(message, highlight=False, markup=False)
    console.print(f"run folder: {folder}", highlight=False, markup=False, soft_wrap=True)


def show_joined(folder: Path) -> None:
    """Print the runs of a sweep as one table, and write it beside them."""
    from rich.console import Console

    from lrdqn.atomic import write_json, write_text
    from lrdqn.report.sweep import join
    from lrdqn.report.sweep_table import joined_json, joined_markdown, joined_table

    rows = join(folder)
    console = Console()
    console.print(joined_table(rows, console.width))
    write_json(folder / f"{JOINED}.json", joined_json(rows))
    write_text(folder / f"{JOINED}.md", joined_markdown(rows))
    print(f"{folder / JOINED}.json and .md")


def is_run(folder: Path) -> bool:
    """Return whether a folder holds one run, rather than several."""
    from lrdqn.runner.folder import RESOLVED, SUMMARY

    return (folder / RESOLVED).exists() or (folder / SUMMARY).exists()


def show_welfare(config: ReportRun) -> None:
    """Print the welfare of the streamers of a tick world under each baseline."""
    from rich.console import Console

    from lrdqn.report.streamer_welfare import play_ticks
    from lrdqn.report.tables import streamer_table

    env, seed = world_of(config)
    console = Console()
    console.print(streamer_table(play_ticks(env, seed, config.sessions, config.ticks)))
    days = config.ticks * env.tick.seconds / 86_400
    console.print(f"{config.sessions:,} places for {days:.2g} days of the world", highlight=False)


def draw_pictures(config: ReportRun) -> None:
    """Draw pictures of a live world."""
    from lrdqn.report.world_picture import picture_world
    from lrdqn.report.world_plots import draw_world, make_folder

    folder = make_folder(Path(config.out).expanduser())
    env, seed = world_of(config)
    for path in draw_world(picture_world(env, seed, config.sessions), folder):
        print(path)


def world_of(config: ReportRun) -> tuple[LiveConfig, int]:
    """Return the configuration of a world, in the requested clock, and the seed that it is drawn
    from.

    Raises:
        InputError: there is no such run, its environment is not the live world, or that world has
            no such clock.
    """
    env, seed = named_world(str(config.world))
    if config.env.clock != "own":
        env = dataclasses.replace(env, clock=config.env.clock)
    return freeze(CalibrateRun, dataclasses.asdict(CalibrateRun(env=env))).env, seed


def named_world(named: str) -> tuple[LiveConfig, int]:
    """Return the configuration of the default world, or of a run's world, and its seed.

    Raises:
        InputError: there is no such run, or its environment is not the live world.
    """
    if named == "default":
        return freeze(CalibrateRun, dataclasses.asdict(CalibrateRun())).env, 0
    from lrdqn.runner.folder import RESOLVED, read_resolved

    if not (Path(named).expanduser() / RESOLVED).is_file():
        raise ConfigError(
            "world", named, f"no {RESOLVED} there; must be the folder of a run, or `default`"
        )
    config = freeze(TrainRun, read_resolved(named))
    if not isinstance(config.env, LiveConfig):
        raise ConfigError(
            "world", named, f"this run played env={config.env.kind}; must be one on the live world"
        )
    return config.env, config.train.seed


def task(config: ReportRun, composed: DictConfig) -> None:
    """Run one report."""
    del composed
    if config.world is not None:
        (show_welfare if world_of(config)[0].clock == "tick" else draw_pictures)(config)
        return
    folder = Path(str(config.run)).expanduser()
    (show_run if is_run(folder) else show_joined)(folder)


def preflight(config: ReportRun) -> None:
    """Raise ``InputError`` unless the folder holds a finished run, or runs."""
    if config.run is None and config.world is None:
        raise ConfigError("run", "???", "is required (or world=PATH)")
    if config.run is not None and config.world is not None:
        raise ConfigError("world", config.world, "one report at a time; leave out run or world")
    if config.world is not None:
        world_of(config)
        return
    from lrdqn.report.sweep import find_runs
    from lrdqn.runner.folder import read_summary

    folder = Path(str(config.run)).expanduser()
    if is_run(folder) or not find_runs(folder):
        read_summary(str(config.run))


def main() -> None:
    """Run ``lrdqn report``."""
    launch("report", ReportRun, task, preflight)
