"""TD targets by loops over actions, from the definitions (Mnih 2015; van Hasselt 2016; van Seijen
2009; Vieillard 2020)."""

from __future__ import annotations

import math
from collections.abc import Sequence

Row = Sequence[float]


def best_action(q: Row, mask: Sequence[bool]) -> int | None:
    """Return the first of the best available actions; ``None`` if there is none."""
    best = None
    for action, offered in enumerate(mask):
        if offered and (best is None or q[action] > q[best]):
            best = action
    return best


def max_target(
    r: float, discount: float, q_online: Row, q_target: Row, mask: Sequence[bool], **_: float
) -> float:
    del q_online
    best = best_action(q_target, mask)
    return r if best is None else r + discount * q_target[best]


def double_target(
    r: float, discount: float, q_online: Row, q_target: Row, mask: Sequence[bool], **_: float
) -> float:
    best = best_action(q_online, mask)
    return r if best is None else r + discount * q_target[best]


def expected_sarsa_target(
    r: float,
    discount: float,
    q_online: Row,
    q_target: Row,
    mask: Sequence[bool],
    *,
    epsilon: float,
    **_: float,
) -> float:
    del q_online
    best = best_action(q_target, mask)
    if best is None:
        return r
    offered = [a for a, there in enumerate(mask) if there]
    mean = sum(q_target[a] for a in offered) / len(offered)
    return r + discount * (epsilon * mean + (1 - epsilon) * q_target[best])


def log_softmax(q: Row, mask: Sequence[bool], temperature: float) -> dict[int, float]:
    """Return ``log pi(a)`` of the available actions."""
    offered = [a for a, there in enumerate(mask) if there]
    top = max(q[a] for a in offered)
    mass = sum(math.exp((q[a] - top) / temperature) for a in offered)
    return {a: (q[a] - top) / temperature - math.log(mass) for a in offered}


def munchausen_target(
    r: float,
    discount: float,
    q_online: Row,
    q_target: Row,
    mask: Sequence[bool],
    *,
    q_now: Row,
    action: int,
    share: float,
    temperature: float,
    lowest: float,
    **_: float,
) -> float:
    del q_online
    now = log_softmax(q_now, [True] * len(q_now), temperature)
    y = r + share * min(max(temperature * now[action], lowest), 0.0)
    if not any(mask):
        return y
    log_policy = log_softmax(q_target, mask, temperature)
    return y + discount * sum(
        math.exp(lp) * (q_target[a] - temperature * lp) for a, lp in log_policy.items()
    )


TWINS = {
    "max": max_target,
    "double": double_target,
    "expected_sarsa": expected_sarsa_target,
    "munchausen": munchausen_target,
}
