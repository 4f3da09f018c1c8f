"""Schemas of the learner: agent, replay, network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lrdqn.config.fields import choice, real, said, whole

AGENTS = ("dqn", "slateq", "full_slate", "q_learning", "double_q_learning", "value_iteration")
TARGET_RULES = ("max", "double", "expected_sarsa", "munchausen", "lambda", "sarsa")
OPTIMISERS = ("topk", "greedy", "exact")


@dataclass
class SlateConfig:
    """How ``agent=slateq`` takes slates apart and puts them together."""

    fill: str = choice("greedy", OPTIMISERS, "how slates are made of item values")
    target_fill: str = choice(
        "same", ("same", *OPTIMISERS), "how those of the target are, where target is max or double"
    )
    null_value: bool = said(
        True,
        "learn what follows when nothing is taken; false counts it as 0, as RecSim's release does",
    )
    choice: str = choice(
        "auto",
        ("auto", "told", "logit"),
        "weights of viewers' choices: the environment's own, or a learned conditional logit",
    )


@dataclass
class AgentConfig:
    """The DQN family and the tabular agents. Periods are in env steps per seed (DESIGN P17)."""

    name: str = choice("dqn", AGENTS, "agent; the variants of dqn are the other keys")
    target: str = choice(
        "double",
        TARGET_RULES,
        (
            "target rule; lambda regresses on returns of fresh sessions "
            "(replay=queue), sarsa bootstraps from the slate shown next"
        ),
    )
    slate: SlateConfig = field(default_factory=SlateConfig)
    n_steps: int = whole(
        1, 1, "rewards summed before bootstrapping, cut at the end of a session", 1000
    )
    trace: float = real(
        0.65, 0.0, 1.0, "lambda of target=lambda: 0 is one step, 1 the whole rollout"
    )
    munchausen: float = real(
        0.9, 0.0, 1.0, "share of the log-policy that target=munchausen adds to the reward"
    )
    temperature: float = real(
        0.03, 0.0, math.inf, "of the softmax policy of target=munchausen", open_low=True
    )
    log_policy_min: float = real(
        -1.0, -math.inf, 0.0, "floor of temperature x log-policy in that bonus"
    )
    loss: str = choice(
        "mse",
        ("mse", "huber"),
        "loss on the TD error; Huber fits the median-like centre, not the mean",
    )
    gamma: float = real(0.9, 0.0, 1.0, "discount of one decision")
    learning_rate: float = real(2e-3, 0.0, 10.0, "step size of the optimiser", open_low=True)
    learning_rate_decay: float = real(
        0.0, 0.0, 1.0, "share of it that is lost by the end of the run, linearly; 0 keeps it"
    )
    optimizer: str = choice("adam", ("adam", "radam", "rmsprop", "sgd"), "optimiser (optax)")
    adam_eps: float = real(1e-5, 0.0, 1.0, "epsilon of Adam and RMSProp", open_low=True)
    max_grad_norm: float | None = real(
        10.0,
        0.0,
        math.inf,
        "gradients are clipped to this global norm; null leaves them",
        open_low=True,
    )
    target_period: int = whole(2048, 1, "env steps between two moves of the target network")
    tau: float = real(
        1.0, 0.0, 1.0, "share of the online network in such a move; 1 copies it", open_low=True
    )
    epsilon: float = real(1.0, 0.0, 1.0, "exploration at the first learning step")
    epsilon_end: float = real(0.05, 0.0, 1.0, "exploration from epsilon_steps on")
    epsilon_steps: int = whole(40_960, 1, "env steps over which epsilon falls linearly")
    reward_scale: float = real(
        0.1,
        0.0,
        math.inf,
        "rewards are multiplied by this before the learner sees them",
        open_low=True,
    )
    step_decay: float = real(
        0.0, 0.0, 1.0, "tabular: the step size is learning_rate x visits^-step_decay"
    )


@dataclass
class ReplayConfig:
    """Where transitions wait. Capacity is per seed, in transitions."""

    name: str = choice("uniform", ("uniform", "prioritized", "rank", "queue"), "sampling rule")
    capacity: int = whole(16_384, 1, "transitions kept per learner", 2**30)
    batch_size: int = whole(256, 1, "transitions per gradient step")
    alpha: float = real(0.6, 0.0, 1.0, "priority exponent (Schaul 2016, eq. 1); 0 is uniform")
    beta: float = real(0.4, 0.0, 1.0, "importance-weight exponent at the start")
    beta_end: float = real(1.0, 0.0, 1.0, "importance-weight exponent at the end of training")
    epsilon: float = real(
        1e-3, 1e-12, 1e12, "added to |TD error| so that no transition is forgotten"
    )


@dataclass
class NetworkConfig:
    """``scorer`` scores each candidate of a changing set; ``mlp`` has one output per action of a
    fixed set, ``cnn`` looks at images first; ``table`` has one number per state and action."""

    name: str = choice("scorer", ("scorer", "mlp", "cnn", "table"), "kind of Q-network")
    hidden: list[int] = field(
        default_factory=lambda: [64, 32],
        metadata={"each_low": 1, "doc": "widths of the hidden layers"},
    )
    channels: list[int] = field(
        default_factory=lambda: [16],
        metadata={"each_low": 1, "doc": "widths of the 3 x 3 convolutions before them (cnn)"},
    )
    embedding: int = whole(8, 1, "width of the identity embedding (scorer)")
    history: str = choice(
        "mean", ("mean", "gru", "attention"), "encoder of the watch sequence (scorer)"
    )
    history_width: int = whole(16, 1, "width of a learned encoder of the watch sequence (scorer)")
    head: str = choice(
        "linear", ("linear", "dueling"), "dueling: value of the state plus advantages"
    )
    layers: str = choice(
        "dense", ("dense", "noisy"), "layers of the head; noisy ones explore by themselves"
    )
    noise: float = real(0.5, 0.0, math.inf, "initial noise of noisy layers", open_low=True)
    norm: str = choice("none", ("none", "layer"), "normalisation behind each hidden layer")
    value: str = choice(
        "mean", ("mean", "categorical", "quantile"), "what the head predicts of the return"
    )
    atoms: int = whole(51, 2, "atoms of categorical, or quantiles", 1000)
    v_min: float = real(-2.0, -math.inf, math.inf, "lowest atom (categorical), in scaled rewards")
    v_max: float = real(5.0, -math.inf, math.inf, "highest atom (categorical), in scaled rewards")
    kappa: float = real(
        1.0, 0.0, math.inf, "Huber threshold of the quantile loss; 0 is plain quantile regression"
    )
