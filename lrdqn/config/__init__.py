"""Keys that all environments and agents share, with their defaults, ranges and meanings."""

from lrdqn.config.agent import AgentConfig
from lrdqn.config.env import EnvConfig
from lrdqn.config.fields import ConfigError, InputError
from lrdqn.config.network import NetworkConfig
from lrdqn.config.replay import ReplayConfig
from lrdqn.config.train import EvaluateConfig, TrainConfig, iteration_steps

__all__ = [
    "AgentConfig",
    "ConfigError",
    "EnvConfig",
    "EvaluateConfig",
    "InputError",
    "NetworkConfig",
    "ReplayConfig",
    "TrainConfig",
    "iteration_steps",
]
