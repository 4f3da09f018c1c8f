"""Streamers' content as policies see it: the style itself, views of it, or embeddings from a file.

The laws use the true style, ``params.streamers.style``. The arrays made here go into
``params.catalogue.style``, which is all that policies and recall by similarity can read. Source:
envs/live/README.md, section 9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lrdqn.envs.live.config import LiveConfig, ViewsConfig
from lrdqn.envs.live.population import unit
from lrdqn.envs.live.population_arrays import Population

VIEWS = ("text", "image", "audio")
Content = Callable[[Population, LiveConfig, np.random.Generator, Any], Any]
"""``content(population, config, rng, table) -> [S, D]``: host arrays, rows of about length 1."""


class Block(NamedTuple):
    """Place of one view in a row: its ``columns``, and behind them the column that marks it as
    missing."""

    columns: slice
    missing: int
    noise: float
    share: float


def layout(config: ViewsConfig) -> tuple[tuple[Block, ...], int]:
    """Return the views of a row in order, without those of width 0, and the length D of the row."""
    blocks, at = [], 0
    for name in VIEWS:
        view = getattr(config, name)
        if view.width:
            blocks.append(
                Block(slice(at, at + view.width), at + view.width, view.noise, view.missing)
            )
            at += view.width + 1
    return tuple(blocks), at


def exact(population: Population, config: LiveConfig, rng: np.random.Generator, table: Any) -> Any:
    """Return the style e itself ``[S, d]`` (``content=exact``)."""
    del config, rng, table
    return population.style


def multimodal(
    population: Population, config: LiveConfig, rng: np.random.Generator, table: Any
) -> Any:
    """Return noisy views of the style side by side, ``[S, D]`` (``content=multimodal``).

    View m is ``x_m = (M_m e + sigma_m eps / sqrt(w_m)) / sqrt(V (1 + sigma_m^2))``.
    ``M_m [w_m, d]`` has orthonormal rows (or columns, where w_m > d) of random directions, times
    ``sqrt(d / min(w_m, d))``: a style gives every view a signal of expected squared length 1, and
    ``sigma_m^2`` is noise over signal. The divisor gives each of the V views a V-th of the row's
    squared length, so that no view dominates a cosine. A view is missing with probability ``rho_m``
    for each streamer: zeros, and ``1 / sqrt(D)``, as large as the other entries, in the column
    behind it; a cosine then shrinks towards 0.

    Directions, noise and gaps have random streams of their own: learner i meets the same directions
    in another population.

    Source: envs/live/README.md, section 9; widths, noise and gaps are design choices.
    """
    del table
    style = np.asarray(population.style, np.float64)
    directions, noise, gaps = rng.spawn(3)
    blocks, width = layout(config.content_views)
    shown = np.zeros((len(style), width))
    for block in blocks:
        size = block.columns.stop - block.columns.start
        signal = style @ mixing(size, style.shape[1], directions).T
        seen = signal + block.noise * noise.normal(size=signal.shape) / np.sqrt(size)
        shown[:, block.columns] = seen / np.sqrt(len(blocks) * (1 + block.noise**2))
        blank(shown, block, gaps.random(len(style)) < block.share)
    return shown.astype(np.float32)


def mixing(width: int, d: int, rng: np.random.Generator) -> Any:
    """Return a random matrix ``[width, d]`` with orthonormal rows (columns where width > d), times
    ``sqrt(d / min(width, d))``."""
    square, triangle = np.linalg.qr(rng.normal(size=(max(width, d), min(width, d))))
    even = square * np.sign(np.diag(triangle))  # every direction equally likely (Mezzadri 2007)
    return np.sqrt(d / min(width, d)) * (even if width >= d else even.T)


def blank(shown: Any, block: Block, gone: Any) -> None:
    """Mark one view of some streamers as missing, in place."""
    shown[:, block.columns][gone] = 0
    shown[gone, block.missing] = 1 / np.sqrt(shown.shape[1])


def without_views(shown: Any, config: ViewsConfig, share: float, rng: np.random.Generator) -> Any:
    """Return a catalogue ``[S + 1, D]`` of which a further share of views, drawn view by view, is
    missing."""
    found = np.array(shown)
    for block in layout(config)[0]:
        blank(found, block, np.append(rng.random(len(found) - 1) < share, False))
    return found


def embeddings(
    population: Population, config: LiveConfig, rng: np.random.Generator, table: Any
) -> Any:
    """Return rows of a table ``[S, D]`` scaled to length 1 (``content=embeddings``); a row of zeros
    is a missing embedding."""
    del population, config, rng
    return unit(np.asarray(table, np.float64)).astype(np.float32)


CONTENT: dict[str, Content] = {"exact": exact, "multimodal": multimodal, "embeddings": embeddings}
"""By ``env.content``."""
