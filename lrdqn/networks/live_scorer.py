"""State-and-candidate Q-network of the live world: one score for each room of a changing candidate
set."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.config import NetworkConfig
from lrdqn.networks.heads import pick
from lrdqn.networks.history import ENCODERS, Profiles, read_history
from lrdqn.networks.slates import SlateTable, available_slates, select_slate
from lrdqn.networks.torsos import pure_module
from lrdqn.networks.two_tower import TwoTower
from lrdqn.observations import UNKNOWN, Catalogue, LiveObs
from lrdqn.ops.history import cosine, history_evidence
from lrdqn.ops.values import Values
from lrdqn.types import Network, Params, QOutput


class Shapes(NamedTuple):
    """Widths of a world's observation and catalogue that size the network."""

    identities: int
    style: int
    categories: int
    tags: int
    profile: int
    habits: int
    record: int
    context: int
    features: int

    @classmethod
    def of(cls, catalogue: Catalogue, obs: LiveObs) -> Shapes:
        """Read the widths from a world's catalogue and observation; the identity table has a row
        per streamer, one for "nothing" and a shared one."""
        return cls(
            identities=catalogue.identity.shape[-1] + 1,
            style=catalogue.style.shape[-1],
            categories=catalogue.category.shape[-1],
            tags=catalogue.tags.shape[-1],
            profile=catalogue.profile.shape[-1],
            habits=catalogue.habits.shape[-1],
            record=catalogue.record.shape[-1],
            context=obs.context.shape[-1],
            features=obs.features.shape[-1],
        )


class _Scorer(nnx.Module):
    """User and candidate as feature vectors, followed by ``TwoTower``."""

    def __init__(
        self,
        shapes: Shapes,
        config: NetworkConfig,
        values: Values,
        rngs: nnx.Rngs,
        slates: SlateTable,
    ) -> None:
        self.history = ENCODERS[config.history](
            shapes.style, shapes.categories, config.history_width, rngs
        )
        logged = int(shapes.habits > 0)
        user = self.history.size + shapes.profile + shapes.habits + shapes.context
        candidate = (
            shapes.style
            + shapes.categories
            + shapes.tags
            + config.embedding
            + shapes.record
            + shapes.features
            + CROSSES
            + logged
        )
        self.identity = nnx.Embed(
            shapes.identities,
            config.embedding,
            embedding_init=nnx.initializers.normal(0.1),
            rngs=rngs,
        )
        # The head starts at zero, so that q starts as taste x cosine: the content-based ranking.
        self.halves = TwoTower(
            user, candidate, config, values, rngs, 1 if slates is None else slates.shape[1]
        )
        self.taste = nnx.Param(jnp.full((), 0.1))
        if logged:
            self.match = nnx.Param(jnp.full((), 0.05))

    def __call__(
        self, obs: LiveObs, catalogue: Catalogue, key: PRNGKeyArray | None, slates: SlateTable
    ) -> tuple[Float[Array, "B M K"], Float[Array, "B M"]]:
        """Return the head's output, and the prior that is added to its mean."""
        matches = [taste_match(obs, catalogue)] if catalogue.taste.shape[-1] else []
        # Unit vectors of length d have entries of size 1 / sqrt(d); after scaling, every input has
        # a spread of about 1.
        catalogue = catalogue._replace(
            style=catalogue.style * jnp.sqrt(float(catalogue.style.shape[-1]))
        )
        profiles = read_history(obs, catalogue)
        style, category = catalogue.style[obs.candidates], catalogue.category[obs.candidates]
        cosines, crosses = cross_features(obs, catalogue, profiles, style, category)
        content = (
            style,
            category,
            catalogue.tags[obs.candidates],
            self.identity(catalogue.identity[obs.candidates]),
            catalogue.record[obs.candidates],
        )
        candidate = jnp.concatenate(
            [*content, standardised(obs.features), crosses, *(m[..., None] for m in matches)],
            axis=-1,
        )
        known = (catalogue.profile[obs.user], catalogue.habits[obs.user])
        encoded = self.history(obs, catalogue, profiles)
        user = jnp.concatenate([encoded, *known, obs.context.astype(jnp.float32)], axis=-1)
        prior = self.taste[...] * cosines + sum(self.match[...] * match for match in matches)
        prior = prior if slates is None else prior[:, slates].mean(axis=2)
        return self.halves(user, candidate, obs.mask, key, slates), prior


CROSSES = 8
FEATURE_CENTRE = (0.67, 2.0, 0.0, 0.0)
FEATURE_SCALE = (1.8, 2.0, 1.0, 1.0)
"""Scale of log viewers, hours on air, followed and recency. Features after these four
(``env.live_signals``, or the counts of the tick clock) are not standardised."""


