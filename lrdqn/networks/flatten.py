"""An observation of candidates as one vector, for agents and networks that take a flat array."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.networks.document_scorer import document_features, user_features
from lrdqn.networks.slates import available_slates
from lrdqn.observations import Catalogue, DocumentObs, LiveObs, Topics
from lrdqn.ops.history import cosine, mean_style
from lrdqn.types import Network, Params, PyTree, QOutput


def flatten(obs: LiveObs, catalogue: Catalogue) -> Float[Array, "N D"]:
    """Return
    ``[context, profile, p, (on air, features, style, category, tags, cos(p, style)) per place]``,
    of length D = 5 + P + d + C (2 + F + d + G + T).

    ``p`` is the watch-weighted mean style of the user's history, as in the content baseline; static
    content is looked up in the catalogue.

    The number of actions stays C. A place without a room on air is all zeros, its first number (on
    air) included. An agent that ignores the mask may choose it: nothing is shown, no click can
    follow, the user's patience falls as after any impression without a click, and time passes.

    Args:
        obs: of N sessions.
        catalogue: of their world.
    """
    style = catalogue.style[obs.candidates]
    taste = mean_style(catalogue.style, obs.history, obs.history_watch)
    places = jnp.concatenate(
        [
            obs.features.astype(jnp.float32),
            style,
            catalogue.category[obs.candidates],
            catalogue.tags[obs.candidates].astype(jnp.float32),
            cosine(taste[:, None, :], style)[..., None],
        ],
        axis=-1,
    )
    offered = obs.mask[..., None]
    places = jnp.concatenate(
        [offered.astype(jnp.float32), jnp.where(offered, places, 0.0)], axis=-1
    )
    parts = (obs.context, catalogue.profile[obs.user], taste, places.reshape(places.shape[0], -1))
    return jnp.concatenate([part.astype(jnp.float32) for part in parts], axis=1)


def flatten_documents(obs: DocumentObs, topics: Topics) -> Float[Array, "N D"]:
    """Return ``[user, (content of the topic, features) of each document]``, of length D = U + C (F
    + F')."""
    documents = document_features(obs, topics)
    return jnp.concatenate([user_features(obs), documents.reshape(documents.shape[0], -1)], axis=1)


def on_flat_observations(network: Network, slates: Int[np.ndarray, "M K"]) -> Network:
    """Return a network on candidate observations that passes them to ``network`` through
    ``flatten`` or ``flatten_documents``; it has one output per slate.

    A slate is masked if one of its places is unavailable, unless that holds for all slates.

    Args:
        network: of vectors, with M outputs.
        slates: places of each slate.
    """

    def flat(obs: PyTree, catalogue: PyTree) -> Float[Array, "B D"]:
        return (
            flatten_documents(obs, catalogue)
            if isinstance(obs, DocumentObs)
            else flatten(obs, catalogue)
        )

    def apply(params: Params, obs: PyTree, catalogue: PyTree, key: PRNGKeyArray | None) -> QOutput:
        return network.apply(params, flat(obs, catalogue), (), key)._replace(
            mask=available_slates(obs.mask, slates)
        )

    def value(
        params: Params, obs: PyTree, action: Array, catalogue: PyTree, key: PRNGKeyArray | None
    ) -> Array:
        return network.value(params, flat(obs, catalogue), action, (), key)

    return Network(network.init, apply, value)


def flat_size(obs: PyTree, catalogue: PyTree) -> int:
    """Return D, from shapes alone."""
    see = flatten_documents if isinstance(obs, DocumentObs) else flatten
    return jax.eval_shape(see, obs, catalogue).shape[1]
