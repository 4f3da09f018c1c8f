"""Published metrics of KuaiLive and KuaiRand as targets of the calibration, and comparisons with
them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lrdqn.evaluation.statistics import bootstrap_mean


class Target(NamedTuple):
    """A published value of a metric.

    ``tolerance`` is relative, or absolute where ``absolute`` is set; ``None`` marks a metric that
    is shown for information only.
    """

    name: str
    value: float
    tolerance: float | None
    source: str
    absolute: bool = False


TARGETS = (
    Target("rooms per streamer-day", 1.22, 0.05, "KuaiLive (derived)"),
    Target("live set p90 / p10", 2.27, 0.15, "KuaiLive-Agent (shop rooms)"),
    Target("hour with most room starts", 20.0, 3.0, "KuaiLive paper (18-22 h, +-1)", absolute=True),
    Target("hour with most watching", 20.5, 1.0, "KuaiLive heat map", absolute=True),
    Target("hourly watch shares, L1 distance", 0.0, 0.10, "KuaiLive heat map", absolute=True),
    Target("watch per click, mean (s)", 82.6, 0.10, "KuaiLive (derived)"),
    Target("watch per click, median (s)", 4.87, 0.10, "GiftLive EDA"),
    Target("share of watches < 3 s", 0.333, None, "mixture fit"),
    Target("share of watches > 600 s", 0.031, None, "mixture fit"),
    Target("comments per click", 0.0400, 0.10, "KuaiLive counts"),
    Target("likes per click", 0.0365, 0.10, "KuaiLive counts"),
    Target("gifts per click", 0.0148, 0.10, "KuaiLive counts"),
    Target("comments per viewer-minute", 0.0291, 0.10, "KuaiLive (derived)"),
    Target("likes per viewer-minute", 0.0265, 0.10, "KuaiLive (derived)"),
    Target("gifts per viewer-minute", 0.0108, 0.10, "KuaiLive (derived)"),
    Target("gift price p50", 2.0, 0.15, "GiftLive EDA"),
    Target("gift price p90", 88.0, 0.15, "GiftLive EDA"),
    Target("gift price p95", 298.0, 0.15, "GiftLive EDA"),
    Target("gift price p99", 1488.0, 0.15, "GiftLive EDA"),
    Target("gift price mean", 82.7, 0.15, "GiftLive EDA"),
    Target("next-day return", 0.90, 0.02, "GiftLive EDA (.89-.91)", absolute=True),
    Target("clicks on familiar streamers", 0.469, 0.03, "KuaiLive-Agent", absolute=True),
    Target("streamers with < 5 interactions", 0.70, 0.03, "KuaiLive paper", absolute=True),
    Target("streamers with > 40 interactions", 0.046, 0.03, "KuaiLive paper", absolute=True),
    Target("watch time of a user, log-sd", 1.22, 0.10, "GiftLive EDA (of quantiles)"),
    Target("Gini of gifts, users", 0.942, 0.02, "GiftLive EDA", absolute=True),
    Target("Gini of gifts, streamers", 0.930, 0.02, "GiftLive EDA", absolute=True),
    Target("top streamer's share of a user, p50", 0.356, 0.05, "GiftLive EDA", absolute=True),
    Target("top streamer's share of a user, p90", 0.812, 0.05, "GiftLive EDA", absolute=True),
    Target("clicks on streamers unseen before", 0.0684, 0.03, "KuaiLive-Agent", absolute=True),
    Target("click per impression, random", 0.18, None, "KuaiRand random log"),
    Target("click per impression, reference", 0.45, None, "KuaiRand standard log"),
)
"""Targets of the simulated world (envs/live/README.md, section 13)."""
LOG_TARGETS = (
    *(
        t
        for t in TARGETS
        if not t.name.startswith(("clicks on streamers unseen", "click per impression"))
    ),
    Target("users with < 50 interactions", 0.438, 0.03, "KuaiLive paper", absolute=True),
    Target("click per impression", 0.45, None, "KuaiRand standard log"),
)
"""Targets that a KuaiLive log has too, and two that only a log has."""


class Row(NamedTuple):
    """A line of the calibration table: a target and the simulated metric."""

    target: Target
    simulated: float
    low: float
    """Ends of the 95 % interval over worlds (``evaluation.statistics``)."""
    high: float
    passed: bool | None
    """``None`` where the target has no tolerance."""


class LogRow(NamedTuple):
    """A line of a log's table: a target and the log's own metric."""

    target: Target
    value: float
    within: bool | None
    """``None`` where the target has no tolerance or the value is not finite."""


def compare(metrics: Mapping[str, float], by_world: Sequence[Mapping[str, float]]) -> list[Row]:
    """Set the simulated metrics beside ``TARGETS``.

    Args:
        metrics: of all worlds pooled.
        by_world: of every world by itself, for the intervals.
    """
    rows = []
    for target in TARGETS:
        simulated = float(metrics[target.name])
        interval = bootstrap_mean(np.array([each[target.name] for each in by_world]))
        passed = None if target.tolerance is None else _within(target, simulated)
        rows.append(Row(target, simulated, interval.low, interval.high, passed))
    return rows


def compare_log(
    metrics: Mapping[str, float], targets: Sequence[Target] = LOG_TARGETS
) -> list[LogRow]:
    """Set the metrics of a log beside the published ones; targets that it has no metric for are
    left out."""
    rows = []
    for target in targets:
        if target.name not in metrics:
            continue
        value = metrics[target.name]
        comparable = target.tolerance is not None and np.isfinite(value)
        rows.append(LogRow(target, float(value), _within(target, value) if comparable else None))
    return rows


def _within(target: Target, value: float) -> bool:
    assert target.tolerance is not None
    off = abs(value - target.value) / (1.0 if target.absolute else abs(target.value))
    return bool(off <= target.tolerance)
