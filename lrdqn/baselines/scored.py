"""Turn a scoring function into a ``Policy`` without state."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.ops.masking import masked
from lrdqn.types import Policy, PyTree, TimeStep, View


def from_scores(
    score: Callable[[View, PRNGKeyArray], Float[Array, "B A"]], mask_of: Callable[[PyTree, Array], Array]
) -> Policy:
    """A policy that takes the best-scored action on offer, ties to the lowest place.

    Args:
        score: ``score(view, key) -> [B, A]``.
        mask_of: ``mask_of(obs, scores)``, which actions are on offer.
    """

    def scores(state: tuple[()], view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del state
        raw = score(view, key)
        return masked(raw, mask_of(view.obs, raw))

    def act(state: tuple[()], view: View, key: PRNGKeyArray) -> tuple[Array, tuple[()]]:
        return jnp.argmax(scores(state, view, key), axis=-1).astype(jnp.int32), state

    def observe(state: tuple[()], timestep: TimeStep) -> tuple[()]:
        del timestep
        return state

    return Policy(lambda key: (), scores, act, observe)