def standardised(features: Float[Array, "B C F"]) -> Float[Array, "B C F"]:
    """Return the candidates' changing features with a centre near 0 and a spread near 1."""
    further = features.shape[-1] - len(FEATURE_CENTRE)
    centre, scale = (
        jnp.asarray([[FEATURE_CENTRE + further * (0.0,)]]),
        jnp.asarray([[FEATURE_SCALE + further * (1.0,)]]),
    )
    return (features.astype(jnp.float32) - centre) / scale


def cross_features(
    obs: LiveObs,
    catalogue: Catalogue,
    profiles: Profiles,
    style: Float[Array, "B C d"],
    category: Float[Array, "B C G"],
) -> tuple[Float[Array, "B C"], Float[Array, "B C 8"]]:
    """Return features of each candidate against the history: its cosine with the liked profile (the
    score of the content baseline), and the five cross features.

    These are twice that cosine, the inner products with the liked and with the disliked profile,
    the share of its category in the history, and the log seconds of the longest remembered watch of
    this streamer.
    """
    scale = 1 / jnp.sqrt(float(style.shape[-1]))
    liked = scale * jnp.einsum("bd,bcd->bc", profiles.liked, style)
    disliked = scale * jnp.einsum("bd,bcd->bc", profiles.disliked, style)
    share = jnp.einsum("bg,bcg->bc", profiles.categories, category)
    chosen, stays = history_evidence(catalogue.style, obs.history, obs.history_watch)
    choices, _ = history_evidence(catalogue.category, obs.history, obs.history_watch)
    evidence = [scale * jnp.einsum("bd,bcd->bc", part, style) for part in (chosen, stays)]
    evidence.append(4 * jnp.einsum("bg,bcg->bc", choices, category))
    same = obs.candidates[:, :, None] == obs.history[:, None, :]
    log_watch = obs.history_watch.astype(jnp.float32)[:, None, :]
    again = jnp.max(jnp.where(same, log_watch, 0.0), axis=2)
    near = cosine(profiles.liked[:, None, :], style)
    return near, jnp.stack([2 * near, liked, disliked, 4 * share, again / 4, *evidence], axis=-1)


def taste_match(obs: LiveObs, catalogue: Catalogue) -> Float[Array, "B C"]:
    """Return the product of each user's logged taste with the content of each candidate; its spread
    over users and streamers is 1."""
    taste = catalogue.taste[obs.user]
    style = jnp.einsum(
        "bd,bcd->bc", taste[:, : catalogue.style.shape[1]], catalogue.style[obs.candidates]
    )
    category = jnp.einsum(
        "bg,bcg->bc", taste[:, catalogue.style.shape[1] :], catalogue.category[obs.candidates]
    )
    return style + category


def make_scorer(
    config: NetworkConfig, shapes: Shapes, values: Values, slates: SlateTable = None
) -> Network:
    """Return the network ``raw(s, i) = head(torso(relu(W_u user + W_c candidate_i)))``, its mean
    raised by ``taste cos(profile, content_i)``.

    The candidate is its content (style, category, tags), an identity embedding (unknown streamers
    share one row), the features that change with time, and its cross features with the history; the
    user is the encoded history, the onboarding answers and the context. With a linear head, scores
    do not depend on the other candidates, and ``value`` scores one candidate; a dueling head
    subtracts the mean over candidates, and ``value`` scores all. With slates, ``W_c`` acts on the
    concatenated candidates of a slate in their order, and the cosine is their mean.

    Args:
        config: widths of the hidden layers and of the embedding, kinds of history encoder and head.
        shapes: widths of the world.
        values: representation of the K numbers, and their mean.
        slates: slates that are scored in place of candidates.
    """
    draw, bind = pure_module(lambda rngs: _Scorer(shapes, config, values, rngs, slates))
    alone = config.head == "linear"

    def init(key: PRNGKeyArray) -> Params:
        params = draw(key)
        # The shared row starts at zero: a policy that never met an unknown streamer must score one
        # by content alone.
        table = params["identity"]["embedding"].at[UNKNOWN].set(0.0)
        return params | {"identity": params["identity"] | {"embedding": table}}

    def apply(
        params: Params, obs: LiveObs, catalogue: Catalogue, key: PRNGKeyArray | None
    ) -> QOutput:
        raw = values.lift(*bind(params)(obs, catalogue, key, slates))
        return QOutput(values.mean(raw), available_slates(obs.mask, slates), raw)

    def value(
        params: Params,
        obs: LiveObs,
        action: Int[Array, "B"],
        catalogue: Catalogue,
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B K"]:
        if alone:
            shown, one = select_slate(obs, action, slates)
            return values.lift(*bind(params)(shown, catalogue, key, one))[:, 0]
        return pick(apply(params, obs, catalogue, key).raw, action)

    return Network(init, apply, value)
