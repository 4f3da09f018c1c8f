"""Ranges that fitted constants and measured targets can have in a world, and the removal of those
outside."""

from __future__ import annotations

import math
from collections.abc import Mapping

Range = tuple[float, float]
LOGIT: Range = (-12.0, 12.0)
CONSTANTS: dict[str, Range] = {
    "env.law.bounce_median": (0.05, 600.0),
    "env.law.bounce_sigma": (0.01, 5.0),
    "env.law.dwell_median": (1.0, 86_400.0),
    "env.law.dwell_sigma": (0.01, 5.0),
    "env.law.engage_bias": LOGIT,
    "env.law.click_bias": LOGIT,
    "env.law.comment_rate": (1e-6, 60.0),
    "env.law.like_rate": (1e-6, 600.0),
    "env.law.gift_rate": (1e-6, 60.0),
    "env.schedule.rooms_per_day": (1e-6, 24.0),
    "env.schedule.room_hours": (1 / 60, 24.0),
    "env.schedule.room_sigma": (1e-4, 3.0),
    "env.schedule.amplitude": (0.0, 1.0),
    "env.schedule.peak_hour": (0.0, 24.0),
    "env.schedule.habit": (0.0, 1.0),
}
"""Lowest and highest value of each constant that a log gives. Seconds, counts per viewer-minute,
hours."""
TARGETS: dict[str, Range] = {
    "watch per click, mean (s)": (0.1, 86_400.0),
    "comments per viewer-minute": (1e-6, 60.0),
    "click per impression, reference": (1e-6, 1 - 1e-6),
    "next-day return": (1e-6, 1 - 1e-6),
}
"""The same of the metrics that intercepts are fitted to."""


def split_plausible(
    values: Mapping[str, float], ranges: Mapping[str, Range], instead: str
) -> tuple[dict[str, float], list[str]]:
    """Return the values within their ranges, and a line for each that is outside.

    Args:
        values: by name; a NaN stands for no events to measure it from. A name without a range is
            always kept.
        ranges: lowest and highest value by name.
        instead: what takes the place of a value that is left out, for the lines.
    """
    kept, lines = {}, []
    for name, value in values.items():
        low, high = ranges.get(name, (-math.inf, math.inf))
        if name not in ranges or low <= value <= high:
            kept[name] = value
        elif math.isnan(value):
            lines.append(f"{name} not measured (the log has no events for it); {instead}")
        else:
            lines.append(f"{name}={value:.4g} not used: must lie in [{low:g}, {high:g}]; {instead}")
    return kept, lines
