"""The tick clock's laws, written again in float64 NumPy from envs/live/README.md, one row at a
time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def content(z: np.ndarray, e: np.ndarray, xi: np.ndarray, kappa: float, sigma: float) -> np.ndarray:
    """Return ``normalise(z + kappa (e - z) + sigma xi / sqrt(d))``."""
    moved = [
        [a + kappa * (b - a) + sigma * x / math.sqrt(len(e[0])) for a, b, x in zip(*r, strict=True)]
        for r in zip(z, e, xi, strict=True)
    ]
    return np.array([np.array(row) / math.sqrt(sum(v * v for v in row)) for row in moved])


def survival(w: float, median: float, sigma: float) -> float:
    """Return ``P(watch > w)`` of LogNormal(ln median, sigma)."""
    return (
        1.0 if w <= 0 else 0.5 * math.erfc((math.log(w) - math.log(median)) / sigma / math.sqrt(2))
    )


def leave_chance(w: float, tick: float, rate: float, median: float, sigma: float) -> float:
    """Return ``1 - [S(w + tick) / S(w)]^rate``."""
    return 1 - (survival(w + tick, median, sigma) / survival(w, median, sigma)) ** rate


def leaving_second(
    u: float, w: float, tick: float, rate: float, median: float, sigma: float
) -> float:
    """Return the time at which the probability of having left since w reaches u, by bisection."""
    low, high = 0.0, tick
    for _ in range(80):
        mid = (low + high) / 2
        low, high = (mid, high) if leave_chance(w, mid, rate, median, sigma) < u else (low, mid)
    return w + low


def in_line(waiting: Any, waited: Any, size: int) -> list[int]:
    """Return the users who are served: sorted by waiting time (up to 3 ticks), then by place."""
    queue = [i for i, there in enumerate(waiting) if there]
    return sorted(queue, key=lambda i: (-min(int(waited[i]), 3), i))[:size]
