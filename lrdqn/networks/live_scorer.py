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
from lrdqn.networks.history import ENCODERS
from lrdqn.networks.live_features import CROSSES, live_features, standardised
from lrdqn.networks.slates import SlateTable, available_slates, select_slate
from lrdqn.networks.torsos import pure_module
from lrdqn.networks.two_tower import TwoTower
from lrdqn.observations import RETURN_DISCOUNT, UNKNOWN, Catalogue, LiveObs
from lrdqn.ops.values import Values
from lrdqn.types import Hypers, Network, Params, QOutput

LOGGED = 4
"""Further features of a candidate with a log, beside the products of its match with record and
habits: the match, its square, two predictions."""
PREDICTED_SCALE = 0.1
"""Factor on predicted rewards that gives them a spread of about 1 as inputs."""


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
        self.logged = shapes.habits > 0
        user = self.history.size + shapes.profile + shapes.habits + shapes.context
        candidate = (
            shapes.style
            + shapes.categories
            + shapes.tags
            + config.embedding
            + shapes.record
            + shapes.features
            + CROSSES
            + (LOGGED + shapes.record + shapes.habits) * self.logged
        )
        self.identity = nnx.Embed(
            shapes.identities,
            config.embedding,
            embedding_init=nnx.initializers.normal(0.1),
            rngs=rngs,
        )
        self.halves = TwoTower(
            user, candidate, config, values, rngs, 1 if slates is None else slates.shape[1]
        )
        # The head starts at zero: q starts as the content ranking or, with a log, as what that lets
        # expect.
        self.taste = nnx.Param(jnp.full((), 0.0 if self.logged else 0.1))
        if self.logged:
            self.predicted = nnx.Param(jnp.array([0.1, 0.0]))

    def __call__(
        self, obs: LiveObs, catalogue: Catalogue, key: PRNGKeyArray | None, slates: SlateTable
    ) -> tuple[Float[Array, "B M K"], Float[Array, "B M"]]:
        """Return the head's output, and the prior that is added to its mean."""
        seen = live_features(obs, catalogue)
        candidate = jnp.concatenate(
            [
                *seen.content,
                self.identity(catalogue.identity[obs.candidates]),
                standardised(obs.features),
                seen.crosses,
                PREDICTED_SCALE * seen.predicted,
            ],
            axis=-1,
        )
        known = (catalogue.profile[obs.user], catalogue.habits[obs.user])
        encoded = self.history(obs, seen.catalogue, seen.profiles)
        user = jnp.concatenate([encoded, *known, obs.context.astype(jnp.float32)], axis=-1)
        prior = self.taste[...] * seen.cosine
        if self.logged:
            prior += seen.predicted @ self.predicted[...]
        prior = prior if slates is None else prior[:, slates].mean(axis=2)
        return self.halves(user, candidate, obs.mask, key, slates), prior


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

    def warm(params: Params, hypers: Hypers) -> Params:
        """Weigh predicted reward and return such that their sum is a return at this discount: the
        share of the return is that of the discounted future, ``gamma / (1 - gamma)``."""
        horizon = RETURN_DISCOUNT / (1 - RETURN_DISCOUNT)
        share = jnp.minimum(hypers.gamma / jnp.maximum(1 - hypers.gamma, 1e-6) / horizon, 1.0)
        return params | {"predicted": hypers.reward_scale * jnp.stack([1 - share, share])}

    return Network(init, apply, value, warm if shapes.habits else None)
