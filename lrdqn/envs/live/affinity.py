"""Users and streamers in pairs, on the host: affinity and utility before a session begins
(SIMULATOR section 0)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrdqn.envs.live.config import UserLawConfig
from lrdqn.envs.live.population_arrays import Population

Floats = NDArray[np.floating]

POPULARITY_MU, POPULARITY_SIGMA = 0.670, 1.792
"""Log popularity of a streamer; reproduces P(< 5 interactions) = .70 (SIMULATOR section 7)."""


def standard_popularity(log_popularity: Any) -> Any:
    """``L = (log P - .670) / 1.792``."""
    return (log_popularity - POPULARITY_MU) / POPULARITY_SIGMA


def pair_affinity(
    population: Population, user: NDArray[np.integer], streamer: NDArray[np.integer]
) -> Floats:
    """Standardised affinity of pairs: ``(theta_u . e_s - mean) / scale``; ids of any one broadcast
    shape."""
    dot = np.sum(population.interest[user] * population.style[streamer], axis=-1)
    return (dot - population.affinity_mean) / population.affinity_scale


def pair_utility(
    population: Population,
    law: UserLawConfig,
    user: NDArray[np.integer],
    streamer: NDArray[np.integer],
) -> Floats:
    """Raw utility of fresh pairs (no loyalty, fatigue or highlight), before standardisation
    (SIMULATOR section 0)."""
    bias = np.sum(population.category_bias[user] * population.category[streamer], axis=-1)
    return (
        law.affinity * pair_affinity(population, user, streamer)
        + bias
        + law.popularity * standard_popularity(population.log_popularity[streamer])
        + law.skill * population.skill[streamer]
        + law.hook * population.hook[streamer]
    )
