"""Whole slates as what is scored: rows of places instead of places (full-slate Q-learning)."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.networks.candidates import Obs, take_candidates

SlateTable = Int[np.ndarray, "M P"] | None
"""Places of each slate that is scored; ``None`` scores every candidate by itself."""


def available_slates(mask: Bool[Array, "B C"], slates: SlateTable) -> Bool[Array, "B M"]:
    """Slates of which every place is on offer; all of them where there is none such."""
    if slates is None:
        return mask
    there = jnp.all(mask[:, slates], axis=2)
    return there | ~jnp.any(there, axis=1, keepdims=True)


def select_slate(obs: Obs, action: Int[Array, "B"], slates: SlateTable) -> tuple[Obs, SlateTable]:
    """An observation that offers what ``action`` shows and nothing else, and what is scored of it:
    one candidate, or slate."""
    if slates is None:
        return take_candidates(obs, action[:, None]), None
    return take_candidates(obs, jnp.asarray(slates)[action]), np.arange(slates.shape[1])[None]


def sum_over_places(
    each: Float[Array, "B C P H"], slates: Int[np.ndarray, "M P"]
) -> Float[Array, "B M H"]:
    """``sum_j each[c_j, j]`` over a slate's places c: a matrix times
    ``concat(document_{c_1}, ...)``, cut in parts."""
    first, *rest = (each[:, slates[:, j], j] for j in range(slates.shape[1]))
    return sum(rest, first)
