"""Returns over several steps of one session stream, walking forwards from each step, in float64."""

from __future__ import annotations

from typing import Any

Numbers = Any
"""A list or an array, ``[T]``."""


def n_step(
    r: Numbers, discount: Numbers, ended: Numbers, start: int, n: int
) -> tuple[float, float, int]:
    """Return reward, discount and last step of the transition that begins at ``start``: n steps, or
    to the end of the session or of the stream."""
    reward, product, t = 0.0, 1.0, start
    while True:
        # A factor of a product with 0 is never read.
        reward += product * float(r[t]) if product != 0 else 0.0
        product *= float(discount[t])
        if ended[t] or t + 1 == len(r) or t + 1 == start + n:
            return reward, product, t
        t += 1


def n_step_target(
    r: Numbers, discount: Numbers, ended: Numbers, value_t: Numbers, start: int, n: int
) -> float:
    reward, product, last = n_step(r, discount, ended, start, n)
    return reward + product * float(value_t[last]) if product != 0 else reward


def lambda_return(
    r: Numbers, discount: Numbers, ended: Numbers, value_t: Numbers, start: int, trace: float
) -> float:
    """Return ``(1 - trace) sum_m trace^(m-1) G^(m)``, the longest return taking the remaining
    weight: the forward view."""
    longest = n_step(r, discount, ended, start, len(r))[2] - start + 1
    total = 0.0
    for m in range(1, longest + 1):
        weight = trace ** (m - 1) * (1 if m == longest else 1 - trace)
        total += weight * n_step_target(r, discount, ended, value_t, start, m)
    return total
