"""Keys of replay (``replay.*``)."""

from __future__ import annotations

from dataclasses import dataclass

from lrdqn.config.fields import choice, real, whole


@dataclass
class ReplayConfig:
    """Memory of transitions. Capacity is per seed, in transitions."""

    name: str = choice("uniform", ("uniform", "prioritized", "rank", "queue"), "sampling rule")
    capacity: int = whole(16_384, 1, "transitions kept per learner", 2**30)
    batch_size: int = whole(256, 1, "transitions per gradient step")
    alpha: float = real(0.6, 0.0, 1.0, "priority exponent (Schaul 2016, eq. 1); 0 is uniform")
    beta: float = real(0.4, 0.0, 1.0, "importance-weight exponent at the start")
    beta_end: float = real(1.0, 0.0, 1.0, "importance-weight exponent at the end of training")
    epsilon: float = real(
        1e-3, 1e-12, 1e12, "added to |TD error| so that no transition is forgotten"
    )
