"""Profiles of users from the log: taste for content, inclination to click and to stay.

Source: envs/live/README.md, section 16.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from lrdqn.envs.live.log.rows import Rows
from lrdqn.envs.live.world import LiveParams
from lrdqn.observations import Catalogue
from lrdqn.ops.history import history_evidence
from lrdqn.ops.ridge import group_moments, solve_ridge

LOG_WATCH_WEIGHT = 0.25
"""Weight of the log seconds watched beside a click, in the response that taste explains."""
CATEGORY_SCALE = 2.0
"""Prior spread of a category's coefficient over that of a style's (design)."""
TASTE_PENALTY = 100.0
"""Variance of one response over the prior variance of a coefficient of a taste (design)."""
ANSWER_PENALTY = 5000.0
"""The same of the map from onboarding answers to taste (design)."""
HABIT_IMPRESSIONS = 20.0
"""Impressions at which a user's own rate counts as much as that of all users (design)."""
WIDEST_STYLE = 48
"""Wider styles are reduced to as many principal components."""


class UserProfiles(NamedTuple):
    """Estimates of U users, as ``Catalogue`` holds them."""

    taste: Float[Array, "U d+G"]
    habits: Float[Array, "U 3"]


def content_of(catalogue: Catalogue) -> tuple[Float[Array, "S+1 q"], Float[Array, "d+G q"]]:
    """Return what a taste is a taste for, and the map from coefficients of it to those of
    ``(style, category)``: the style or its principal components, and the scaled category."""
    style, categories = catalogue.style, catalogue.category.shape[1]
    basis = jnp.eye(style.shape[1])
    if style.shape[1] > WIDEST_STYLE:
        basis = jnp.linalg.eigh(style.T @ style)[1][:, -WIDEST_STYLE:]
    back = jax.scipy.linalg.block_diag(basis, CATEGORY_SCALE * jnp.eye(categories))
    return jnp.concatenate([style, catalogue.category], axis=1) @ back, back


def user_profiles(rows: Rows, world: LiveParams, known: Bool[Array, "U"]) -> UserProfiles:
    """Estimate taste and habits of all users.

    Taste is the posterior mean of a linear model of the response y = click + log1p(seconds) / 4
    with the content x_s of the streamer, on average over all users 0:

    ::

        y_i = theta_u . x_s + noise,    theta_u ~ N(H_u a + B^T q_u, noise variance / penalty)

    ``H_u`` holds the evidence of the user's stored history (``history_evidence``), q_u the answers
    at onboarding and a 1. a (least squares) and then B (ridge) are fitted to all users' responses.
    Taste is scaled so that its products with the content of all streamers have a spread of 1 over
    users and streamers. Habits are a user's rate of clicks, and of stays after a click, less those
    of all, shrunken (``inclination``), and ``log1p(n) / 2`` of the n impressions.

    Args:
        rows: impressions of the log.
        world: content, answers and stored histories.
        known: users whose impressions count; the others get what their history and answers say.
    """
    users, catalogue = known.shape[0], world.catalogue
    content, back = content_of(catalogue)
    weight = rows.weight * known[rows.user]
    response = rows.clicked + LOG_WATCH_WEIGHT * jnp.log1p(rows.seconds)
    mean = jnp.sum(weight * response) / jnp.maximum(jnp.sum(weight), 1.0)
    gram, moment = group_moments(content[rows.streamer], response - mean, weight, rows.user, users)

    prior = prior_from_history(gram, moment, world, content)
    left = moment - jnp.einsum("upq,uq->up", gram, prior)
    prior = prior + prior_from_answers(gram, left, catalogue.profile)
    coefficients = solve_ridge(gram, moment, TASTE_PENALTY, prior)
    centred = content[:-1] - jnp.mean(content[:-1], axis=0, keepdims=True)
    spread = jnp.sqrt(
        jnp.mean(jnp.sum((coefficients @ (centred.T @ centred)) * coefficients, axis=1))
        / centred.shape[0]
    )
    taste = (coefficients / jnp.maximum(spread, 1e-6)) @ back.T

    def total(values: Array) -> Array:
        return jax.ops.segment_sum(weight * values, rows.user, num_segments=users)

    seen, clicks, stays = total(jnp.ones_like(weight)), total(rows.clicked), total(rows.stayed)
    habits = (inclination(clicks, seen), inclination(stays, clicks), jnp.log1p(seen) / 2)
    return UserProfiles(taste, jnp.stack(habits, axis=1))


def inclination(events: Float[Array, "U"], chances: Float[Array, "U"]) -> Float[Array, "U"]:
    """Return ``(events + m rate) / (chances + m) - rate``, with the rate of all users, divided by
    its spread over users."""
    rate = jnp.sum(events) / jnp.maximum(jnp.sum(chances), 1.0)
    own = (events + HABIT_IMPRESSIONS * rate) / (chances + HABIT_IMPRESSIONS) - rate
    return own / jnp.maximum(jnp.std(own), 1e-6)


def prior_from_history(
    gram: Float[Array, "U q q"],
    moment: Float[Array, "U q"],
    world: LiveParams,
    content: Float[Array, "S+1 q"],
) -> Float[Array, "U q"]:
    """Return ``H_u a``: the evidence of all remembered watches and of stays, for style and for
    category, each with a coefficient fitted to all users."""
    style = jnp.arange(content.shape[1]) < content.shape[1] - world.catalogue.category.shape[1]
    evidence = history_evidence(content, world.users.history, world.users.history_watch)
    of = jnp.stack(
        [part * side for part in evidence for side in (style[None], ~style[None])], axis=2
    )
    normal = jnp.einsum("upi,upq,uqj->ij", of, gram, of)
    towards = jnp.einsum("upi,up->i", of, moment)
    return of @ solve_ridge(normal[None], towards[None], 1e-3, jnp.zeros((1, of.shape[2])))[0]


def prior_from_answers(
    gram: Float[Array, "U q q"], moment: Float[Array, "U q"], answers: Float[Array, "U P"]
) -> Float[Array, "U q"]:
    """Return ``B^T q_u``: the ridge regression of responses on products of answers and content,
    from the moments of each user."""
    users, q = moment.shape
    a = jnp.concatenate([jnp.ones((users, 1)), answers.astype(jnp.float32)], axis=1)
    pairs, size = (a[:, :, None] * a[:, None, :]).reshape(users, -1), a.shape[1]
    whole = (pairs.T @ gram.reshape(users, -1)).reshape(size, size, q, q)
    whole = whole.transpose(0, 2, 1, 3).reshape(1, size * q, size * q)
    towards = (a.T @ moment).reshape(1, -1)
    found = solve_ridge(whole, towards, ANSWER_PENALTY, jnp.zeros_like(towards))
    return a @ found.reshape(size, q)
