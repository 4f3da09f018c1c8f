"""Features of a live request's candidates: content, what the history says of each, and what the
platform's log lets expect of it."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from lrdqn.networks.history import Profiles, read_history
from lrdqn.observations import Catalogue, LiveObs
from lrdqn.ops.history import cosine, history_evidence


class LiveFeatures(NamedTuple):
    """Inputs of the scorer."""

    catalogue: Catalogue
    """With styles of length ``sqrt(d)``: every input then has a spread of about 1."""
    profiles: Profiles
    content: tuple[Array, ...]
    """Style, category, tags and record of each candidate, ``[B, C, ...]``."""
    cosine: Float[Array, "B C"]
    """The score of the content baseline."""
    crosses: Float[Array, "B C Y"]
    """Candidates against the history and, with a log, ``log_crosses``."""
    predicted: Float[Array, "B C M"]
    """Reward and return that the log lets expect, in units of reward; M is 0 without a log."""


def live_features(obs: LiveObs, catalogue: Catalogue) -> LiveFeatures:
    """Return the features of all candidates.

    With a log, predictions are linear (``envs.live.log.predictions``) in ``log_features``.
    """
    seen = without_predictions(obs, catalogue)
    if not catalogue.taste.shape[-1]:
        return seen
    of_candidate, of_user = log_features(obs, catalogue, seen.crosses)
    size = of_candidate.shape[-1]
    predicted = (
        of_candidate @ catalogue.prediction[:size]
        + (of_user @ catalogue.prediction[size:])[:, None, :]
    )
    return seen._replace(predicted=predicted)


def without_predictions(obs: LiveObs, catalogue: Catalogue) -> LiveFeatures:
    """Return all features but ``predicted``, which has no columns."""
    scaled = catalogue._replace(style=catalogue.style * jnp.sqrt(float(catalogue.style.shape[-1])))
    profiles = read_history(obs, scaled)
    style, category = scaled.style[obs.candidates], catalogue.category[obs.candidates]
    near, crosses = cross_features(obs, scaled, profiles, style, category)
    if catalogue.taste.shape[-1]:
        crosses = log_crosses(obs, catalogue, crosses)
    content = (style, category, catalogue.tags[obs.candidates], catalogue.record[obs.candidates])
    return LiveFeatures(scaled, profiles, content, near, crosses, jnp.zeros((*near.shape, 0)))


def log_crosses(
    obs: LiveObs, catalogue: Catalogue, crosses: Float[Array, "B C X"]
) -> Float[Array, "B C Y"]:
    """Return the features against the history and the match m of logged taste and content, m^2, and
    the products of m with the record and with the user's habits."""
    match = taste_match(obs, catalogue)[..., None]
    record, habits = catalogue.record[obs.candidates], catalogue.habits[obs.user]
    products = (match**2, match * record, match * habits[:, None, :])
    return jnp.concatenate([crosses, match, *products], axis=-1)


def log_features(
    obs: LiveObs, catalogue: Catalogue, crosses: Float[Array, "B C Y"]
) -> tuple[Float[Array, "B C F"], Float[Array, "B V"]]:
    """Return the features that predictions are linear in: of each candidate ``log_crosses``, the
    features that change and the record; of the user answers, habits, context and a 1."""
    changing = standardised(obs.features)[..., : len(FEATURE_CENTRE)]
    context = obs.context[:, :CONTEXT].astype(jnp.float32)
    known = (catalogue.profile[obs.user], catalogue.habits[obs.user], context)
    of_user = jnp.concatenate([*known, jnp.ones_like(context[:, :1])], axis=1)
    record = catalogue.record[obs.candidates]
    return jnp.concatenate([crosses, changing, record], axis=-1), of_user


def prediction_features(obs: LiveObs, catalogue: Catalogue) -> Float[Array, "B C F+V"]:
    """Return the features of ``log_features`` side by side, the constant last."""
    crosses = without_predictions(obs, catalogue).crosses
    of_candidate, of_user = log_features(obs, catalogue, crosses)
    spread = jnp.broadcast_to(of_user[:, None, :], (*crosses.shape[:2], of_user.shape[1]))
    return jnp.concatenate([of_candidate, spread], axis=-1)


CROSSES = 8
CONTEXT = 5
"""Columns of the context that every observation has."""
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
