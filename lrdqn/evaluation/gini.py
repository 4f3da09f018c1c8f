"""Concentration: Lorenz curves and Gini coefficients. NumPy only, on the host."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def lorenz(amounts: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n+1"]:
    """Return the share of the total that the poorest 0, 1, ..., n hold; NaN where the total is
    0."""
    held = np.concatenate([[0.0], np.cumsum(np.sort(np.asarray(amounts, np.float64)))])
    return held / held[-1] if held[-1] > 0 else np.full(len(held), np.nan)


def gini(amounts: Float[np.ndarray, " n"]) -> float:
    """Return 1 minus twice the area under the Lorenz curve (trapezoids): 0 where all amounts are
    equal, ``1 - 1 / n`` where one holds all."""
    curve = lorenz(amounts)
    return float(1 - np.sum(curve[1:] + curve[:-1]) / (len(curve) - 1))
