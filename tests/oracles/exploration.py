"""The distribution of epsilon-greedy actions as probabilities."""

from __future__ import annotations

import numpy as np


def epsilon_greedy_probabilities(q: np.ndarray, mask: np.ndarray, epsilon: float) -> np.ndarray:
    """Return ``epsilon / n`` for each of the n available actions, plus the rest for the first of
    the best of them."""
    offered = np.flatnonzero(mask)
    probabilities = np.zeros(len(q))
    probabilities[offered] = epsilon / len(offered)
    best = offered[0]
    for action in offered:
        if q[action] > q[best]:
            best = action
    probabilities[best] += 1 - epsilon
    return probabilities
