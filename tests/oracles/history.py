"""The history encoders in float64 loops, one user at a time, from the equations; places newest
first, ``None`` for an empty one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Place = np.ndarray | None


def place(style: np.ndarray, category: np.ndarray, log_watch: float, reaction: int) -> np.ndarray:
    """Return one watch as the learned encoders read it: content, log seconds / 4, liked, commented,
    gifted, followed, and a 1."""
    bits = [float(reaction // 2**i % 2) for i in range(4)]
    return np.array([*style, *category, log_watch / 4, *bits, 1.0], np.float64)


def profiles(style: np.ndarray, category: np.ndarray, log_watch: np.ndarray) -> np.ndarray:
    """Return liked, disliked and categories: sums weighted by seconds / 300 (at most 1), or by a
    bounce, over the weight plus 0.1."""
    seconds = [math.exp(x) - 1 for x in log_watch]
    held = [min(1.0, s / 300) for s in seconds]
    bounced = [1.0 if 0 < x < 3 else 0.0 for x in log_watch]
    parts = []
    for rows, weights in ((style, held), (style, bounced), (category, held)):
        total = np.zeros(rows.shape[1])
        for row, weight in zip(rows, weights, strict=True):
            total += weight * row
        parts.append(total / (sum(weights) + 0.1))
    return np.concatenate(parts)


def gru(params: Any, places: list[Place]) -> np.ndarray:
    """Return the state after the newest watch; the kernels hold the gates in the order reset,
    update, new."""
    w, b, u = (
        params["cell"]["dense_i"]["kernel"],
        params["cell"]["dense_i"]["bias"],
        params["cell"]["dense_h"]["kernel"],
    )
    (w_r, w_z, w_n), (b_r, b_z, b_n), (u_r, u_z, u_n) = (
        np.split(x.astype(np.float64), 3, axis=-1) for x in (w, b, u)
    )
    h = np.zeros(len(u))
    for x in reversed(places):
        if x is None:
            continue
        r = 1 / (1 + np.exp(-(x @ w_r + b_r + h @ u_r)))
        z = 1 / (1 + np.exp(-(x @ w_z + b_z + h @ u_z)))
        h = (1 - z) * np.tanh(x @ w_n + b_n + r * (h @ u_n)) + z * h
    return h


def attention(params: Any, places: list[Place]) -> np.ndarray:
    """Return the pooled vector; place j of the history has row j of the position table, or its last
    one."""
    kernel = {
        name: params[name]["kernel"].astype(np.float64)
        for name in ("step", "key", "value", "out", "inner", "outer")
    }
    table, width = params["place"]["embedding"], len(params["out"]["kernel"])
    items = [
        x @ kernel["step"] + table[min(j, len(table) - 1)]
        for j, x in enumerate(places)
        if x is not None
    ]
    if not items:
        return np.zeros(width)
    heads = []
    for head in np.split(np.arange(width), 2 if width % 2 == 0 else 1):
        query = params["query"].reshape(-1)[head]
        scores = np.array([query @ (x @ kernel["key"])[head] / math.sqrt(len(head)) for x in items])
        weights = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        heads.append(
            sum(a * (x @ kernel["value"])[head] for a, x in zip(weights, items, strict=True))
        )
    mixed = np.concatenate(heads) @ kernel["out"]
    inner = np.maximum(mixed @ kernel["inner"] + params["inner"]["bias"], 0.0)
    return mixed + inner @ kernel["outer"] + params["outer"]["bias"]
