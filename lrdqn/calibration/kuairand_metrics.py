"""Metrics of a KuaiRand folder beside those published of KuaiRand-Pure: Beta moments of the rates
of feedback, and the rates of the two logging policies."""

from __future__ import annotations

import numpy as np

from lrdqn.calibration.population_from_kuairand import beta_moments
from lrdqn.calibration.targets import LogRow, Target, compare_log
from lrdqn.logs.kuairand import SIGNALS, KuaiRand

PURE = "KuaiRand-Pure"
BETAS = {
    "user is_click": (0.495, 0.232, 1.80, 1.84),
    "user long_view": (0.371, 0.217, 1.47, 2.49),
    "user is_like": (0.0202, None, 0.058, 2.80),
    "user is_comment": (0.0024, None, None, None),
    "user is_forward": (0.0012, None, None, None),
    "user is_follow": (0.0018, None, None, None),
    "user is_hate": (0.0005, None, None, None),
    "video is_click": (0.370, 0.202, 1.74, 2.95),
    "video long_view": (0.252, 0.176, 1.28, 3.80),
    "video is_like": (0.0187, 0.038, 0.215, 11.3),
    "video is_comment": (0.0020, None, None, None),
    "video is_forward": (0.0012, None, None, None),
    "video is_follow": (0.0014, None, None, None),
    "video is_hate": (0.0005, None, None, None),
}
"""Mean, sd, a and b of the Beta laws of rates per user and per video; rows without events (all 0)
are included."""
MOMENTS = ("mean", "sd", "Beta a", "Beta b")
RATE_TARGETS = (
    *(
        Target(f"{name}, {moment}", value, 0.03 if value > 0.01 else 0.1, PURE)
        for name, values in BETAS.items()
        for moment, value in zip(MOMENTS, values, strict=True)
        if value is not None
    ),
    Target("random policy, is_click", 0.176, None, PURE),
    Target("random policy, long_view", 0.085, None, PURE),
    Target("standard policy, is_click", 0.451, None, PURE),
    Target("standard policy, long_view", 0.318, None, PURE),
)
"""Published metrics, rare events with at most two digits; the rates of the policies are those of
April 22 to May 8."""


def kuairand_rows(log: KuaiRand) -> list[LogRow]:
    """Return the metrics of the files beside the published ones; without logs, those of the rates
    alone."""
    metrics = {
        f"{side} {signal}, {moment}": value
        for side, rates in (("user", log.user_rate), ("video", log.video_rate))
        for i, signal in enumerate(SIGNALS)
        for moment, value in zip(MOMENTS, beta_moments(rates[:, i]), strict=True)
    }
    if log.log is not None:
        for policy, flag in (("random", 1), ("standard", 0)):
            rows = log.log.random == flag
            for signal in ("is_click", "long_view") if np.any(rows) else ():
                metrics[f"{policy} policy, {signal}"] = float(log.log.signals[signal][rows].mean())
    return compare_log(metrics, RATE_TARGETS)
