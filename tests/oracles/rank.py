"""Rank-based priorities by sorting a list, from the definition (Schaul et al. 2016, equation 1 and
section 3.3)."""

from __future__ import annotations

import math

import numpy as np


class RankList:
    """Absolute TD errors of slots; ``None`` for an empty one."""

    def __init__(self, capacity: int, alpha: float) -> None:
        self.alpha = alpha
        self.sizes: list[float | None] = [None] * capacity
        self.largest = 1.0
        self.rejected = 0

    def add(self, slots: list[int]) -> None:
        for slot in slots:
            self.sizes[slot] = self.largest

    def update(self, slots: list[int], td_errors: list[float]) -> None:
        told: dict[int, list[float]] = {}
        for slot, td in zip(slots, td_errors, strict=True):
            if math.isfinite(td):
                told.setdefault(slot, []).append(abs(td))
                self.largest = max(self.largest, abs(td))
            else:
                self.rejected += 1
                old = self.sizes[slot]
                assert old is not None
                told.setdefault(slot, []).append(old)
        for slot, sizes in told.items():
            self.sizes[slot] = max(sizes)

    def probabilities(self) -> np.ndarray:
        filled = [(-size, slot) for slot, size in enumerate(self.sizes) if size is not None]
        p = np.zeros(len(self.sizes))
        for rank, (_, slot) in enumerate(sorted(filled), start=1):
            p[slot] = rank**-self.alpha
        return p / p.sum()
