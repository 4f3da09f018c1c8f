"""Configuration: schemas (``learner``, ``world``, ``roots``) and ``freeze()``, the only way from Hydra into the code."""

from lrdqn.config.checks import discount_minutes
from lrdqn.config.fields import ConfigError, InputError
from lrdqn.config.freeze import freeze, unknown_key
from lrdqn.config.learner import AgentConfig, NetworkConfig, ReplayConfig
from lrdqn.config.roots import CalibrateRun, EvaluateConfig, EvaluateRun, ReportRun, TrainConfig, TrainRun, register_schemas
from lrdqn.config.world import EnvConfig, LiveConfig, ProbeConfig, RewardConfig, ScheduleConfig, UserLawConfig

__all__ = [
    "AgentConfig",
    "CalibrateRun",
    "ConfigError",
    "EnvConfig",
    "EvaluateConfig",
    "EvaluateRun",
    "InputError",
    "LiveConfig",
    "NetworkConfig",
    "ProbeConfig",
    "ReplayConfig",
    "ReportRun",
    "RewardConfig",
    "ScheduleConfig",
    "TrainConfig",
    "TrainRun",
    "UserLawConfig",
    "discount_minutes",
    "freeze",
    "register_schemas",
    "unknown_key",
]
