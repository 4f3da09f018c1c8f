"""Tabular learning and planning in float64 loops, from the definitions (Watkins 1992; van Hasselt
2010; Bellman 1957)."""

from __future__ import annotations

from typing import Any

import numpy as np


def value_iteration(
    reward: Any, successors: Any, probabilities: Any, gamma: float, tolerance: float = 1e-12
) -> np.ndarray:
    """Return ``Q*``, by sweeps until nothing changes."""
    states, actions, branches = np.shape(successors)
    q = np.zeros((states, actions))
    while True:
        new = np.zeros_like(q)
        for s in range(states):
            for a in range(actions):
                ahead = sum(
                    float(probabilities[s][a][b]) * q[successors[s][a][b]].max()
                    for b in range(branches)
                )
                new[s, a] = float(reward[s][a]) + gamma * ahead
        if np.abs(new - q).max() < tolerance:
            return new
        q = new


class QTable:
    """Q-learning, one transition at a time."""

    def __init__(self, states: int, actions: int, rate: float, decay: float) -> None:
        self.q, self.visits = np.zeros((states, actions)), np.zeros((states, actions), int)
        self.rate, self.decay = rate, decay

    def step(self, s: int, a: int, r: float, discount: float, after: int, weight: float) -> float:
        follows = discount * self.q[after].max() if discount else 0.0
        td = r + follows - self.q[s, a]
        if np.isfinite(td):
            self.visits[s, a] += 1
            self.q[s, a] += weight * self.rate * self.visits[s, a] ** -self.decay * td
        return td
