"""A sum tree without a tree: a list of float64 that every query sums afresh."""

from __future__ import annotations

import numpy as np


class FlatSums:
    """``write``, ``total`` and ``find`` by definition."""

    def __init__(self, capacity: int) -> None:
        self.leaves = np.zeros(capacity, np.float64)

    def write(self, indices: np.ndarray, values: np.ndarray) -> None:
        for index, value in zip(indices, values, strict=True):
            self.leaves[index] = value

    def total(self) -> float:
        return float(np.sum(self.leaves))

    def find(self, mass: float) -> int:
        """Return the first i with ``mass < leaf[0] + ... + leaf[i]``."""
        running = 0.0
        for index, value in enumerate(self.leaves):
            running += value
            if mass < running:
                return index
        raise AssertionError(f"mass {mass} lies beyond the total {running}")

    def distance(self, index: int, mass: float) -> float:
        """Return the distance of ``mass`` from the share of leaf ``index``; 0 inside."""
        low = float(np.sum(self.leaves[:index]))
        return max(low - mass, mass - low - self.leaves[index], 0.0)


def running_sums(rows: np.ndarray) -> np.ndarray:
    """Return the running sums of rows in their own precision, one entry after the other."""
    total = rows[:, 0]
    for column in rows.T[1:]:
        total = total + column
    return total
