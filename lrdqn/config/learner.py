"""Schemas of the learner: agent, replay, network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lrdqn.config.fields import choice, real, whole


@dataclass
class AgentConfig:
    """The DQN family. Periods are in env steps per seed (DESIGN P17)."""

    name: str = choice("dqn", ("dqn",), "agent; its variants are the other keys")
    target: str = choice("double", ("max", "double"), "target rule: max (Mnih 2015) or double (van Hasselt 2016)")
    loss: str = choice("mse", ("mse", "huber"), "loss on the TD error; Huber fits the median-like centre, not the mean")
    gamma: float = real(0.9, 0.0, 1.0, "discount of one decision")
    learning_rate: float = real(2e-3, 0.0, 10.0, "step size of the optimiser", open_low=True)
    optimizer: str = choice("adam", ("adam", "rmsprop", "sgd"), "optimiser (optax)")
    adam_eps: float = real(1e-5, 0.0, 1.0, "epsilon of Adam and RMSProp", open_low=True)
    max_grad_norm: float = real(10.0, 0.0, math.inf, "gradients are clipped to this global norm", open_low=True)
    target_period: int = whole(2048, 1, "env steps between two moves of the target network")
    tau: float = real(1.0, 0.0, 1.0, "share of the online network in such a move; 1 copies it", open_low=True)
    epsilon_start: float = real(1.0, 0.0, 1.0, "exploration at the first learning step")
    epsilon_end: float = real(0.05, 0.0, 1.0, "exploration from epsilon_steps on")
    epsilon_steps: int = whole(40_960, 1, "env steps over which epsilon falls linearly")
    reward_scale: float = real(0.1, 0.0, math.inf, "rewards are multiplied by this before the learner sees them", open_low=True)


@dataclass
class ReplayConfig:
    """Where transitions wait. Capacity is per seed, in transitions."""

    name: str = choice("uniform", ("uniform", "prioritized"), "sampling rule")
    capacity: int = whole(16_384, 1, "transitions kept per learner", 2**30)
    batch_size: int = whole(256, 1, "transitions per gradient step")
    alpha: float = real(0.6, 0.0, 1.0, "priority exponent (Schaul 2016, eq. 1); 0 is uniform")
    beta: float = real(0.4, 0.0, 1.0, "importance-weight exponent at the start")
    beta_end: float = real(1.0, 0.0, 1.0, "importance-weight exponent at the end of training")
    epsilon: float = real(1e-3, 1e-12, 1e12, "added to |TD error| so that no transition is forgotten")


@dataclass
class NetworkConfig:
    """``scorer`` scores each candidate of a changing set; ``mlp`` has one output per action of a fixed set."""

    name: str = choice("scorer", ("scorer", "mlp"), "kind of Q-network")
    hidden: list[int] = field(default_factory=lambda: [64, 32], metadata={"each_low": 1, "doc": "widths of the hidden layers"})
    embedding: int = whole(8, 1, "width of the identity embedding (scorer)")
