"""Configuration: schemas (``learner``, ``world``, ``roots``) and ``freeze()``, the only way from
Hydra into the code."""

from lrdqn.config.checks import discount_minutes, iteration_steps
from lrdqn.config.fields import ConfigError, InputError
from lrdqn.config.freeze import freeze, unknown_key
from lrdqn.config.grid import KEYS as GRID_KEYS
from lrdqn.config.grid import GridConfig, axes_of, points_of, value_at
from lrdqn.config.learner import AgentConfig, NetworkConfig, ReplayConfig
from lrdqn.config.logger import LoggerConfig
from lrdqn.config.recsim import EvolutionConfig, ExplorationConfig, RecsimConfig, SatisfactionConfig
from lrdqn.config.roots import (
    CalibrateRun,
    EvaluateConfig,
    EvaluateRun,
    ReportRun,
    TrainConfig,
    TrainRun,
    TuneRun,
    register_schemas,
)
from lrdqn.config.running import CheckpointConfig, DebugConfig, RuntimeConfig
from lrdqn.config.ticking import TickConfig
from lrdqn.config.world import (
    EnvConfig,
    GarnetConfig,
    GymnasiumConfig,
    GymnaxConfig,
    LiveConfig,
    PerturbConfig,
    ProbeConfig,
    RewardConfig,
    ScheduleConfig,
    UserLawConfig,
    ViewConfig,
    ViewsConfig,
)

__all__ = [
    "GRID_KEYS",
    "AgentConfig",
    "CalibrateRun",
    "CheckpointConfig",
    "ConfigError",
    "DebugConfig",
    "EnvConfig",
    "EvaluateConfig",
    "EvaluateRun",
    "EvolutionConfig",
    "ExplorationConfig",
    "GarnetConfig",
    "GridConfig",
    "GymnasiumConfig",
    "GymnaxConfig",
    "InputError",
    "LiveConfig",
    "LoggerConfig",
    "NetworkConfig",
    "PerturbConfig",
    "ProbeConfig",
    "RecsimConfig",
    "ReplayConfig",
    "ReportRun",
    "RewardConfig",
    "RuntimeConfig",
    "SatisfactionConfig",
    "ScheduleConfig",
    "TickConfig",
    "TrainConfig",
    "TrainRun",
    "TuneRun",
    "UserLawConfig",
    "ViewConfig",
    "ViewsConfig",
    "axes_of",
    "discount_minutes",
    "freeze",
    "iteration_steps",
    "points_of",
    "register_schemas",
    "unknown_key",
    "value_at",
]
