"""Cross-entropy method: search for the parameters of a policy with the best score (Rubinstein 1999;
de Boer et al. 2005, algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Found(NamedTuple):
    """Mean of the last generation's elite, and the course of the search."""

    weights: np.ndarray
    """``[D]``"""
    best_by_generation: list[float]
    """Mean score of the elite. It is biased upwards: the elite is selected by the same scores."""


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
    """Search for the maximum of ``evaluate``: sample normals, keep the best points, fit the normal
    to them, repeat.

    Args:
        evaluate: ``evaluate(points [P, D]) -> scores [P]``, the higher the better; may be noisy,
            and common random numbers help.
        mean, spread: of the first generation ``[D]``.
        rng: of the points.
        population: points in a generation; the first one is the current mean, so that it is
            evaluated again.
        elite: points to which the next generation is fitted.
        generations: number of generations.
        noise: added to the fitted spread, as a share of the first one, falling to 0, against
            premature convergence (Szita and Lorincz 2006).
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
