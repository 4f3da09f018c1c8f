"""User choice models of agents that fill slates: known (told by the environment), or a learned
conditional logit."""

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
"""Logits are held within this of that of "nothing", so that no weight overflows."""


class ChoiceModel(NamedTuple):
    """Weights ``v_i`` of candidates and ``v_0`` of nothing, so that
    ``P(i) = v_i / (v_0 + sum_j v_j)`` on a slate."""

    init: Callable[[PRNGKeyArray], dict[str, Params]]
    """``init(key)``: its parameters by name, none where it is told."""
    weights: Callable[[Params, PyTree, PyTree], Weights]
    """``weights(params, obs, catalogue) -> v [B, C], v_0 [B]``; 0 for what is not on offer."""
    loss: (
        Callable[[Params, PyTree, Int[Array, "B K"], Int[Array, "B"], PyTree], Float[Array, "B"]]
        | None
    )
    """``loss(params, obs, slate, clicked_place, catalogue)``: what there is to learn of it;
    ``clicked_place`` is K for nothing."""


def known_choice_model(weights: Callable[[PyTree], Weights]) -> ChoiceModel:
    """The environment's own, so far as the observation tells; ``weights(obs) -> v, v_0``."""

    def offered(params: Params, obs: PyTree, catalogue: PyTree) -> Weights:
        del params, catalogue
        v, nothing = weights(obs)
        return jnp.where(obs.mask, v, 0.0), nothing

    return ChoiceModel(lambda key: {}, offered, None)


def conditional_logit(network: Network) -> ChoiceModel:
    """``P(i) = exp(g(s, i)) / (1 + sum_{j in slate} exp(g(s, j)))`` with g a network, fitted by
    maximum likelihood.

    The loss is ``-log P(clicked)``, on what replay samples and with its importance weights:
    prioritised replay draws by the error of the values, so that before beta is 1 the fit leans to
    what they find hard.

    Source: McFadden 1974; as the choice model of slates Ie et al. 2019 (SlateQ), section 3.

    Args:
        network: one number per candidate, its logit; its parameters stand under ``choice``.
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
