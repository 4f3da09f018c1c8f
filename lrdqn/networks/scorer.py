"""State-and-candidate Q-network: one score for each stream of a changing set (DESIGN P10, P11)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.config import NetworkConfig
from lrdqn.networks.torsos import Mlp, purify
from lrdqn.ops.history import cosine, watch_weight, weighted_mean
from lrdqn.types import UNKNOWN, Catalogue, LiveObs, Network, Params, QOutput

BOUNCE_LOG_SECONDS = 3.0
"""log1p of about 20 s: watches below speak against their content."""


class Shapes(NamedTuple):
    """Widths that the network needs to know of the world it is built for."""

    identities: int
    style: int
    categories: int
    tags: int
    profile: int
    context: int
    features: int

    @classmethod
    def of(cls, catalogue: Catalogue, obs: LiveObs) -> Shapes:
        """Read them off one world's catalogue and observation; the identity table has a row per streamer, one for
        "nothing" and a shared one."""
        return cls(
            identities=catalogue.identity.shape[-1] + 1,
            style=catalogue.style.shape[-1],
            categories=catalogue.category.shape[-1],
            tags=catalogue.tags.shape[-1],
            profile=catalogue.profile.shape[-1],
            context=obs.context.shape[-1],
            features=obs.features.shape[-1],
        )


class _Scorer(nnx.Module):
    """First layer split in two, ``W_u user + W_c candidate``, so that the user's half is computed once for all candidates."""

    def __init__(self, shapes: Shapes, config: NetworkConfig, rngs: nnx.Rngs) -> None:
        user = 2 * shapes.style + shapes.categories + shapes.profile + shapes.context
        candidate = shapes.style + shapes.categories + shapes.tags + config.embedding + shapes.features + CROSSES
        width, *rest = config.hidden
        self.identity = nnx.Embed(shapes.identities, config.embedding, embedding_init=nnx.initializers.normal(0.1), rngs=rngs)
        self.user = nnx.Linear(user, width, rngs=rngs)
        self.candidate = nnx.Linear(candidate, width, use_bias=False, rngs=rngs)
        self.torso = Mlp(width, tuple(rest), rngs)
        # The head starts at zero, so that q starts as taste x cosine: the content-based ranking.
        self.head = nnx.Linear(config.hidden[-1], 1, kernel_init=nnx.initializers.zeros, rngs=rngs)
        self.taste = nnx.Param(jnp.full((), 0.1))

    def __call__(self, obs: LiveObs, catalogue: Catalogue) -> Float[Array, "B C"]:
        # Unit vectors of length d have entries of size 1 / sqrt(d); scaled, every input has a spread of about 1.
        catalogue = catalogue._replace(style=catalogue.style * jnp.sqrt(float(catalogue.style.shape[-1])))
        profiles = read_history(obs, catalogue)
        style, category = catalogue.style[obs.candidates], catalogue.category[obs.candidates]
        cosines, crosses = cross_features(obs, profiles, style, category)
        content = (style, category, catalogue.tags[obs.candidates], self.identity(catalogue.identity[obs.candidates]))
        candidate = jnp.concatenate([*content, standardised(obs.features), crosses], axis=-1)
        answers = catalogue.profile[obs.user]
        user = jnp.concatenate([*profiles, answers, obs.context.astype(jnp.float32)], axis=-1)
        hidden = jax.nn.relu(self.user(user)[:, None, :] + self.candidate(candidate))
        return self.head(self.torso(hidden))[..., 0] + self.taste[...] * cosines


class Profiles(NamedTuple):
    """What the history says: content that held the viewer, content that did not, and the categories of the former."""

    liked: Float[Array, "B d"]
    disliked: Float[Array, "B d"]
    categories: Float[Array, "B G"]


CROSSES = 5
FEATURE_CENTRE = (0.67, 2.0, 0.0, 0.0)
FEATURE_SCALE = (1.8, 2.0, 1.0, 1.0)
"""Of log viewers, hours on air, followed, recency."""


