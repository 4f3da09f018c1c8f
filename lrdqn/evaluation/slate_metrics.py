"""Slate metrics: the place of clicks, and the diversity, coverage and novelty of slates of rooms or
documents.

Sums are taken inside the compiled evaluation loop, from what a policy saw and did; means are taken
on the host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.observations import Catalogue, DocumentObs, LiveObs, Topics
from lrdqn.ops.slates import existing, first_mentions
from lrdqn.types import EnvSpec, PyTree


class SlateSums(NamedTuple):
    """Sums over the slates that each session was shown, ``[P, N]``; or the contribution of one
    slate, ``[N]``."""

    place: Float[Array, "*P N"]
    """Place of the click, 1 being the top; 0 where nothing was clicked."""
    top: Float[Array, "*P N"]
    """1 where the click was at the top."""
    several: Float[Array, "*P N"]
    """1 where two items or more were shown: ``diversity`` is a mean over these slates."""
    diversity: Float[Array, "*P N"]
    """Intra-list diversity."""
    coverage: Float[Array, "*P N"]
    """Distinct categories (topics), over K."""
    novelty: Float[Array, "*P N"] | None
    """Share of streamers who are not among the user's last watches; ``None`` where items have no
    identity."""


class Shown(NamedTuple):
    """Items of a slate, empty places included."""

    content: Float[Array, "N K d"]
    kind: Int[Array, "N K"]
    """Category or topic."""
    there: Bool[Array, "N K"]
    known: Bool[Array, "N K"] | None
    """Watched before, as far as the observation tells."""


SlateMeasure = Callable[[PyTree, PyTree, Int[Array, "N K"], Int[Array, "N"]], SlateSums]
"""``measure(obs, catalogue, slate, clicked_place) -> SlateSums [N]`` of the slate that the places
``slate`` of ``obs`` make."""


def rooms(obs: LiveObs, catalogue: Catalogue, slate: Int[Array, "N K"]) -> Shown:
    """Return the rooms of a slate of the live world: their observed style and their main
    category."""
    places, exists = existing(slate, obs.mask.shape[1])
    streamer = jnp.take_along_axis(obs.candidates, places, axis=1)
    nobody = catalogue.style.shape[0] - 1
    return Shown(
        content=catalogue.style[streamer],
        kind=jnp.argmax(catalogue.category[streamer], axis=-1),
        there=exists
        & jnp.take_along_axis(obs.mask, places, axis=1)
        & (streamer != nobody)
        & first_mentions(slate),
        known=jnp.any(streamer[:, :, None] == obs.history[:, None, :], axis=2),
    )


def documents(obs: DocumentObs, catalogue: Topics, slate: Int[Array, "N K"]) -> Shown:
    """Return the documents of a RecSim slate: the content of their topic, or their own features
    where topics have no content."""
    places, exists = existing(slate, obs.mask.shape[1])
    topic = jnp.take_along_axis(obs.topic, places, axis=1)
    by_topic = catalogue.content.shape[1] > 1  # the last column marks the empty item
    return Shown(
        content=catalogue.content[topic]
        if by_topic
        else jnp.take_along_axis(obs.features, places[:, :, None], axis=1),
        kind=topic,
        there=exists & jnp.take_along_axis(obs.mask, places, axis=1) & first_mentions(slate),
        known=None,
    )


LOOKS: dict[str, Callable[[Any, Any, Array], Shown]] = {"candidates": rooms, "documents": documents}
"""By ``EnvSpec.observation``."""


def diversity(content: Float[Array, "N K d"], there: Bool[Array, "N K"]) -> Float[Array, "N"]:
    """Return ``1 - mean_{i < j} cos(x_i, x_j)`` over the n items that are there, 0 for fewer than
    two.

    Computed by ``sum_{i != j} u_i . u_j = |sum_i u_i|^2 - sum_i |u_i|^2`` with unit vectors u; a
    vector of zeros has cosine 0 with any other.

    Source: Ziegler et al. 2005, "Improving recommendation lists through topic diversification"
    (intra-list similarity).
    """
    length = jnp.sqrt(jnp.sum(content * content, axis=-1, keepdims=True))
    unit = jnp.where(there[:, :, None], content / jnp.maximum(length, 1e-6), 0.0)
    n = jnp.sum(there, axis=1).astype(jnp.float32)
    alike = jnp.sum(jnp.sum(unit, axis=1) ** 2, axis=-1) - jnp.sum(unit * unit, axis=(1, 2))
    return jnp.where(n > 1, 1 - alike / jnp.maximum(n * (n - 1), 1.0), 0.0)


def kinds(kind: Int[Array, "N K"], there: Bool[Array, "N K"]) -> Int[Array, "N"]:
    """Return the number of distinct kinds among the items that are there. Source: Zhai et al. 2003,
    "Beyond independent relevance" (subtopic recall)."""
    same = (kind[:, :, None] == kind[:, None, :]) & there[:, None, :]
    return jnp.sum(there & ~jnp.any(jnp.tril(same, -1), axis=2), axis=1)


def make_slate_metrics(spec: EnvSpec) -> SlateMeasure | None:
    """Build the slate metrics of an environment; return ``None`` where its action is not a slate of
    rooms or documents."""
    look = LOOKS.get(spec.observation)
    if look is None or not spec.reveals_choice:
        return None

    def measure(obs: PyTree, catalogue: PyTree, slate: Array, clicked_place: Array) -> SlateSums:
        shown = look(obs, catalogue, slate.reshape(-1, spec.slate))
        clicked, n = clicked_place < spec.slate, jnp.sum(shown.there, axis=1).astype(jnp.float32)
        novelty = None
        if shown.known is not None:
            novelty = jnp.sum(shown.there & ~shown.known, axis=1) / jnp.maximum(n, 1.0)
        return SlateSums(
            place=jnp.where(clicked, clicked_place.astype(jnp.float32) + 1, 0.0),
            top=(clicked_place == 0).astype(jnp.float32),
            several=(n > 1).astype(jnp.float32),
            diversity=diversity(shown.content, shown.there),
            coverage=kinds(shown.kind, shown.there) / spec.slate,
            novelty=novelty,
        )

    return measure


def no_slate_sums(spec: EnvSpec, shape: tuple[int, ...]) -> SlateSums | None:
    """Return the sums before the first slate; ``None`` where ``make_slate_metrics`` returns
    ``None``."""
    if make_slate_metrics(spec) is None:
        return None
    zero = jnp.zeros(shape)
    return SlateSums(
        zero, zero, zero, zero, zero, zero if spec.observation == "candidates" else None
    )


SLATE_METRICS = ("ctr", "taken_place", "taken_top", "diversity", "coverage", "novelty", "quality")
"""Names in the files; the last two where the environment has them."""


def mean_slate_metrics(
    slates: Any, shown: np.ndarray, clicks: np.ndarray, quality: np.ndarray
) -> dict[str, np.ndarray]:
    """Return means per seed ``[..., P]`` of host arrays ``[..., P, N]``: over all slates of a
    cohort, or over all clicks.

    - ``ctr``: clicks per slate.
    - ``taken_place``, ``taken_top``: mean place of the click (1 is the top), and the share of
      clicks at the top.
    - ``diversity``, ``coverage``, ``novelty``: of the slates, whatever was clicked (``SlateSums``).
    - ``quality``: of what was clicked, where the environment reports it. Source: Ie et al. 2019
      (SlateQ), the tables' second column.

    NaN where the mean is over nothing. Empty where ``slates`` is ``None``.
    """
    if slates is None:
        return {}

    def mean(x: np.ndarray, over: np.ndarray) -> np.ndarray:
        total = over.sum(-1)
        return x.sum(-1) / np.where(total > 0, total, np.nan)

    found = {
        "ctr": mean(clicks, shown),
        "taken_place": mean(slates.place, clicks),
        "taken_top": mean(slates.top, clicks),
        "diversity": mean(slates.diversity, slates.several),
        "coverage": mean(slates.coverage, shown),
    }
    if slates.novelty is not None:
        found["novelty"] = mean(slates.novelty, shown)
    if quality.any():
        found["quality"] = mean(quality, clicks)
    return found
