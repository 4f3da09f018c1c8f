"""Policies from a scoring function: the best-scored action on offer is taken."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.ops.masking import masked
from lrdqn.types import Policy, PyTree, TimeStep, View

MaskOf = Callable[[PyTree, Array], Array]
"""``mask_of(obs, scores)``: which actions are on offer."""


def with_parameters(
    score: Callable[[PyTree, View, PRNGKeyArray], Float[Array, "B A"]],
    mask_of: MaskOf,
    init: Callable[[PRNGKeyArray], PyTree],
    privileged: bool = False,
) -> Policy:
    """Build a policy whose state is the parameters of ``score``, which it never changes; ties go to
    the lowest place.

    Many parameters are one vmapped axis of an evaluation (``evaluation.cohort.make_cohort``).

    Args:
        score: ``score(parameters, view, key) -> [B, A]``.
        mask_of: which actions are on offer.
        init: default parameters.
        privileged: whether it sees the true state.
    """

    def scores(state: PyTree, view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        raw = score(state, view, key)
        return masked(raw, mask_of(view.obs, raw))

    def act(state: PyTree, view: View, key: PRNGKeyArray) -> tuple[Array, PyTree]:
        return jnp.argmax(scores(state, view, key), axis=-1).astype(jnp.int32), state

    def observe(state: PyTree, timestep: TimeStep) -> PyTree:
        del timestep
        return state

    return Policy(init, scores, act, observe, privileged)


def from_scores(
    score: Callable[[View, PRNGKeyArray], Float[Array, "B A"]], mask_of: MaskOf
) -> Policy:
    """Build a policy without state; ``score(view, key) -> [B, A]``."""
    return with_parameters(lambda state, view, key: score(view, key), mask_of, lambda key: ())
