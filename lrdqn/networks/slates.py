"""Slates as the unit of scoring, for full-slate Q-learning: a network scores rows of places instead
of single places."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.networks.candidates import Obs, take_candidates

SlateTable = Int[np.ndarray, "M P"] | None
"""Places of each slate that is scored; with ``None`` every candidate is scored by itself."""


def available_slates(mask: Bool[Array, "B C"], slates: SlateTable) -> Bool[Array, "B M"]:
    """Return the mask of slates whose every place is available; all slates if there is none
    such."""
    if slates is None:
        return mask
    there = jnp.all(mask[:, slates], axis=2)
    return there | ~jnp.any(there, axis=1, keepdims=True)


def select_slate(obs: Obs, action: Int[Array, "B"], slates: SlateTable) -> tuple[Obs, SlateTable]:
    """Return the observation restricted to the candidates that ``action`` shows, and the slate
    table that scores exactly them: one candidate, or one slate."""
    if slates is None:
        return take_candidates(obs, action[:, None]), None
    return take_candidates(obs, jnp.asarray(slates)[action]), np.arange(slates.shape[1])[None]


def sum_over_places(
    each: Float[Array, "B C P H"], slates: Int[np.ndarray, "M P"]
) -> Float[Array, "B M H"]:
    """Return ``sum_j each[c_j, j]`` over the places c of a slate: a matrix times
    ``concat(document_{c_1}, ...)``, computed in parts."""
    first, *rest = (each[:, slates[:, j], j] for j in range(slates.shape[1]))
    return sum(rest, first)
