"""Transitions and priorities that every contestant of the replay race stores and writes, whatever
its library. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np

OBS = 32
ALPHA = 0.6
BETA = 0.4
SMALLEST = 1e-3
"""Priorities are absolute TD errors plus this."""


def items(number: int, seed: int) -> dict[str, Any]:
    """Return transitions ``[number, ...]``: two observations of 32 float32, action, reward and
    discount."""
    rng = np.random.default_rng(seed)
    obs = rng.standard_normal((2, number, OBS), np.float32)
    reward = rng.standard_normal(number, np.float32)
    discount = np.full(number, 0.99, np.float32)
    return {
        "obs": obs[0],
        "action": np.arange(number, dtype=np.int32),
        "reward": reward,
        "discount": discount,
        "next_obs": obs[1],
    }


def errors(shape: tuple[int, ...], seed: int) -> Any:
    """Return absolute TD errors: Student's t with two degrees of freedom, so that a few are
    large."""
    return np.abs(np.random.default_rng(seed).standard_t(2, shape)).astype(np.float32)


def drift(root: float, leaves: Any) -> float:
    """Return how far a root is off the float64 sum of its leaves, relative to that."""
    exact = float(np.sum(np.asarray(leaves), dtype=np.float64))
    return abs(root / exact - 1.0)
