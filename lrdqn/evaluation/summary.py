"""Blocks of ``summary.json`` from one value per policy, metric and seed. NumPy only, on the
host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lrdqn.config import InputError
from lrdqn.evaluation.statistics import Interval, bootstrap_mean, paired_difference

LEARNED = "learned"
"""Name of the policy with which every other one is compared."""

MYOPIC = "myopic"
"""Name of a learner's twin with gamma = 0."""

CENSORED = "censored"
"""Metric that qualifies the others instead of being a result; the summary reports it as
``censored_share``."""

NONFINITE = "nonfinite"
"""Metric that counts what was not finite; the summary reports it as ``nonfinite_evaluation``."""

QUALIFIERS = (CENSORED, NONFINITE)

GROUPS = ("cold", "warm", "active")
"""Users with 0 to 9, 10 to 49 and 50 or more past interactions."""

Block = dict[str, dict[str, dict[str, Any]]]
"""``{policy: {metric: {"mean", "ci_low", "ci_high", "per_seed"}}}``."""


def summarise(
    values: Mapping[str, Mapping[str, np.ndarray]],
    reference: str = LEARNED,
    resamples: int = 10_000,
) -> tuple[Block, Block]:
    """Return the intervals of every policy and metric, and of ``reference`` minus every other
    policy, paired by seed.

    Args:
        values: ``{policy: {metric: [seeds]}}``, seeds in the same order throughout.
            ``censored`` and ``nonfinite`` are left out.
        reference: the policy from which the others are subtracted.
        resamples: bootstrap resamples.

    Returns:
        ``(policies, differences)`` as they stand in ``summary.json``; ``differences`` has no entry
        for ``reference``.

    Raises:
        InputError: ``reference`` is missing, or the policies differ in metrics or seeds.
    """
    if reference not in values:
        raise InputError(
            f"policy {reference}: has no values; there are {', '.join(values) or 'none'}"
        )
    metrics = [name for name in values[reference] if name not in QUALIFIERS]
    for policy, of in values.items():
        if sorted(name for name in of if name not in QUALIFIERS) != sorted(metrics):
            raise InputError(
                f"policy {policy}: has metrics {', '.join(of)}; must be {', '.join(metrics)}"
            )
    exact = {
        policy: {metric: np.asarray(of[metric], np.float64) for metric in metrics}
        for policy, of in values.items()
    }
    policies = {
        policy: {metric: _entry(x, bootstrap_mean(x, resamples)) for metric, x in of.items()}
        for policy, of in exact.items()
    }
    own = exact.pop(reference)
    differences = {
        policy: {metric: _difference(own[metric], x, resamples) for metric, x in of.items()}
        for policy, of in exact.items()
    }
    return policies, differences


def _difference(own: np.ndarray, other: np.ndarray, resamples: int) -> dict[str, Any]:
    interval = paired_difference(own, other, resamples)
    return _entry(own - other, interval)


def _entry(per_seed: np.ndarray, interval: Interval) -> dict[str, Any]:
    return {
        "mean": interval.mean,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "per_seed": per_seed.tolist(),
    }
