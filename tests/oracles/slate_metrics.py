"""Metrics of a slate in plain NumPy: one session, pair by pair."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np


def diversity(content: Sequence[np.ndarray]) -> float | None:
    """Return one minus the mean cosine of all pairs of items shown."""
    pairs = list(itertools.combinations(content, 2))
    if not pairs:
        return None
    return 1 - float(np.mean([cosine(x, y) for x, y in pairs]))


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    size = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / size) if size > 0 else 0.0


def slate_sums(
    slate: Sequence[int],
    ids: Sequence[int],
    mask: Sequence[bool],
    nobody: int | None,
    content: np.ndarray,
    kinds: Sequence[int],
    history: Sequence[int] | None,
    clicked_place: int,
) -> dict[str, float]:
    """Return the terms that one slate adds to the sums; ``content`` and ``kinds`` are by id."""
    shown: list[int] = []
    for i, place in enumerate(slate):
        if mask[place] and place not in slate[:i] and ids[place] != nobody:
            shown.append(ids[place])
    unlike = diversity([content[x] for x in shown])
    found = {
        "place": clicked_place + 1.0 if clicked_place < len(slate) else 0.0,
        "top": float(clicked_place == 0),
        "several": float(unlike is not None),
        "diversity": unlike or 0.0,
        "coverage": len({kinds[x] for x in shown}) / len(slate),
    }
    if history is not None:
        found["novelty"] = sum(x not in history for x in shown) / max(len(shown), 1)
    return found
