"""What pages of several rooms or documents are like: how far down they are clicked, how unlike
their items are, how new.

Sums are taken inside the compiled evaluation loop, from what a policy saw and did; means are made
of them on the host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.observations import Catalogue, DocumentObs, LiveObs, Topics
from lrdqn.ops.slates import first_mentions
from lrdqn.types import EnvSpec, PyTree


class Pages(NamedTuple):
    """Sums over the pages that each session was shown, ``[P, N]``; or what one page adds,
    ``[N]``."""

    place: Float[Array, "*P N"]
    """Of what was taken, 1 being the top; 0 where nothing was."""
    top: Float[Array, "*P N"]
    """What was taken stood at the top."""
    several: Float[Array, "*P N"]
    """Two items or more were shown: ``diversity`` is a mean over these."""
    diversity: Float[Array, "*P N"]
    """Intra-list diversity."""
    coverage: Float[Array, "*P N"]
    """Different categories (topics), over K."""
    novelty: Float[Array, "*P N"] | None
    """Share of streamers who are not among the viewer's last watches; ``None`` where items have no
    identity."""


class Shown(NamedTuple):
    """The items of a page, empty places included."""

    content: Float[Array, "N K d"]
    kind: Int[Array, "N K"]
    """Category or topic."""
    there: Bool[Array, "N K"]
    known: Bool[Array, "N K"] | None
    """Watched before, so far as the observation tells."""


PageFigures = Callable[[PyTree, PyTree, Int[Array, "N K"], Int[Array, "N"]], Pages]
"""``figures(obs, catalogue, slate, clicked_place) -> Pages [N]``: of the page that ``slate`` makes
of ``obs``."""


def rooms(obs: LiveObs, catalogue: Catalogue, slate: Int[Array, "N K"]) -> Shown:
    """Streams of the live world: their shown style and their main category."""
    streamer = jnp.take_along_axis(obs.candidates, slate, axis=1)
    nobody = catalogue.style.shape[0] - 1
    return Shown(
        content=catalogue.style[streamer],
        kind=jnp.argmax(catalogue.category[streamer], axis=-1),
        there=jnp.take_along_axis(obs.mask, slate, axis=1)
        & (streamer != nobody)
        & first_mentions(slate),
        known=jnp.any(streamer[:, :, None] == obs.history[:, None, :], axis=2),
    )


def documents(obs: DocumentObs, catalogue: Topics, slate: Int[Array, "N K"]) -> Shown:
    """Documents of the reference benchmark: what their topic is about, or their own features where
    topics have no content."""
    topic = jnp.take_along_axis(obs.topic, slate, axis=1)
    by_topic = catalogue.content.shape[1] > 1  # its last column tells the empty item
    return Shown(
        content=catalogue.content[topic]
        if by_topic
        else jnp.take_along_axis(obs.features, slate[:, :, None], axis=1),
        kind=topic,
        there=jnp.take_along_axis(obs.mask, slate, axis=1) & first_mentions(slate),
        known=None,
    )


LOOKS: dict[str, Callable[[Any, Any, Array], Shown]] = {"candidates": rooms, "documents": documents}
"""By ``EnvSpec.observation``."""


def diversity(content: Float[Array, "N K d"], there: Bool[Array, "N K"]) -> Float[Array, "N"]:
    """``1 - mean_{i < j} cos(x_i, x_j)`` over the n items that are there, 0 for fewer than two.

    By ``sum_{i != j} u_i . u_j = |sum_i u_i|^2 - sum_i |u_i|^2`` of the unit vectors u; a vector of
    zeros is like nothing.

    Source: Ziegler et al. 2005, "Improving recommendation lists through topic diversification"
    (intra-list similarity).
    """
    length = jnp.sqrt(jnp.sum(content * content, axis=-1, keepdims=True))
    unit = jnp.where(there[:, :, None], content / jnp.maximum(length, 1e-6), 0.0)
    n = jnp.sum(there, axis=1).astype(jnp.float32)
    alike = jnp.sum(jnp.sum(unit, axis=1) ** 2, axis=-1) - jnp.sum(unit * unit, axis=(1, 2))
    return jnp.where(n > 1, 1 - alike / jnp.maximum(n * (n - 1), 1.0), 0.0)


def kinds(kind: Int[Array, "N K"], there: Bool[Array, "N K"]) -> Int[Array, "N"]:
    """How many different kinds are there. Source: Zhai et al. 2003, "Beyond independent relevance"
    (subtopic recall)."""
    same = (kind[:, :, None] == kind[:, None, :]) & there[:, None, :]
    return jnp.sum(there & ~jnp.any(jnp.tril(same, -1), axis=2), axis=1)


def make_slate_metrics(spec: EnvSpec) -> PageFigures | None:
    """How pages are looked at, or ``None`` where an action is no slate, or one of something
    else."""
    look = LOOKS.get(spec.observation)
    if look is None or not spec.reveals_choice:
        return None

    def figures(obs: PyTree, catalogue: PyTree, slate: Array, clicked_place: Array) -> Pages:
        page = look(obs, catalogue, slate.reshape(-1, spec.slate))
        clicked, n = clicked_place < spec.slate, jnp.sum(page.there, axis=1).astype(jnp.float32)
        novelty = None
        if page.known is not None:
            novelty = jnp.sum(page.there & ~page.known, axis=1) / jnp.maximum(n, 1.0)
        return Pages(
            place=jnp.where(clicked, clicked_place.astype(jnp.float32) + 1, 0.0),
            top=(clicked_place == 0).astype(jnp.float32),
            several=(n > 1).astype(jnp.float32),
            diversity=diversity(page.content, page.there),
            coverage=kinds(page.kind, page.there) / spec.slate,
            novelty=novelty,
        )

    return figures


def no_pages(spec: EnvSpec, shape: tuple[int, ...]) -> Pages | None:
    """The sums before the first page; ``None`` where ``make_slate_metrics`` is."""
    if make_slate_metrics(spec) is None:
        return None
    zero = jnp.zeros(shape)
    return Pages(zero, zero, zero, zero, zero, zero if spec.observation == "candidates" else None)


PAGE_METRICS = ("ctr", "taken_place", "taken_top", "diversity", "coverage", "novelty", "quality")
"""Names in the files; the last two where there are any."""


def page_metrics(
    pages: Any, shown: np.ndarray, clicks: np.ndarray, quality: np.ndarray
) -> dict[str, np.ndarray]:
    """Per seed ``[..., P]`` of host arrays ``[..., P, N]``: means over all pages of a cohort, or
    over all that was clicked.

    - ``ctr``: clicks per page.
    - ``taken_place``, ``taken_top``: mean place of what was clicked (1 is the top), and the share
      of it that stood there.
    - ``diversity``, ``coverage``, ``novelty``: of the pages, whatever was clicked (``Pages``).
    - ``quality``: of what was clicked, where the world tells it. Source: Ie et al. 2019 (SlateQ),
      the tables' second column.

    NaN where there is nothing to take a mean of. Empty where ``pages`` is ``None``.
    """
    if pages is None:
        return {}

    def mean(x: np.ndarray, over: np.ndarray) -> np.ndarray:
        total = over.sum(-1)
        return x.sum(-1) / np.where(total > 0, total, np.nan)

    found = {
        "ctr": mean(clicks, shown),
        "taken_place": mean(pages.place, clicks),
        "taken_top": mean(pages.top, clicks),
        "diversity": mean(pages.diversity, pages.several),
        "coverage": mean(pages.coverage, shown),
    }
    if pages.novelty is not None:
        found["novelty"] = mean(pages.novelty, shown)
    if quality.any():
        found["quality"] = mean(quality, clicks)
    return found
