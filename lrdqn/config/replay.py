"""Keys of replay (``replay.*``)."""

from __future__ import annotations

from dataclasses import dataclass

from lrdqn.config.fields import choice_field, float_field, int_field


@dataclass
class ReplayConfig:
    """Memory of transitions. Capacity is per seed, in transitions."""

    name: str = choice_field(
        "uniform", ("uniform", "prioritized", "rank", "queue"), "sampling rule"
    )
    capacity: int = int_field(16_384, 1, "transitions kept per learner", 2**30)
    batch_size: int = int_field(256, 1, "transitions per gradient step")
    alpha: float = float_field(
        0.6, 0.0, 1.0, "priority exponent (Schaul et al. 2016, eq. 1); 0 is uniform"
    )
    beta: float = float_field(0.4, 0.0, 1.0, "importance-weight exponent at the start")
    beta_end: float = float_field(
        1.0, 0.0, 1.0, "importance-weight exponent at the end of training"
    )
    epsilon: float = float_field(
        1e-3, 1e-12, 1e12, "added to |TD error|, so that every transition can be drawn"
    )
