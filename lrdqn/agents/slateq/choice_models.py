"""Choice models of agents that fill slates: the environment's own, or a conditional logit learned
from choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.networks.candidates import take_candidates
from lrdqn.ops.slates import first_mentions
from lrdqn.types import Network, Params, PyTree

Weights = tuple[Float[Array, "B C"], Float[Array, "B"]]

LARGEST = 30.0
"""Bound on the absolute value of a logit (that of "nothing" is 0), so that no weight overflows."""


class ChoiceModel(NamedTuple):
    """Weights ``v_i`` of candidates and ``v_0`` of nothing, so that
    ``P(i) = v_i / (v_0 + sum_j v_j)`` on a slate."""

    init: Callable[[PRNGKeyArray], dict[str, Params]]
    """``init(key)``: its parameters by name; none if it is the environment's."""
    weights: Callable[[Params, PyTree, PyTree], Weights]
    """``weights(params, obs, catalogue) -> v [B, C], v_0 [B]``; 0 for unavailable candidates."""
    loss: (
        Callable[[Params, PyTree, Int[Array, "B K"], Int[Array, "B"], PyTree], Float[Array, "B"]]
        | None
    )
    """``loss(params, obs, slate, clicked_place, catalogue)``, or ``None`` if nothing is learned;
    ``clicked_place`` is K for nothing."""


def known_choice_model(weights: Callable[[PyTree], Weights]) -> ChoiceModel:
    """Return the environment's own choice model, as far as the observation reveals it;
    ``weights(obs) -> v, v_0``."""

    def offered(params: Params, obs: PyTree, catalogue: PyTree) -> Weights:
        del params, catalogue
        v, nothing = weights(obs)
        return jnp.where(obs.mask, v, 0.0), nothing

    return ChoiceModel(lambda key: {}, offered, None)


def conditional_logit(network: Network) -> ChoiceModel:
    """Return the model ``P(i) = exp(g(s, i)) / (1 + sum_{j in slate} exp(g(s, j)))`` with g a
    network, fitted by maximum likelihood.

    The loss is ``-log P(taken)``, on replayed transitions and with their importance weights.
    Prioritised replay samples by the TD errors of the values, so that while beta is below 1 the fit
    is biased towards transitions with large errors.

    Args:
        network: one number per candidate, its logit; its parameters are under ``choice``.

    Source: McFadden 1974; as the choice model of slates Ie et al. 2019 (SlateQ), section 3.
    """

    def logits(params: Params, obs: PyTree, catalogue: PyTree) -> Float[Array, "B C"]:
        return jnp.clip(
            network.apply(params["choice"], obs, catalogue, None).raw[..., 0], -LARGEST, LARGEST
        )

    def weights(params: Params, obs: PyTree, catalogue: PyTree) -> Weights:
        v = jnp.where(obs.mask, jnp.exp(logits(params, obs, catalogue)), 0.0)
        return jax.lax.stop_gradient((v, jnp.ones(v.shape[0])))

    def loss(
        params: Params,
        obs: PyTree,
        slate: Int[Array, "B K"],
        clicked_place: Int[Array, "B"],
        catalogue: PyTree,
    ) -> Float[Array, "B"]:
        shown = take_candidates(obs, slate)
        ends = jnp.where(
            shown.mask & first_mentions(slate), logits(params, shown, catalogue), -jnp.inf
        )
        log_p = jax.nn.log_softmax(
            jnp.concatenate([ends, jnp.zeros_like(ends[:, :1])], axis=1), axis=1
        )
        return -jnp.take_along_axis(log_p, clicked_place.astype(jnp.int32)[:, None], axis=1)[:, 0]

    return ChoiceModel(lambda key: {"choice": network.init(key)}, weights, loss)
