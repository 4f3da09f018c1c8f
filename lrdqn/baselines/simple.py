"""The baselines that tables show: random, popularity, content, and a constant action."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, PRNGKeyArray

from lrdqn.baselines.scored import from_scores
from lrdqn.observations import LiveObs
from lrdqn.ops.history import cosine, mean_style
from lrdqn.types import EnvSpec, Policy, PyTree, View

NEAR, POPULAR, FAMILIAR = 1.0, 1.45, 1.5
"""Weights of the reference policy, fitted: with them .71 of streamers have fewer than five clicks
in three weeks (.70 in KuaiLive; .56 at SIMULATOR's 2, .5) and .45 of clicks are on familiar
streamers (.469)."""


def offered(obs: LiveObs, scores: Array) -> Bool[Array, "B A"]:
    """The mask of a live request."""
    del scores
    return obs.mask


def _everything(obs: PyTree, scores: Array) -> Bool[Array, "B A"]:
    del obs
    return jnp.ones(scores.shape, bool)


def make_random(spec: EnvSpec) -> Policy:
    """Uniform over the actions on offer."""

    def score(view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        return jax.random.uniform(key, (jax.tree.leaves(view.obs)[0].shape[0], spec.actions))

    return from_scores(score, offered if spec.observation == "candidates" else _everything)


def make_constant(spec: EnvSpec, action: int) -> Policy:
    """Always the same action of a fixed set."""

    def score(view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        sessions = jax.tree.leaves(view.obs)[0].shape[0]
        return jnp.broadcast_to(jax.nn.one_hot(action, spec.actions), (sessions, spec.actions))

    return from_scores(score, _everything)


def make_popularity() -> Policy:
    """The stream on air with the most viewers."""
    return from_scores(lambda view, key: view.obs.features[..., 0].astype(jnp.float32), offered)


def make_content() -> Policy:
    """``cos(p, e_i)``: the stream whose style is nearest to the watch-weighted mean style p of the
    viewer's history."""

    def score(view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        obs, style = view.obs, view.catalogue.style
        profile = mean_style(style, obs.history, obs.history_watch)
        return cosine(profile[:, None, :], style[obs.candidates])

    return from_scores(score, offered)


def make_reference() -> Policy:
    """The named policy under which the world is compared with real logs: softmax(cos + 1.45 L + 1.5
    familiar).

    L is standardised log viewers, familiar marks streamers among the viewer's known ones that are
    on air. Drawn by the Gumbel trick. Source: SIMULATOR section 0 (logging policy of the
    calibration), with other weights.
    """
    content = make_content()

    def score(view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        features = view.obs.features.astype(jnp.float32)
        near = content.scores((), view, key)
        logits = (
            NEAR * near
            + POPULAR * (features[..., 0] - 0.67) / 1.792
            + FAMILIAR * (features[..., 3] > 0)
        )
        return logits + jax.random.gumbel(key, logits.shape)

    return from_scores(score, offered)
