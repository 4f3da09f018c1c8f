"""What is on offer, apart from how it is scored: observations narrowed to some places, or widened
by the empty item."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax.numpy as jnp
from jax import Array
from jaxtyping import Int

from lrdqn.observations import DocumentObs, LiveObs
from lrdqn.types import PyTree

Obs = TypeVar("Obs", LiveObs, DocumentObs)


class CandidateFields(NamedTuple):
    """How an observation names what is on offer."""

    ids: str
    """Field of the rows ``[B, C]`` of the catalogue."""
    empty: Callable[[Any], int]
    """``empty(catalogue)``: row of the empty item, the last."""


CANDIDATE_FIELDS: dict[type, CandidateFields] = {
    LiveObs: CandidateFields("candidates", lambda catalogue: catalogue.identity.shape[0] - 1),
    DocumentObs: CandidateFields("topic", lambda catalogue: catalogue.content.shape[0] - 1),
}


def take_candidates(obs: Obs, places: Int[Array, "B K"]) -> Obs:
    """The same observation offering the candidates at ``places`` only, in their order."""

    def take(x: Array) -> Array:
        return jnp.take_along_axis(x, places.reshape(places.shape + (1,) * (x.ndim - 2)), axis=1)

    return obs._replace(
        **{
            name: take(getattr(obs, name))
            for name in (CANDIDATE_FIELDS[type(obs)].ids, "features", "mask")
        }
    )


def with_null_item(obs: Obs, catalogue: PyTree) -> Obs:
    """The same observation with the empty item as candidate C, so that "nothing" has a value of its
    own as any other has."""
    ids, empty = CANDIDATE_FIELDS[type(obs)]

    def append(x: Array, last: Any) -> Array:
        return jnp.concatenate([x, jnp.full((x.shape[0], 1, *x.shape[2:]), last, x.dtype)], axis=1)

    last = {ids: empty(catalogue), "features": 0, "mask": True}
    return obs._replace(**{name: append(getattr(obs, name), value) for name, value in last.items()})