def standardised(features: Float[Array, "B C 4"]) -> Float[Array, "B C 4"]:
    """The candidates' changing features with a centre near 0 and a spread near 1."""
    centre, scale = jnp.asarray([[FEATURE_CENTRE]]), jnp.asarray([[FEATURE_SCALE]])
    return (features.astype(jnp.float32) - centre) / scale


def read_history(obs: LiveObs, catalogue: Catalogue) -> Profiles:
    """Weighted means over the last H watches; weights are ``min(1, w / 300 s)``, and 1 for a bounce on the disliked side."""
    log_watch = obs.history_watch.astype(jnp.float32)
    weight = watch_weight(log_watch)
    bounced = ((log_watch < BOUNCE_LOG_SECONDS) & (log_watch > 0)).astype(jnp.float32)
    style, category = catalogue.style[obs.history], catalogue.category[obs.history]
    return Profiles(weighted_mean(style, weight), weighted_mean(style, bounced), weighted_mean(category, weight))


def cross_features(
    obs: LiveObs, profiles: Profiles, style: Float[Array, "B C d"], category: Float[Array, "B C G"]
) -> tuple[Float[Array, "B C"], Float[Array, "B C 5"]]:
    """Candidate x history: the cosine with the liked profile (the content baseline); and it again beside the two inner
    products, the share of the category in the history, and the log seconds last given to this very streamer."""
    scale = 1 / jnp.sqrt(float(style.shape[-1]))
    liked = scale * jnp.einsum("bd,bcd->bc", profiles.liked, style)
    disliked = scale * jnp.einsum("bd,bcd->bc", profiles.disliked, style)
    share = jnp.einsum("bg,bcg->bc", profiles.categories, category)
    same = obs.candidates[:, :, None] == obs.history[:, None, :]
    log_watch = obs.history_watch.astype(jnp.float32)[:, None, :]
    again = jnp.max(jnp.where(same, log_watch, 0.0), axis=2)
    near = cosine(profiles.liked[:, None, :], style)
    return near, jnp.stack([2 * near, liked, disliked, 4 * share, again / 4], axis=-1)


def narrow(obs: LiveObs, place: Int[Array, "B"]) -> LiveObs:
    """The same observation offering one candidate only."""

    def take(x: Array) -> Array:
        return jnp.take_along_axis(x, place.reshape(place.shape + (1,) * (x.ndim - 1)), axis=1)

    return obs._replace(candidates=take(obs.candidates), features=take(obs.features), mask=take(obs.mask))


def make_scorer(config: NetworkConfig, shapes: Shapes) -> Network:
    """``q(s, i) = w . torso(relu(W_u user + W_c candidate_i)) + taste cos(profile, content_i)`` for each candidate i.

    The candidate is its content (style, category, tags), an identity embedding (unknown streamers share one row), the features
    that change with time, and its match with the history; the user is two history profiles, the onboarding answers and the
    context. Scores do not depend on the other candidates, so ``value`` scores one.

    Args:
        config: widths of the hidden layers and of the embedding.
        shapes: of the world.
    """
    draw, bind = purify(lambda rngs: _Scorer(shapes, config, rngs))

    def init(key: PRNGKeyArray) -> Params:
        params = draw(key)
        # The shared row starts neutral: a policy that never met an unknown streamer must judge one by content alone.
        table = params["identity"]["embedding"].at[UNKNOWN].set(0.0)
        return params | {"identity": params["identity"] | {"embedding": table}}

    def apply(params: Params, obs: LiveObs, catalogue: Catalogue, key: PRNGKeyArray | None) -> QOutput:
        del key
        return QOutput(bind(params)(obs, catalogue), obs.mask)

    def value(
        params: Params, obs: LiveObs, action: Int[Array, "B"], catalogue: Catalogue, key: PRNGKeyArray | None
    ) -> Float[Array, "B"]:
        return apply(params, narrow(obs, action), catalogue, key).q[:, 0]

    return Network(init, apply, value)
