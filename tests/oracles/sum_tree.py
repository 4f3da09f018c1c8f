"""A sum tree without a tree: a list of float64 that every query sums afresh."""

from __future__ import annotations

from typing import Any

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


def shares(tree: Any, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the shares of leaves begin in [0, 1), and how long they are, by a walk in
    float64 up from each leaf: a child's part of its node is its part of the sum of the children."""
    nodes, leaves = np.asarray(tree.nodes), np.asarray(tree.leaves)
    rows, place = np.divmod(indices, 16)
    begin, length = np.zeros(len(indices)), np.ones(len(indices))
    levels, width = 0, 1
    while width < len(leaves):
        levels, width = levels + 1, 16 * width
    row_of_children = leaves[rows].astype(np.float64)
    number = rows
    for level in range(levels, -1, -1):
        upto = np.cumsum(row_of_children, axis=1)
        own = np.take_along_axis(row_of_children, place[:, None], axis=1)[:, 0] / upto[:, -1]
        before = np.where(
            place > 0, np.take_along_axis(upto, np.maximum(place - 1, 0)[:, None], 1)[:, 0], 0
        )
        begin, length = before / upto[:, -1] + own * begin, length * own
        if level > 0:
            first = 15 + (16**level - 1) // 15  # of the nodes that are parents of this level's rows
            rows, place = np.divmod(first + number, 16)
            row_of_children, number = nodes[rows].astype(np.float64), number // 16
    return begin, length
