"""The benchmark's choice models: how users choose from a slate, or nothing, by the scores of what
is on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from lrdqn.ops.choice import first_taken


class ChoiceConstants(NamedTuple):
    """Of the choice models; each reads those that it needs."""

    no_click: float
    floor: float = -1.0
    attention: float = 1.0
    scaling: float = 1.0


class Choice(NamedTuple):
    """A choice model. Scores may have any leading axes."""

    chances: Callable[[Float[Array, "*N K"]], Float[Array, "*N K"]]
    """``chances(scores) -> P(the document at each place is clicked)``; what is left to 1 is
    "nothing"."""
    weights: Callable[[Float[Array, "*N C"]], Float[Array, "*N C"]]
    """``weights(scores) -> v``, so that ``P(i) = v_i / (v_0 + sum_j v_j)``, which slate optimisers
    work with."""
    nothing: float
    """``v_0``."""


def multinomial_logit(c: ChoiceConstants) -> Choice:
    """``v = exp(s - no_click)``, ``v_0 = 1``: taken relative to "nothing", so that none overflows.
    Source: RECSIM section 1."""

    def chances(scores: Float[Array, "*N K"]) -> Float[Array, "*N K"]:
        ends = jnp.concatenate([scores, jnp.full_like(scores[..., :1], c.no_click)], axis=-1)
        return jax.nn.softmax(ends, axis=-1)[..., :-1]

    return Choice(chances, lambda scores: jnp.exp(scores - c.no_click), 1.0)


def proportional(c: ChoiceConstants) -> Choice:
    """``v = max(0, s - floor)``, ``v_0 = no_click - floor``. Source: RECSIM section 1.

    RecSim stops with an error at a score below the floor; here such a document is never chosen.
    """
    nothing = c.no_click - c.floor

    def weights(scores: Float[Array, "*N C"]) -> Float[Array, "*N C"]:
        return jnp.maximum(scores - c.floor, 0.0)

    def chances(scores: Float[Array, "*N K"]) -> Float[Array, "*N K"]:
        v = weights(scores)
        return v / (jnp.sum(v, axis=-1, keepdims=True) + nothing)

    return Choice(chances, weights, nothing)


def cascade(appeal: Callable[[Array], Array], c: ChoiceConstants) -> Choice:
    """Top down, each taken with ``p = attention min(1, scaling g(s))``; RecSim stops with an error
    above 1.

    A cascade is no ratio of weights; ``v = p / (1 - p)`` with ``v_0 = 1`` is exact for one document
    and the nearest such model for more, whatever their order.
    """

    def taken(scores: Float[Array, "*N K"]) -> Float[Array, "*N K"]:
        return c.attention * jnp.minimum(c.scaling * appeal(scores), 1.0)

    def weights(scores: Float[Array, "*N C"]) -> Float[Array, "*N C"]:
        p = taken(scores)
        return p / jnp.maximum(1 - p, 1e-6)

    return Choice(lambda scores: first_taken(taken(scores)), weights, 1.0)


def exponential_cascade(c: ChoiceConstants) -> Choice:
    """A cascade with ``g = exp(s)``. Source: RECSIM section 1."""
    return cascade(jnp.exp, c)


def proportional_cascade(c: ChoiceConstants) -> Choice:
    """A cascade with ``g = max(0, s - floor)``. Source: RECSIM section 1."""
    return cascade(lambda scores: jnp.maximum(scores - c.floor, 0.0), c)


CHOICES: dict[str, Callable[[ChoiceConstants], Choice]] = {
    "mnl": multinomial_logit,
    "proportional": proportional,
    "cascade_exp": exponential_cascade,
    "cascade_proportional": proportional_cascade,
}
"""By ``env.choice_model``."""
