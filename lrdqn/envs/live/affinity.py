"""Affinity and raw utility of user-streamer pairs, on the host, before a session begins.

Source: envs/live/README.md, sections 2 and 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrdqn.envs.live.config import UserLawConfig
from lrdqn.envs.live.population_arrays import Population

Floats = NDArray[np.floating]

POPULARITY_MU, POPULARITY_SIGMA = 0.670, 1.792
"""Mean and sd of a streamer's log popularity; they reproduce P(< 5 interactions) = 0.70
(KuaiLive)."""


def standard_popularity(log_popularity: Any) -> Any:
    """Return ``L = (log P - POPULARITY_MU) / POPULARITY_SIGMA``."""
    return (log_popularity - POPULARITY_MU) / POPULARITY_SIGMA


def pair_affinity(
    population: Population, user: NDArray[np.integer], streamer: NDArray[np.integer]
) -> Floats:
    """Return the standardised affinity of pairs, ``(theta_u . e_i - m_a) / s_a``; the ids may have
    any shapes that broadcast."""
    dot = np.sum(population.interest[user] * population.style[streamer], axis=-1)
    return (dot - population.affinity_mean) / population.affinity_scale


def pair_utility(
    population: Population,
    law: UserLawConfig,
    user: NDArray[np.integer],
    streamer: NDArray[np.integer],
) -> Floats:
    """Return the raw utility of fresh pairs (no loyalty, fatigue or highlight), before
    standardisation.

    ``w_a a + b_g + w_P L + w_k k + w_h h``. Source: envs/live/README.md, section 5.
    """
    bias = np.sum(population.category_bias[user] * population.category[streamer], axis=-1)
    return (
        law.affinity * pair_affinity(population, user, streamer)
        + bias
        + law.popularity * standard_popularity(population.log_popularity[streamer])
        + law.skill * population.skill[streamer]
        + law.hook * population.hook[streamer]
    )
