"""Memory plan of a run, made from shapes before anything is compiled."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from lrdqn.config import EnvConfig, InputError
from lrdqn.types import PyTree

LOWER = {
    "replay": "replay.capacity",
    "tree": "replay.capacity",
    "networks": "network.hidden",
    "sessions": "train.sessions",
    "worlds": "env.streamers",
    "evaluation": "evaluate.sessions",
}
"""Part of the plan -> the key that makes it smaller."""

HEADROOM = 0.9
"""Share of the free memory that a plan may take; the rest is left to temporaries of the compiled
programs."""


class MemoryPlan(NamedTuple):
    """Bytes of each part over all learners of the run, on all devices together."""

    parts: dict[str, int]
    seeds: int
    learners: int

    @property
    def total(self) -> int:
        """Return all bytes."""
        return sum(self.parts.values())

    @property
    def per_seed(self) -> int:
        """Return the bytes of one seed: its world and its learners."""
        return self.total // self.seeds

    def line(self) -> str:
        """Return one line of text, largest part first."""
        parts = ", ".join(
            f"{name} {size_text(size)}"
            for name, size in sorted(self.parts.items(), key=lambda x: -x[1])
        )
        return (
            f"memory: {size_text(self.total)} planned ({size_text(self.per_seed)} a seed): {parts}"
        )


def make_memory_plan(
    state: PyTree,
    worlds: PyTree,
    sessions: PyTree,
    seeds: int,
    learners: int,
    policies: int,
    judged: int,
    played: int,
) -> MemoryPlan:
    """Make the plan from shapes.

    Args:
        state: ``TrainState`` shapes ``[seeds, grid, ...]``.
        worlds: shapes ``[seeds, ...]``.
        sessions: environment states and observations of ``state``, which evaluation holds for its
            own sessions too.
        seeds, learners: lengths of the two axes.
        policies: policies that evaluation plays side by side per seed.
        judged: sessions of an evaluation cohort.
        played: sessions that step together in training.
    """
    replay = state.replay
    tree = tree_bytes(getattr(replay, "tree", ()))
    per_session = tree_bytes(sessions) / (seeds * learners * played)
    parts = {
        "replay": tree_bytes(replay) - tree,
        "tree": tree,
        "networks": tree_bytes(state.agent),
        "sessions": tree_bytes(sessions) + tree_bytes(state.horizon),
        "worlds": tree_bytes(worlds),
        "evaluation": round(per_session * seeds * policies * judged),
    }
    return MemoryPlan(parts, seeds, learners)


def tree_bytes(tree: PyTree) -> int:
    """Return the bytes of all arrays (or shapes) of a pytree; a random key counts as two words."""
    return sum(x.size * getattr(x.dtype, "itemsize", 8) for x in jax.tree.leaves(tree))


def free_bytes(asked_gib: float | None, devices: int) -> int | None:
    """Return the bytes that a run may plan with: those the user gives, else those the devices
    report, else the free memory of the machine.

    Args:
        asked_gib: ``runtime.memory_gib``.
        devices: number of this process's devices that the run uses.
    """
    if asked_gib is not None:
        return int(asked_gib * 2**30)
    limits = [
        (device.memory_stats() or {}).get("bytes_limit") for device in jax.local_devices()[:devices]
    ]
    if limits and all(limits):
        return sum(limit for limit in limits if limit)
    return _machine_bytes()


def _machine_bytes() -> int | None:
    """Return the free memory of the machine, or the limit of the control group if that is lower;
    ``None`` if both are unknown."""
    found: list[int] = []
    try:
        rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        found.append(int(rows["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found.append(int(Path(path).read_text()))
        except (OSError, ValueError):
            continue
    return min(found, default=None)


def refuse_what_cannot_fit(plan: MemoryPlan, free: int | None, keys: Mapping[str, Any]) -> None:
    """Raise unless the plan fits, naming the key of its largest part.

    Args:
        plan: the bytes needed.
        free: bytes available; ``None`` refuses nothing.
        keys: values of the keys in ``LOWER``, for the message.

    Raises:
        InputError: the plan takes more than ``HEADROOM`` of ``free``.
    """
    if free is None or plan.total <= HEADROOM * free:
        return
    part = max(plan.parts, key=lambda name: plan.parts[name])
    key = LOWER[part]
    share = f"{part} takes {size_text(plan.parts[part])} of {size_text(plan.total)}"
    raise InputError(
        f"{key}={keys.get(key)}: {share} for {plan.seeds} seeds x "
        f"{plan.learners} learners, and {size_text(free)} are free; "
        f"lower {key} first, then train.seeds={plan.seeds}"
    )


def refuse_large_worlds(
    config: EnvConfig, sizes: Mapping[str, float], seeds: int, free: int | None
) -> None:
    """Raise ``InputError`` where the worlds of all seeds would not fit into ``free`` bytes, before
    any is drawn.

    Args:
        config: the environment's.
        sizes: bytes of one seed's world by the keys that scale it.
        seeds: number of worlds.
        free: bytes; ``None`` where it is not known.
    """
    total = seeds * sum(sizes.values())
    if free is None or total <= HEADROOM * free:
        return
    key = max(sizes, key=lambda key: sizes[key])
    value = getattr(config, key.removeprefix("env."))
    what = f"{seeds} worlds would take {size_text(total)}, and {size_text(free)} are free"
    raise InputError(f"{key}={value}: {what}; lower it")


def size_text(size: float) -> str:
    """Return a size in decimal units with three digits, like ``186 MB``."""
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if size < 999.5 or unit == "PB":
            return f"{size:.3g} {unit}"
        size /= 1000
    return ""
