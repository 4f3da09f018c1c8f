"""Cross-entropy search for the parameters of a policy that play best (Rubinstein 1999; de Boer et
al. 2005, algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Found(NamedTuple):
    """The mean of the last generation's elite, and how the search went."""

    weights: np.ndarray
    """``[D]``"""
    best_by_generation: list[float]
    """Mean figure of the elite; of the very points that were chosen by it, so flattered."""


def cross_entropy(
    evaluate: Callable[[np.ndarray], np.ndarray],
    mean: np.ndarray,
    spread: np.ndarray,
    rng: np.random.Generator,
    population: int = 64,
    elite: int = 8,
    generations: int = 12,
    noise: float = 0.05,
) -> Found:
    """Sample normals, keep the best, fit the normal to them, and so on.

    Args:
        evaluate: ``evaluate(points [P, D]) -> scores [P]``, the higher the better; noisy is fine,
            common random numbers help.
        mean, spread: of the first generation ``[D]``.
        rng: of the points.
        population: points of a generation; the first one is the present mean, so that what is known
            is tried again.
        elite: points that the next generation is fitted to.
        generations: how many.
        noise: added to the fitted spread, as a share of the first one and falling to 0, against a
            collapse too early (Szita and Lorincz 2006).
    """
    first, best = spread, []
    for generation in range(generations):
        points = mean + spread * rng.standard_normal((population, len(mean)))
        points[0] = mean
        scores = evaluate(points)
        chosen = np.argsort(-scores, kind="stable")[:elite]
        best.append(float(scores[chosen].mean()))
        mean = points[chosen].mean(axis=0)
        spread = points[chosen].std(axis=0) + noise * first * (1 - (generation + 1) / generations)
    return Found(mean, best)
