"""RecSim's choice models: the probability that a user clicks each document of a slate, or nothing,
given scores.

Source: Ie et al. 2019 (RecSim, arXiv 1909.04847); envs/recsim/README.md, section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from lrdqn.ops.choice import first_taken


class ChoiceConstants(NamedTuple):
    """Constants of the choice models; each model reads those that it needs."""

    no_click: float
    floor: float = -1.0
    attention: float = 1.0
    scaling: float = 1.0


class Choice(NamedTuple):
    """A choice model. Scores may have any leading axes."""

    chances: Callable[[Float[Array, "*N K"]], Float[Array, "*N K"]]
    """``chances(scores) -> P(click at each place)``; the remainder to 1 is the probability of
    "nothing"."""
    weights: Callable[[Float[Array, "*N C"]], Float[Array, "*N C"]]
    """``weights(scores) -> v``, for slate optimisers, which need
    ``P(i) = v_i / (v_0 + sum_j v_j)``."""
    nothing: float
    """``v_0``, the weight of choosing nothing."""


def multinomial_logit(c: ChoiceConstants) -> Choice:
    """Return the multinomial logit: ``v = exp(s - no_click)``, ``v_0 = 1``.

    Weights are taken relative to "nothing", so that ``v_0`` needs no exponential. Source:
    envs/recsim/README.md, section 4.
    """

    def chances(scores: Float[Array, "*N K"]) -> Float[Array, "*N K"]:
        ends = jnp.concatenate([scores, jnp.full_like(scores[..., :1], c.no_click)], axis=-1)
        return jax.nn.softmax(ends, axis=-1)[..., :-1]

    return Choice(chances, lambda scores: jnp.exp(scores - c.no_click), 1.0)


def proportional(c: ChoiceConstants) -> Choice:
    """Return the proportional model: ``v = max(0, s - floor)``, ``v_0 = no_click - floor``.

    RecSim raises an error at a score below the floor; here such a document is never chosen. Source:
    envs/recsim/README.md, section 4.
    """
    nothing = c.no_click - c.floor

    def weights(scores: Float[Array, "*N C"]) -> Float[Array, "*N C"]:
        return jnp.maximum(scores - c.floor, 0.0)

    def chances(scores: Float[Array, "*N K"]) -> Float[Array, "*N K"]:
        v = weights(scores)
        return v / (jnp.sum(v, axis=-1, keepdims=True) + nothing)

    return Choice(chances, weights, nothing)


def cascade(appeal: Callable[[Array], Array], c: ChoiceConstants) -> Choice:
    """Return a cascade: the user looks from the top down and takes each document with probability
    ``p = attention min(1, scaling g(s))``.

    RecSim raises an error where ``scaling g(s)`` exceeds 1; here it is cut to 1.

    A cascade is not a ratio of weights. ``weights`` therefore returns ``v = p / (1 - p)`` with
    ``v_0 = 1``, which is exact for a slate of one document and ignores the order of longer ones.

    Args:
        appeal: ``g``.
        c: ``attention`` and ``scaling``.
    """

    def taken(scores: Float[Array, "*N K"]) -> Float[Array, "*N K"]:
        return c.attention * jnp.minimum(c.scaling * appeal(scores), 1.0)

    def weights(scores: Float[Array, "*N C"]) -> Float[Array, "*N C"]:
        p = taken(scores)
        return p / jnp.maximum(1 - p, 1e-6)

    return Choice(lambda scores: first_taken(taken(scores)), weights, 1.0)


def exponential_cascade(c: ChoiceConstants) -> Choice:
    """Return the cascade with ``g = exp(s)``. Source: envs/recsim/README.md, section 4."""
    return cascade(jnp.exp, c)


def proportional_cascade(c: ChoiceConstants) -> Choice:
    """Return the cascade with ``g = max(0, s - floor)``. Source: envs/recsim/README.md, section
    4."""
    return cascade(lambda scores: jnp.maximum(scores - c.floor, 0.0), c)


CHOICES: dict[str, Callable[[ChoiceConstants], Choice]] = {
    "mnl": multinomial_logit,
    "proportional": proportional,
    "cascade_exp": exponential_cascade,
    "cascade_proportional": proportional_cascade,
}
"""Choice models by the name in ``env.choice_model``."""
