"""What policies are shown of a streamer's content: the style itself, views of it, or embeddings
from a file (SIMULATOR 3).

The truth stays in ``params.streamers.style`` and drives the laws; what is made here goes into
``params.catalogue.style``, which is all that a policy, and the way of finding similar candidates,
can read.
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
    """Where one view stands in a row: ``columns`` its numbers, behind them one that says that it is
    missing."""

    columns: slice
    missing: int
    noise: float
    share: float


def layout(config: ViewsConfig) -> tuple[tuple[Block, ...], int]:
    """The views of a row in order, those of width 0 left out, and the length D of the row."""
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
    """``content=exact``: the style e itself ``[S, d]``."""
    del config, rng, table
    return population.style


def multimodal(
    population: Population, config: LiveConfig, rng: np.random.Generator, table: Any
) -> Any:
    """``content=multimodal``: views
    ``x_m = (M_m e + sigma_m eps / sqrt(w_m)) / sqrt(V (1 + sigma_m^2))``, side by side.

    ``M_m [w_m, d]`` has orthonormal rows (or columns, where w_m > d) of random directions, times
    ``sqrt(d / min(w_m, d))``: a style gives every view a signal of expected squared length 1, and
    ``sigma_m^2`` is noise over signal. The divisor gives each of the V views a V-th of the row's
    squared length, so that none rules a cosine. A view that is missing, with chance ``rho_m`` for
    each streamer, is zeros and the number behind it ``1 / sqrt(D)``, as large as the entries beside
    it; a cosine then shrinks towards 0, for there is less to go by.

    Directions, noise and gaps come from streams of their own: learner i meets the same directions
    in another population.

    Source: SIMULATOR section 3 (observed features); widths, noise and gaps are a design choice.
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
    """``[width, d]`` with orthonormal rows, or columns where it is tall, times
    ``sqrt(d / min(width, d))``."""
    square, triangle = np.linalg.qr(rng.normal(size=(max(width, d), min(width, d))))
    even = square * np.sign(np.diag(triangle))  # every direction equally likely (Mezzadri 2007)
    return np.sqrt(d / min(width, d)) * (even if width >= d else even.T)


def blank(shown: Any, block: Block, gone: Any) -> None:
    """Take one view of some streamers away, in place."""
    shown[:, block.columns][gone] = 0
    shown[gone, block.missing] = 1 / np.sqrt(shown.shape[1])


def without_views(shown: Any, config: ViewsConfig, share: float, rng: np.random.Generator) -> Any:
    """A catalogue ``[S + 1, D]`` of views of which a further share, drawn view by view, has gone
    missing."""
    found = np.array(shown)
    for block in layout(config)[0]:
        blank(found, block, np.append(rng.random(len(found) - 1) < share, False))
    return found


def embeddings(
    population: Population, config: LiveConfig, rng: np.random.Generator, table: Any
) -> Any:
    """``content=embeddings``: rows of a table ``[S, D]`` (``io.embeddings``), scaled to length 1; a
    row of zeros is missing."""
    del population, config, rng
    return unit(np.asarray(table, np.float64)).astype(np.float32)


CONTENT: dict[str, Content] = {"exact": exact, "multimodal": multimodal, "embeddings": embeddings}
"""By ``env.content``."""
