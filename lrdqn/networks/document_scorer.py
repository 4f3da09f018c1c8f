"""State-and-candidate Q-network for the reference slate benchmark: one score per document
(``env=recsim``)."""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.config import NetworkConfig
from lrdqn.networks.heads import pick
from lrdqn.networks.slates import SlateTable, available_slates, select_slate
from lrdqn.networks.torsos import pure_module
from lrdqn.networks.two_tower import TwoTower
from lrdqn.observations import DocumentObs, Topics
from lrdqn.ops.values import Values
from lrdqn.types import Network, Params, QOutput


def document_features(obs: DocumentObs, topics: Topics) -> Float[Array, "B C F"]:
    """``concat(content of the topic, features)`` of each document on offer."""
    return jnp.concatenate([topics.content[obs.topic], obs.features], axis=-1)


def user_features(obs: DocumentObs) -> Float[Array, "B U"]:
    """The user's interests; where RecSim hides them, the last response in their place, and 0 where
    there is none: whether something was taken, log watch, and the quality of each document that was
    shown. Behind either, the memory."""
    if obs.user.shape[1]:
        return jnp.concatenate([obs.user, obs.memory], axis=1)
    taken = (obs.place < obs.quality.shape[1]).astype(jnp.float32)
    return jnp.concatenate(
        [taken[:, None], jnp.log1p(obs.watch)[:, None], obs.quality, obs.memory], axis=1
    )


def make_documents(
    config: NetworkConfig,
    obs: DocumentObs,
    topics: Topics,
    values: Values,
    slates: SlateTable = None,
) -> Network:
    """``raw(s, i) = head(torso(relu(W_u user + W_c document_i)))``, ``[B, C, K]``.

    Of slates, ``raw(s, A) = head(torso(relu(W_u user + W_c concat(documents of A))))``,
    ``[B, M, K]``: one network for all.

    Source: Ie et al. 2019 (SlateQ), whose networks read ``concat(user, document)`` and, for full
    slates, ``concat(user, documents)`` (RecSim's ``FullSlateQAgent``): the same first layers, cut
    in parts.

    Args:
        config: widths of the hidden layers, kind of head.
        obs: an observation, or its shapes.
        topics: the environment's.
        values: what the K numbers are, and their mean.
        pages: slates that are scored in place of documents.
    """
    user = (obs.user.shape[1] or 2 + obs.quality.shape[1]) + obs.memory.shape[1]
    document = topics.content.shape[1] + obs.features.shape[2]
    draw, bind = pure_module(lambda rngs: _Documents(user, document, config, values, rngs, slates))
    alone = config.head == "linear"

    def apply(
        params: Params, obs: DocumentObs, topics: Topics, key: PRNGKeyArray | None
    ) -> QOutput:
        raw = bind(params)(obs, topics, key, slates)
        return QOutput(values.mean(raw), available_slates(obs.mask, slates), raw)

    def value(
        params: Params,
        obs: DocumentObs,
        action: Int[Array, "B"],
        topics: Topics,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        if alone:
            shown, one = select_slate(obs, action, slates)
            return bind(params)(shown, topics, key, one)[:, 0]
        return pick(apply(params, obs, topics, key).raw, action)

    return Network(draw, apply, value)


class _Documents(nnx.Module):
    def __init__(
        self,
        user: int,
        document: int,
        config: NetworkConfig,
        values: Values,
        rngs: nnx.Rngs,
        slates: SlateTable,
    ) -> None:
        self.halves = TwoTower(
            user, document, config, values, rngs, 1 if slates is None else slates.shape[1]
        )

    def __call__(
        self, obs: DocumentObs, topics: Topics, key: PRNGKeyArray | None, slates: SlateTable
    ) -> Float[Array, "B M K"]:
        return self.halves(
            user_features(obs), document_features(obs, topics), obs.mask, key, slates
        )
