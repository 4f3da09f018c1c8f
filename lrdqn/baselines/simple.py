"""Baselines of every table: random, popularity, content and a constant action; and the reference
policy of the calibration."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, PRNGKeyArray

from lrdqn.baselines.scored import from_scores
from lrdqn.observations import LiveObs
from lrdqn.ops.history import cosine, mean_style
from lrdqn.ops.masking import masked
from lrdqn.types import EnvSpec, Policy, PyTree, View

NEAR, POPULAR, FAMILIAR = 1.0, 1.45, 1.5
"""Weights of the reference policy, fitted: with them a share of 0.71 of streamers have fewer than
five clicks in three weeks (0.70 in KuaiLive) and 0.45 of clicks are on familiar streamers (0.469 in
KuaiLive)."""


def offered(obs: LiveObs, scores: Array) -> Bool[Array, "B A"]:
    """Return the mask of a live request."""
    del scores
    return obs.mask


def _everything(obs: PyTree, scores: Array) -> Bool[Array, "B A"]:
    del obs
    return jnp.ones(scores.shape, bool)


def make_random(spec: EnvSpec) -> Policy:
    """Build the uniform policy over the actions on offer."""

    def score(view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        return jax.random.uniform(key, (jax.tree.leaves(view.obs)[0].shape[0], spec.actions))

    return from_scores(score, offered if spec.observation == "candidates" else _everything)


def make_constant(spec: EnvSpec, action: int) -> Policy:
    """Build the policy that always takes the same action of a fixed set."""

    def score(view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        sessions = jax.tree.leaves(view.obs)[0].shape[0]
        return jnp.broadcast_to(jax.nn.one_hot(action, spec.actions), (sessions, spec.actions))

    return from_scores(score, _everything)


def make_popularity() -> Policy:
    """Build the policy that takes the room on air with the most viewers."""
    return from_scores(lambda view, key: view.obs.features[..., 0].astype(jnp.float32), offered)


def make_content() -> Policy:
    """Build the policy with score ``cos(p, e_i)``: the room whose style is nearest to the
    watch-weighted mean style p of the user's history."""

    def score(view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        obs, style = view.obs, view.catalogue.style
        profile = mean_style(style, obs.history, obs.history_watch)
        return cosine(profile[:, None, :], style[obs.candidates])

    return from_scores(score, offered)


def reference_logits(view: View) -> Float[Array, "B A"]:
    """Return the logits of the reference policy, a weighted sum of cosine, L and familiar.

    The cosine is the content baseline's score, L standardised log viewers, and familiar marks
    streamers among the user's known ones that are on air. Source: envs/live/README.md, section 13.
    """
    obs, style = view.obs, view.catalogue.style
    features = obs.features.astype(jnp.float32)
    near = cosine(
        mean_style(style, obs.history, obs.history_watch)[:, None, :], style[obs.candidates]
    )
    logits = (
        NEAR * near
        + POPULAR * (features[..., 0] - 0.67) / 1.792
        + FAMILIAR * (features[..., 3] > 0)
    )
    return masked(logits, obs.mask)


def uniform_logits(view: View) -> Float[Array, "B A"]:
    """Return 0 for each candidate on offer."""
    return masked(jnp.zeros(view.obs.mask.shape), view.obs.mask)


LOGGING: dict[str, Callable[[View], Array]] = {
    "reference": reference_logits,
    "random": uniform_logits,
}
"""Logits of the policies that a platform's log may come from (``env.log.policy``)."""


def make_reference() -> Policy:
    """Build the reference policy, under which the world is compared with real logs: the softmax of
    ``reference_logits``. The action is drawn by the Gumbel trick."""

    def score(view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        logits = reference_logits(view)
        return logits + jax.random.gumbel(key, logits.shape)

    return from_scores(score, offered)
