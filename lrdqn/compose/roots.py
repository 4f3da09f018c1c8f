"""Schemas of the runs: one root per command, and their registration with Hydra."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.compose import families
from lrdqn.compose.grid import GridConfig
from lrdqn.config import (
    AgentConfig,
    EnvConfig,
    EvaluateConfig,
    NetworkConfig,
    ReplayConfig,
    TrainConfig,
)
from lrdqn.config.fields import choice_field, int_field, plain_field
from lrdqn.config.logger import LoggerConfig
from lrdqn.config.runtime import CheckpointConfig, DebugConfig, RuntimeConfig
from lrdqn.envs.live.config import LiveConfig, PerturbConfig


@dataclass
class TrainRun:
    """Root of `lrdqn train`."""

    agent: AgentConfig = field(default_factory=DQNConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    env: EnvConfig = MISSING
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    grid: GridConfig = field(default_factory=GridConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    debug: DebugConfig = field(default_factory=DebugConfig)
    resume: str | None = plain_field(
        None,
        "`auto` resumes the run in hydra.run.dir if there is one; a run folder must hold a run",
    )
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)


@dataclass
class TuneConfig:
    """A search over float hyper-parameters. The trials of a batch train side by side in one
    program."""

    trials: int = int_field(32, 1, "trials in all")
    batch: int = int_field(8, 1, "trials that are proposed, trained and reported together")
    space: GridConfig = field(default_factory=GridConfig)
    """``[low, high]`` of each searched hyper-parameter. A range of positive values is searched on a
    log scale where high / low is ten or more."""


@dataclass
class TuneRun(TrainRun):
    """Root of `lrdqn tune`: a training run whose learners are the trials of a search."""

    tune: TuneConfig = field(default_factory=TuneConfig)


@dataclass
class EvaluatedEnvConfig:
    """Changes that an evaluation may make to the run's live world."""

    perturb: PerturbConfig = field(default_factory=PerturbConfig)


@dataclass
class EvaluateRun:
    """Root of `lrdqn evaluate`."""

    run: str = plain_field(MISSING, "run folder")
    population: str | None = plain_field(
        None, "another population folder to evaluate the policy on; null takes the run's own world"
    )
    env: EvaluatedEnvConfig = field(default_factory=EvaluatedEnvConfig)
    seed: int | None = int_field(
        None, 0, "root of the cohorts' random numbers; null repeats the run's own table", 2**31 - 1
    )
    sessions: int | None = int_field(
        None, 1, "session starts per seed and cohort; null takes the run's"
    )
    cohorts: int | None = int_field(None, 1, "cohorts pooled in the table; null takes the run's")
    resamples: int | None = int_field(
        None, 100, "resamples of an interval (bootstrap-t); null takes the run's"
    )
    references: bool | None = plain_field(
        None, "evaluate exploiters and privileged policies too; null takes the run's"
    )
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)


@dataclass
class WindowConfig:
    """Three weeks of a synthetic platform at KuaiLive's proportions, for metrics per user and per
    streamer."""

    sessions: int = int_field(20_000, 1, "sessions in the window of each world")
    streamers: int = int_field(5000, 1, "streamers in the window")
    users: int = int_field(
        4500, 1, "users in the window; about 250 of them click, comment, like and give gifts"
    )
    days: int = int_field(
        23, 3, "days of the schedule, the first and last without session starts", 365
    )


@dataclass
class CalibrateRun:
    """Root of `lrdqn calibrate`."""

    source: str = choice_field(
        "world",
        ("world", "movielens", "kuailive", "kuairand"),
        "`world` compares it with published statistics; a log's name fits a population to the log",
    )
    path: str | None = plain_field(None, "folder of the log")
    out: str | None = plain_field(None, "population folder to write")
    env: LiveConfig = field(default_factory=LiveConfig)
    seed: int = int_field(0, 0, "root of the random numbers", 2**31 - 1)
    sessions: int = int_field(4096, 1, "sessions simulated per world for the table")
    worlds: int = int_field(4, 1, "worlds that the table pools")
    window: WindowConfig = field(default_factory=WindowConfig)
    factors: int = int_field(16, 2, "length of the fitted user and item vectors")
    streamers: int = int_field(
        5000, 2, "most-clicked streamers that are kept of kuailive or kuairand"
    )
    users: int = int_field(
        5000, 2, "users that are kept of kuailive or kuairand, by their clicks on these streamers"
    )
    fit: bool | None = plain_field(
        None,
        (
            "fit the constants of clicking, staying, reacting and returning; "
            "null fits them for a log, not for the world"
        ),
    )
    check: bool = plain_field(False, "exit with code 1 when a statistic is outside its tolerance")
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)


@dataclass
class ReportedEnvConfig:
    """Changes that a report may make to a live world."""

    clock: str = choice_field(
        "own",
        ("own", "decision", "tick"),
        "`own` is the world's clock; `tick` prints the welfare of its streamers",
    )


@dataclass
class ReportRun:
    """Root of `lrdqn report`."""

    run: str | None = plain_field(None, "run folder, or a folder of run folders")
    world: str | None = plain_field(
        None,
        "draw a live world instead: that of the first seed of a run folder, or `default`",
    )
    out: str = plain_field("world", "folder for the pictures of a world")
    env: ReportedEnvConfig = field(default_factory=ReportedEnvConfig)
    sessions: int = int_field(4096, 1, "sessions that are simulated in the world")
    ticks: int = int_field(2880, 1, "ticks that are simulated (env.clock=tick)")


ROOTS: dict[str, type] = {
    "train": TrainRun,
    "tune": TuneRun,
    "evaluate": EvaluateRun,
    "calibrate": CalibrateRun,
    "report": ReportRun,
}


def register_schemas() -> None:
    """Make the schemas of all commands, environments and agents known to Hydra, unless they are."""
    from hydra.core.config_store import ConfigStore

    families.register_installed()
    if "schema" in ConfigStore.instance().repo:
        return
    for name, root in ROOTS.items():
        # an agent brings its keys with its name; those of another must not be left beneath them
        node = root(agent=MISSING, env=MISSING) if issubclass(root, TrainRun) else root
        ConfigStore.instance().store(group="schema", name=name, node=node)
    families.register_own()
