"""The live world's laws, written again in float64 NumPy from envs/live/README.md, one session at a
time."""

from __future__ import annotations

import math


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def utility(
    a: float,
    bias: float,
    pop: float,
    k: float,
    h: float,
    loyal: float,
    is_highlight: float,
    tired: float,
    m: float,
    s: float,
) -> float:
    raw = 1.2 * a + bias + 0.15 * (pop - 0.67) / 1.792 + 0.4 * k + 0.4 * h
    return (raw - m) / s + 1.5 * loyal + 0.4 * (is_highlight - 0.3) - 0.8 * tired


def experience(a: float, k: float, h: float) -> float:
    return 0.2 * a + 0.4 * k - 0.9 * h


def loyalty_pull(strength: float, seconds: float) -> float:
    decayed = strength * math.exp(-seconds / (7 * 86_400))
    return (
        decayed
        * 0.5
        * (1 + math.cos(2 * math.pi * seconds / 86_400))
        * (1 - math.exp(-seconds / 1800))
    )


def patience(
    b: float, cap: float, clicked: bool, stayed: bool, cut: bool, w: float, q: float
) -> float:
    if not clicked:
        b -= 0.5
    elif stayed:
        b += 3 * min(1, w / 300) * max(0, 1 + q)
    elif not cut:
        b -= min(max(1 - 0.2 * q, 0.25), 3)
    return min(b, cap)


def satisfaction(s: float, clicked: bool, stayed: bool, cut: bool, w: float, q: float) -> float:
    if stayed:
        return s + 0.05 * (3 * min(1, w / 600) * q - s)
    return s + 0.05 * (-0.2 - s) if clicked and not cut else s


def fatigue(f: float, weight: float, w: float, elapsed: float) -> float:
    return f * math.exp(-elapsed / 1800) + weight * 3 * (1 - math.exp(-w / 1800))


def choice(model: str, utility: list[float], shown: list[bool]) -> list[float]:
    """Return the probability of each place, enumerated place by place."""
    logit = [-0.375 + 0.8 * v for v in utility]
    if model == "mnl":
        mass = [math.exp(x) if s else 0.0 for x, s in zip(logit, shown, strict=True)]
        return [m / (1 + sum(mass)) for m in mass]
    if model == "proportional":
        mass = [max(0.0, x + 3) if s else 0.0 for x, s in zip(logit, shown, strict=True)]
        return [m / (3 + sum(mass)) for m in mass]
    if model == "position_mnl":
        mass = [
            0.85**rank * math.exp(x) if s else 0.0
            for rank, (x, s) in enumerate(zip(logit, shown, strict=True))
        ]
        return [m / (1 + sum(mass)) for m in mass]
    found, going_on = [], 1.0
    for rank, (x, s) in enumerate(zip(logit, shown, strict=True)):
        look = 1.0 if model == "bernoulli" else 0.85**rank
        taken = min(1.0, look * 0.65 * math.exp(x)) if model == "cascade" else look * sigmoid(x)
        found.append(going_on * taken if s else 0.0)
        going_on -= found[-1]
    return found
