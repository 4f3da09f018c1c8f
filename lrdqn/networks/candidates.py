"""Operations on the candidates of an observation: keep some of them, or append the empty item."""

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
    """Names of the candidates in an observation type."""

    ids: str
    """Field that holds each candidate's row of the catalogue ``[B, C]``."""
    empty: Callable[[Any], int]
    """``empty(catalogue)``: row of the empty item, the last."""


CANDIDATE_FIELDS: dict[type, CandidateFields] = {
    LiveObs: CandidateFields("candidates", lambda catalogue: catalogue.identity.shape[0] - 1),
    DocumentObs: CandidateFields("topic", lambda catalogue: catalogue.content.shape[0] - 1),
}


def take_candidates(obs: Obs, places: Int[Array, "B K"]) -> Obs:
    """Return the observation with only the candidates at ``places``, in that order."""

    def take(x: Array) -> Array:
        return jnp.take_along_axis(x, places.reshape(places.shape + (1,) * (x.ndim - 2)), axis=1)

    return obs._replace(
        **{
            name: take(getattr(obs, name))
            for name in (CANDIDATE_FIELDS[type(obs)].ids, "features", "mask")
        }
    )


def with_null_item(obs: Obs, catalogue: PyTree) -> Obs:
    """Return the observation with the empty item appended as candidate C, so that "nothing" has a
    learned value as every other candidate has."""
    ids, empty = CANDIDATE_FIELDS[type(obs)]

    def append(x: Array, last: Any) -> Array:
        return jnp.concatenate([x, jnp.full((x.shape[0], 1, *x.shape[2:]), last, x.dtype)], axis=1)

    last = {ids: empty(catalogue), "features": 0, "mask": True}
    return obs._replace(**{name: append(getattr(obs, name), value) for name, value in last.items()})
