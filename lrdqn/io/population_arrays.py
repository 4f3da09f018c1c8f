"""What the arrays of a population must be: names, types, shapes and ranges, without jax."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

REAL, WHOLE, FLAG = "float32", "int32", "bool"
AXES = {
    "style": (REAL, "S d"),
    "category": (REAL, "S G"),
    "tags": (REAL, "S T"),
    "log_popularity": (REAL, "S"),
    "skill": (REAL, "S"),
    "hook": (REAL, "S"),
    "room_rate": (REAL, "S"),
    "start_hour": (REAL, "S"),
    "debut": (REAL, "S"),
    "phase": (REAL, "G"),
    "profile": (REAL, "U P"),
    "history": (WHOLE, "U H"),
    "history_watch": (REAL, "U H"),
    "history_reaction": (WHOLE, "U H"),
    "interactions": (WHOLE, "U"),
    "interest": (REAL, "U d"),
    "category_bias": (REAL, "U G"),
    "wealth": (REAL, "U"),
    "activity": (REAL, "U"),
    "active_hour": (REAL, "U"),
    "loyalty": (WHOLE, "U L"),
    "loyalty_strength": (REAL, "U L"),
    "loyalty_hours": (REAL, "U L"),
    "followed": (FLAG, "U L"),
    "affinity_mean": (REAL, ""),
    "affinity_scale": (REAL, ""),
    "utility_mean": (REAL, ""),
    "utility_scale": (REAL, ""),
}
"""Type and axes of every field of ``lrdqn.types.Population``; one letter is one length throughout."""
RANGES = {
    "category": (0.0, 1.0),
    "tags": (0.0, 1.0),
    "room_rate": (0.0, np.inf),
    "start_hour": (0.0, 24.0),
    "debut": (0.0, np.inf),
    "phase": (-24.0, 24.0),
    "history_watch": (0.0, np.inf),
    "history_reaction": (0, 15),
    "interactions": (0, np.inf),
    "wealth": (0.0, np.inf),
    "activity": (0.0, np.inf),
    "active_hour": (0.0, 24.0),
    "loyalty_strength": (0.0, 1.0),
    "loyalty_hours": (0.0, np.inf),
}
IDS = ("history", "loyalty")
UNIT = ("style", "interest")
POSITIVE = ("affinity_scale", "utility_scale")
TOLERANCE = 1e-3


def problem(arrays: Mapping[str, np.ndarray]) -> str | None:
    """The first thing that keeps ``arrays`` from being a population, as part of a line; ``None`` where there is nothing.

    Checked are the names, the types, that lengths agree between arrays and are not 0, that numbers are finite and in range,
    ids in ``[0, S]``, rows of ``style`` and ``interest`` of length 1, rows of ``category`` of sum 1, scales positive.
    """
    for name in sorted(AXES.keys() - arrays.keys()):
        return f"{name} is missing"
    for name in sorted(arrays.keys() - AXES.keys()):
        return f"{name} is not part of a population"
    sizes: dict[str, tuple[int, str]] = {}
    for name, (kind, letters) in AXES.items():
        array, axes = arrays[name], letters.split()
        if array.dtype.name != kind:
            return f"{name} is {array.dtype.name}; must be {kind}"
        if array.ndim != len(axes):
            return f"{name} has shape {list(array.shape)}; must be [{', '.join(axes)}]"
        for axis, size in zip(axes, array.shape, strict=True):
            known, first = sizes.setdefault(axis, (size, name))
            if size != known:
                return f"{name} has shape {list(array.shape)}; must be [{', '.join(axes)}] with {axis}={known} as in {first}"
            if size == 0 and axis != "T":
                return f"{name} has shape {list(array.shape)}; {axis} must be at least 1"
    for name in AXES:
        wrong = _out_of_range(name, arrays[name], sizes["S"][0])
        if wrong:
            return wrong
    return None


def _out_of_range(name: str, array: np.ndarray, streamers: int) -> str | None:
    if not np.all(np.isfinite(array)):
        return f"{name} has numbers that are not finite"
    low, high = (0, streamers) if name in IDS else RANGES.get(name, (-np.inf, np.inf))
    outside = array[(array < low) | (array > high)]
    if outside.size:
        return f"{name} has {outside[0]:g}; must lie in [{low:g}, {high:g}]"
    if name in UNIT and np.any(np.abs(np.linalg.norm(array, axis=1) - 1) > TOLERANCE):
        return f"{name} has rows of another length than 1"
    if name == "category" and np.any(np.abs(array.sum(axis=1) - 1) > TOLERANCE):
        return "category has rows that do not sum to 1"
    if name in POSITIVE and array <= 0:
        return f"{name} is {array:g}; must be greater than 0"
    return None
