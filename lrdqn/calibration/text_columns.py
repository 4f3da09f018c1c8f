"""Text columns of a log as codes of their commonest values, shares and one-hot blocks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from lrdqn.logs.csv import Text

GROUPS, ANSWERS = 32, 8
"""Most categories, and most answers to one question, that are kept apart; the rest becomes
`other`."""


def commonest(count: Mapping[str, int], most: int) -> list[str]:
    """Return the ``most`` names with the highest counts, ties by the alphabet; where there are more
    names, the last place is `other`. Names without a count are left out unless all are."""
    ranked = sorted(count, key=lambda name: (-count[name], name))
    ranked = [name for name in ranked if count[name]] or ranked
    return ranked if len(ranked) <= most else [*ranked[: most - 1], "other"]


def frequent_codes(text: Text, most: int) -> tuple[Int[np.ndarray, "n"], tuple[str, ...]]:
    """Return codes into the ``commonest`` values, and these; empty values are `unknown`."""
    names = [name.strip() or "unknown" for name in text.names]
    count: dict[str, int] = {}
    for name, n in zip(names, np.bincount(text.code, minlength=len(names)), strict=True):
        count[name] = count.get(name, 0) + int(n)
    kept = commonest(count, most)
    place = {name: index for index, name in enumerate(kept)}
    return np.array([place.get(name, len(kept) - 1) for name in names], np.int64)[text.code], tuple(
        kept
    )


def shares(
    row: Int[np.ndarray, "n"], code: Int[np.ndarray, "n"], rows: int, columns: int
) -> Float[np.ndarray, "R C"]:
    """Return the share of each code among the entries of a row; equal shares where a row has no
    entry."""
    count = (
        np.bincount(row * columns + code, minlength=rows * columns)
        .reshape(rows, columns)
        .astype(np.float64)
    )
    total = count.sum(axis=1, keepdims=True)
    return np.where(total > 0, count / np.maximum(total, 1), 1 / columns).astype(np.float32)


def one_hot_answers(
    texts: Mapping[str, Text], row: Int[np.ndarray, "U"]
) -> tuple[Float[np.ndarray, "U P"], tuple[str, ...]]:
    """Return one-hot blocks of text columns side by side, and the names of all answers; users whose
    ``row`` is -1 get zeros."""
    blocks, names = [], []
    for column, text in texts.items():
        code, known = frequent_codes(text, ANSWERS)
        block = np.zeros((len(row), len(known)), np.float32)
        there = np.flatnonzero(row >= 0)
        block[there, code[row[there]]] = 1
        blocks.append(block)
        names += [f"{column}={name}" for name in known]
    return np.concatenate(blocks, axis=1), tuple(names)


def tag_shares(
    tag: Text, rows: Int[np.ndarray, "S"]
) -> tuple[Float[np.ndarray, "S G"], tuple[str, ...]]:
    """Return shares of comma-separated tags: a video of k tags has 1/k in each. Tags beyond the
    ``commonest`` count as `other`, a video without a tag as `unknown`."""
    split = [[t.strip() for t in name.split(",") if t.strip()] or ["unknown"] for name in tag.names]
    count: dict[str, int] = {}
    for names, n in zip(split, np.bincount(tag.code[rows], minlength=len(split)), strict=True):
        for name in names if n else []:
            count[name] = count.get(name, 0) + int(n)
    kept = commonest(count, GROUPS)
    place = {name: index for index, name in enumerate(kept)}
    table = np.zeros((len(split), len(kept)), np.float32)
    for row, names in enumerate(split):
        for name in names:
            table[row, place.get(name, len(kept) - 1)] += 1 / len(names)
    return table[tag.code[rows]], tuple(kept)
