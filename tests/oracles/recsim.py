"""The reference slate benchmark in plain NumPy, one user at a time, and slates by enumeration."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np


def slate_worth(v: np.ndarray, q: np.ndarray, slate: Sequence[int], v0: float, q0: float) -> float:
    """Return the expected value of showing a slate."""
    top = v0 * q0 + sum(float(v[i]) * float(q[i]) for i in slate)
    return top / (v0 + sum(float(v[i]) for i in slate))


def best_slate(
    v: np.ndarray, q: np.ndarray, offered: Sequence[int], v0: float, q0: float, k: int
) -> float:
    """Return the highest value of any slate of k items."""
    return max(slate_worth(v, q, slate, v0, q0) for slate in itertools.combinations(offered, k))


def chances(
    model: str,
    scores: Sequence[float],
    no_click: float,
    floor: float,
    attention: float,
    scale: float,
) -> list[float]:
    """Return P(each place is clicked), and P(nothing) last."""
    if model in ("mnl", "proportional"):
        masses = [np.exp(x) if model == "mnl" else x - floor for x in [*scores, no_click]]
        return [float(m / sum(masses)) for m in masses]
    found, left = [], 1.0
    for s in scores:
        appeal = np.exp(s) if model == "cascade_exp" else s - floor
        found.append(left * attention * scale * appeal)
        left -= found[-1]
    return [*found, left]


def moved(interest: np.ndarray, document: np.ndarray, u: float) -> np.ndarray:
    """Return the interests after a watch."""
    new, up = (
        interest.astype(float).copy(),
        u < sum(d * (i + 1) / 2 for d, i in zip(document, interest, strict=True)),
    )
    for j, d in enumerate(document):
        alpha = -0.3 * abs(interest[j]) + 0.3
        change = alpha * d * (d - interest[j])
        new[j] = min(1.0, max(-1.0, interest[j] + (change if up else -change)))
    return new


def feature_sessions(sessions: int, no_click: float, seed: int) -> np.ndarray:
    """Return return, steps and clicks ``[sessions, 3]`` of slates of 3 under the sampler of random
    features and ``mnl``."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(sessions):
        interest, budget, watched, steps, clicks = rng.uniform(-1, 1, 20), 30.0, 0.0, 0, 0
        while budget > 0:
            slate = rng.uniform(-1, 1, (3, 20))
            place = rng.choice(4, p=chances("mnl", (slate @ interest).tolist(), no_click, 0, 0, 0))
            steps += 1
            if place == 3:
                budget -= 1.0
                continue
            watch = min(budget, rng.normal(4.3, 1.0))
            interest = moved(interest, slate[place], rng.random())
            budget, watched, clicks = budget - watch, watched + watch, clicks + 1
        found.append((watched, steps, clicks))
    return np.array(found)


def explored_clicks(sessions: int, best: bool, seed: int) -> np.ndarray:
    """Return the expected clicks of one slate ``[sessions]``, 3 of 10 chosen at random or by
    expected affinity plus quality."""
    rng, found = np.random.default_rng(seed), []
    means = np.array([[0.1, 0.7], [0.7, 0.1]])
    typical = 0.3 * np.exp(means[0] + 0.005) + 0.7 * np.exp(means[1] + 0.005)
    for _ in range(sessions):
        affinity = rng.lognormal(means[int(rng.random() >= 0.3)], 0.1)
        topic = (rng.random(10) >= 0.2).astype(int)
        quality = rng.lognormal(np.array([0.8, 0.2])[topic], 0.1)
        slate = np.argsort(-(typical[topic] + quality))[:3] if best else np.arange(3)
        found.append(
            1 - chances("mnl", (affinity[topic] + quality)[slate].tolist(), 5.0, 0, 0, 0)[-1]
        )
    return np.array(found)


def satisfied_return(clickbait: float, sensitivity: float, sessions: int, seed: int) -> np.ndarray:
    """Return the returns of 60 steps of long-term satisfaction under one clickbait level."""
    rng, total = np.random.default_rng(seed), np.zeros(sessions)
    exposure = (rng.random(sessions) - 0.5) / 0.3
    for _ in range(60):
        satisfaction = 1 / (1 + np.exp(-sensitivity * exposure))
        total += np.exp(
            (5 * clickbait + 4 * (1 - clickbait)) * satisfaction + rng.standard_normal(sessions)
        )
        exposure = 0.7 * exposure - 2 * (clickbait - 0.5) + 0.05 * rng.standard_normal(sessions)
    return total
