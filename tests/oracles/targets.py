"""TD targets by loops over actions, from the definitions (Mnih et al. 2015; van Hasselt et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence


def best_action(q: Sequence[float], mask: Sequence[bool]) -> int | None:
    """First of the best actions on offer; None where there is none."""
    best = None
    for action, offered in enumerate(mask):
        if offered and (best is None or q[action] > q[best]):
            best = action
    return best


def max_target(r: float, discount: float, q_online: Sequence[float], q_target: Sequence[float], mask: Sequence[bool]) -> float:
    del q_online
    best = best_action(q_target, mask)
    return r if best is None else r + discount * q_target[best]


def double_target(
    r: float, discount: float, q_online: Sequence[float], q_target: Sequence[float], mask: Sequence[bool]
) -> float:
    best = best_action(q_online, mask)
    return r if best is None else r + discount * q_target[best]


TWINS = {"max": max_target, "double": double_target}
