"""Replay as Python lists, from the definitions (Schaul et al. 2016, sections 3.3 and 3.4, algorithm
1)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


class SlotList:
    """The newest ``capacity`` items; item number t is in slot t modulo the capacity."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.items: list[Any] = []

    def add(self, items: list[Any]) -> list[int]:
        first = len(self.items)
        self.items.extend(items)
        return [t % self.capacity for t in range(first, len(self.items))]

    @property
    def size(self) -> int:
        return min(len(self.items), self.capacity)

    def slot(self, index: int) -> Any:
        """Return the newest item of the slot."""
        return self.items[max(t for t in range(len(self.items)) if t % self.capacity == index)]


class PriorityList:
    """Raw priorities of slots; ``None`` for an empty one."""

    def __init__(self, capacity: int, alpha: float, epsilon: float) -> None:
        self.alpha, self.epsilon = alpha, epsilon
        self.priorities: list[float | None] = [None] * capacity
        self.largest = 1.0
        self.rejected = 0

    def add(self, slots: list[int]) -> None:
        for slot in slots:
            self.priorities[slot] = self.largest

    def update(self, slots: list[int], td_errors: list[float]) -> None:
        for slot, td in zip(slots, td_errors, strict=True):
            if not math.isfinite(td):
                self.rejected += 1
                continue
            self.priorities[slot] = abs(td) + self.epsilon
            self.largest = max(self.largest, abs(td) + self.epsilon)

    def probabilities(self) -> np.ndarray:
        powers = np.array([0.0 if p is None else p**self.alpha for p in self.priorities])
        return powers / powers.sum()


def importance_weights(probabilities: np.ndarray, batch: list[int], beta: float) -> np.ndarray:
    """Return ``(N P_i)^-beta`` of a batch of slots over its largest; N counts the filled slots."""
    size = np.count_nonzero(probabilities)
    weights = np.array([(size * probabilities[i]) ** -beta for i in batch])
    return weights / weights.max()


def two_outcome_fixed_point(p: float, high: float, alpha: float, beta: float) -> float:
    """Return the fixed point of prioritised updates of one value: reward ``high`` with probability
    ``p``, else 0, every transition terminal.

    ``sum_i f_i |r_i - q|^(alpha (1 - beta)) (r_i - q) = 0``, so that
    ``q / (high - q) = (p / (1 - p))^(1 / (1 + alpha (1 - beta)))``.
    """
    odds = (p / (1 - p)) ** (1 / (1 + alpha * (1 - beta)))
    return high * odds / (1 + odds)
