"""Distributions of returns by loops in float64, from the definitions (Bellemare 2017 and Dabney
2018, algorithms 1)."""

from __future__ import annotations

import math
from typing import Any

Numbers = Any
"""A list or an array, ``[n]``."""


def grid(atoms: int, v_min: float, v_max: float) -> list[float]:
    return [v_min + i * (v_max - v_min) / (atoms - 1) for i in range(atoms)]


def softmax(logits: Numbers) -> list[float]:
    top = max(float(x) for x in logits)
    weights = [math.exp(float(x) - top) for x in logits]
    return [w / sum(weights) for w in weights]


def project(z_p: Numbers, probs: Numbers, z_q: Numbers) -> list[float]:
    """Split each atom's mass between the two grid points around it, in proportion to their
    proximity."""
    mass = [0.0] * len(z_q)
    for place, p in zip(z_p, probs, strict=True):
        place = min(max(float(place), z_q[0]), z_q[-1])
        below = max(i for i in range(len(z_q)) if z_q[i] <= place)
        if below == len(z_q) - 1:
            mass[below] += p
            continue
        share = (place - z_q[below]) / (z_q[below + 1] - z_q[below])
        mass[below] += p * (1 - share)
        mass[below + 1] += p * share
    return mass


def categorical_target(r: float, discount: float, logits_t: Numbers, z: Numbers) -> list[float]:
    return project([r + discount * x for x in z], softmax(logits_t), z)


def categorical_loss(logits: Numbers, target: Numbers) -> tuple[float, float]:
    """Return the cross-entropy, and the Kullback-Leibler divergence of the prediction from the
    target."""
    predicted = softmax(logits)
    cross = -sum(m * math.log(p) for m, p in zip(target, predicted, strict=True))
    return cross, sum(m * math.log(m / p) for m, p in zip(target, predicted, strict=True) if m > 0)


def quantile_loss(theta: Numbers, y: Numbers, kappa: float) -> float:
    """Return the sum over the quantiles of the mean over the sample; kappa = 0 is the plain pinball
    loss."""
    total = 0.0
    for i, quantile in enumerate(theta):
        tau = (2 * i + 1) / (2 * len(theta))
        for sample in y:
            u = float(sample) - float(quantile)
            if kappa == 0:
                size = abs(u)
            elif abs(u) <= kappa:
                size = u * u / 2 / kappa
            else:
                size = abs(u) - kappa / 2
            total += (tau if u >= 0 else 1 - tau) * size / len(y)
    return total
