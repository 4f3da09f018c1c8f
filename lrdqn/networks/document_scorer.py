"""State-and-candidate Q-network for the reference slate benchmark (``env=recsim``): one score per
document."""

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
    """Return ``concat(content of the topic, features)`` of each candidate document."""
    return jnp.concatenate([topics.content[obs.topic], obs.features], axis=-1)


def user_features(obs: DocumentObs) -> Float[Array, "B U"]:
    """Return the user's interests, or, where RecSim hides them, the last response (0 at the start);
    and behind either, the memory.

    The last response is whether something was taken, log watch time, and the quality of each
    document shown.
    """
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
    """Return the network ``raw(s, i) = head(torso(relu(W_u user + W_c document_i)))``,
    ``[B, C, K]``.

    With slates, ``raw(s, A) = head(torso(relu(W_u user + W_c concat(documents of A))))``,
    ``[B, M, K]``, one network for all slates.

    Args:
        config: widths of the hidden layers, kind of head.
        obs: an observation, or its shapes.
        topics: content of the documents by topic.
        values: representation of the K numbers, and their mean.
        slates: slates that are scored in place of documents.

    Source: Ie et al. 2019 (SlateQ), whose networks read ``concat(user, document)`` and, for full
    slates, ``concat(user, documents)`` (RecSim's ``FullSlateQAgent``): the first layer is theirs,
    computed in parts.
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
