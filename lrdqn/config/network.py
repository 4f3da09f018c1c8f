"""Keys of the Q-network (``network.*``)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lrdqn.config.fields import choice_field, float_field, int_field

READS = {
    "scorer": ("candidates", "documents"),
    "mlp": ("vector", "one_hot", "image"),
    "cnn": ("image",),
    "table": ("one_hot",),
}
"""Network -> the kinds of observations that it reads (``types.EnvSpec.observation``)."""


@dataclass
class NetworkConfig:
    """Keys of the Q-network. ``scorer`` scores each candidate of a changing set; ``mlp`` has one
    output per action of a fixed set; ``cnn`` is an ``mlp`` behind convolutions of images; ``table``
    has one number per state and action."""

    name: str = choice_field("scorer", ("scorer", "mlp", "cnn", "table"), "kind of Q-network")
    hidden: list[int] = field(
        default_factory=lambda: [64, 32],
        metadata={"each_low": 1, "doc": "widths of the hidden layers"},
    )
    channels: list[int] = field(
        default_factory=lambda: [16],
        metadata={
            "each_low": 1,
            "doc": "channels of the 3 x 3 convolutions before the hidden layers (cnn)",
        },
    )
    embedding: int = int_field(8, 1, "width of the identity embedding (scorer)")
    history: str = choice_field(
        "mean", ("mean", "gru", "attention"), "encoder of the watch sequence (scorer)"
    )
    history_width: int = int_field(
        16, 1, "width of a learned encoder of the watch sequence (scorer)"
    )
    head: str = choice_field(
        "linear", ("linear", "dueling"), "dueling: value of the state plus advantages"
    )
    layers: str = choice_field(
        "dense", ("dense", "noisy"), "layers of the head; noisy layers explore by themselves"
    )
    noise: float = float_field(0.5, 0.0, math.inf, "initial noise of noisy layers", open_low=True)
    norm: str = choice_field("none", ("none", "layer"), "normalisation after each hidden layer")
    value: str = choice_field(
        "mean", ("mean", "categorical", "quantile"), "how the head represents the return"
    )
    atoms: int = int_field(51, 2, "number of atoms (categorical) or of quantiles (quantile)", 1000)
    v_min: float = float_field(
        -2.0, -math.inf, math.inf, "lowest atom (categorical), in scaled rewards"
    )
    v_max: float = float_field(
        5.0, -math.inf, math.inf, "highest atom (categorical), in scaled rewards"
    )
    kappa: float = float_field(
        1.0, 0.0, math.inf, "Huber threshold of the quantile loss; 0 is plain quantile regression"
    )
