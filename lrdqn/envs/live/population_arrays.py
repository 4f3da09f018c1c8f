"""Arrays of a population (``Population``), with their types, shapes and ranges; needs no jax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Population(NamedTuple):
    """Users, streamers and their parameters as host (NumPy) arrays, drawn from a config or fitted
    to a log."""

    # streamers, observed
    style: Any  # [S, d] unit vectors
    category: Any  # [S, G] rows sum to 1
    tags: Any  # [S, T] 0/1
    log_popularity: Any  # [S]
    # streamers, hidden
    skill: Any  # [S] N(0, 1)
    hook: Any  # [S] N(0, 1): draws clicks, leaves users less content
    room_rate: Any  # [S] rooms a day
    start_hour: Any  # [S] habitual start, hour of the day
    # [S] hours after the world began at which a newcomer first goes on air, 0 for those who were
    # there before
    debut: Any
    phase: Any  # [G] hours by which a category's rooms start later than others
    # users, observed
    profile: Any  # [U, P] static answers, one-hot groups
    history: Any  # [U, H] streamer ids, newest first, S for none
    history_watch: Any  # [U, H] seconds
    history_reaction: Any  # [U, H] bit set
    interactions: Any  # [U] int32, watches before the first session
    # users, hidden
    interest: Any  # [U, d] unit vectors
    category_bias: Any  # [U, G]
    wealth: Any  # [U] mean 1 over sessions
    activity: Any  # [U] mean 1: how many sessions a user has
    active_hour: Any  # [U] preferred hour of the day
    loyalty: Any  # [U, L] streamer ids, S for none
    loyalty_strength: Any  # [U, L] in [0, 1]
    loyalty_hours: Any  # [U, L] hours since the last visit, at the start of a session
    followed: Any  # [U, L] bool
    # standardisation constants, frozen with the population
    affinity_mean: Any  # of interest . style over fresh pairs
    affinity_scale: Any
    utility_mean: Any  # of the raw utility over fresh pairs
    utility_scale: Any


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
"""Type and axes of every field of ``Population``; one letter is one length throughout."""
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
    """Return the first reason why ``arrays`` are no population, as part of a line; ``None`` if they
    are one.

    Checks names and types; that lengths agree between arrays and are not 0; that numbers are finite
    and in range, ids in ``[0, S]``, rows of ``style`` and ``interest`` of length 1, rows of
    ``category`` of sum 1, scales positive.
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
                return (
                    f"{name} has shape {list(array.shape)}; must be "
                    f"[{', '.join(axes)}] with {axis}={known} as in {first}"
                )
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
