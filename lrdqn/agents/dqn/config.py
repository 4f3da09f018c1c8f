"""Keys of ``agent=dqn`` and of the presets built on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lrdqn.config.agent import AgentConfig
from lrdqn.config.fields import choice_field, float_field, int_field

TARGET_RULES = ("max", "double", "expected_sarsa", "munchausen", "lambda")


@dataclass
class DQNConfig(AgentConfig):
    """The DQN family: target rule, loss, optimiser, target network."""

    name: str = choice_field("dqn", ("dqn",), "agent; the variants of dqn are the other keys")
    target: str = choice_field(
        "double",
        TARGET_RULES,
        "target rule; lambda regresses on returns of fresh sessions (replay=queue)",
    )
    trace: float = float_field(
        0.65, 0.0, 1.0, "lambda of target=lambda: 0 is one step, 1 the whole rollout"
    )
    munchausen: float = float_field(
        0.9, 0.0, 1.0, "share of the log-policy that target=munchausen adds to the reward"
    )
    temperature: float = float_field(
        0.03, 0.0, math.inf, "temperature of the softmax policy of target=munchausen", open_low=True
    )
    log_policy_min: float = float_field(
        -1.0, -math.inf, 0.0, "lower bound of temperature x log-policy (target=munchausen)"
    )
    loss: str = choice_field(
        "mse",
        ("mse", "huber"),
        "loss on the TD error; huber is robust to outliers, but does not fit the mean",
    )
    optimizer: str = choice_field("adam", ("adam", "radam", "rmsprop", "sgd"), "optimiser (optax)")
    adam_eps: float = float_field(1e-5, 0.0, 1.0, "epsilon of Adam and RMSProp", open_low=True)
    weight_decay: float = float_field(
        0.0, 0.0, 100.0, "decay of all weights, times the learning rate (decoupled, as in AdamW)"
    )
    max_grad_norm: float | None = float_field(
        10.0,
        0.0,
        math.inf,
        "gradients are clipped to this global norm; null turns clipping off",
        open_low=True,
    )
    target_candidates: int | None = int_field(
        None,
        1,
        "candidates of the next state, drawn at random, that the target looks at; null: all",
    )
    target_period: int = int_field(2048, 1, "env steps between two updates of the target network")
    policy: str = choice_field(
        "online",
        ("online", "target"),
        "parameters of the greedy policy; target, with a small tau, averages over updates",
    )
    tau: float = float_field(
        1.0,
        0.0,
        1.0,
        "share of the online network in an update of the target network; 1 copies it",
        open_low=True,
    )
