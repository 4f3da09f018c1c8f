"""Linear predictions of a request's reward and return, supervised on the log.

Source: envs/live/README.md, section 16.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from lrdqn.envs.live.log.impressions import ImpressionLog
from lrdqn.envs.live.log.rows import Rows
from lrdqn.observations import RETURN_DISCOUNT, Catalogue, LiveObs
from lrdqn.ops.ridge import solve_ridge

PENALTY = 30.0
"""Of the ridge regression, on features of spread 1 (design)."""

Features = Callable[[LiveObs, Catalogue], Float[Array, "B C F"]]
"""``features(obs, catalogue)`` of each candidate and of the user, the last one a constant 1."""


def returns_to_go(log: ImpressionLog) -> Float[Array, "T N"]:
    """Return ``G_t = r_t + discount G_{t+1}`` within each session, the request's own reward
    included."""

    def back(after: Array, row: Any) -> tuple[Array, Array]:
        reward, last = row
        now = reward + jnp.where(last, 0.0, RETURN_DISCOUNT * after)
        return now, now

    start = jnp.zeros(log.last.shape[1:])
    return jax.lax.scan(back, start, (log.reward, log.last), reverse=True)[1]


def fit_predictions(
    log: ImpressionLog, rows: Rows, catalogue: Catalogue, features: Features
) -> Float[Array, "F 2"]:
    """Return coefficients of features that predict the reward of showing a candidate, and the
    return of the session from there on under the logging policy.

    Ridge regressions. The second is a Monte Carlo estimate of the logging policy's action values:
    acting greedily on it is one step of policy improvement (Sutton and Barto 2018, section 4.2). Of
    slates, only the streamer that was clicked counts.

    Args:
        log: of one world.
        rows: the same as a table.
        catalogue: with the profiles that the log gives.
        features: of candidates and users.
    """
    x = features(only_shown(log), catalogue)
    x = x.reshape(-1, x.shape[-1])
    weight = rows.weight if log.shown.shape[-1] == 1 else rows.weight * rows.clicked

    def spread(y: Float[Array, "T N"]) -> Float[Array, "I"]:
        return jnp.broadcast_to(y[..., None], log.shown.shape).reshape(-1)

    reward, value = spread(log.reward), spread(returns_to_go(log))
    outcomes = ((reward, weight), (value, weight * rows.complete))
    return jnp.stack([ridge_coefficients(x, y, w) for y, w in outcomes], axis=1)


def only_shown(log: ImpressionLog) -> LiveObs:
    """Return the requests, ``[T N, ...]``, with the streamers that were shown as candidates."""
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), log.obs)
    shown = log.shown.reshape(-1, log.shown.shape[-1])
    at = jnp.argmax(flat.candidates[:, None, :] == shown[:, :, None], axis=2)
    return flat._replace(
        candidates=shown,
        features=jnp.take_along_axis(flat.features, at[..., None], axis=1),
        mask=jnp.take_along_axis(flat.mask, at, axis=1),
    )


def ridge_coefficients(
    x: Float[Array, "I p"], y: Float[Array, "I"], weight: Float[Array, "I"]
) -> Float[Array, "p"]:
    """Return the coefficients of a weighted ridge regression on features scaled to a spread of 1;
    the last feature is 1, and its coefficient the intercept, which has no penalty."""
    total = jnp.maximum(jnp.sum(weight), 1.0)
    centre, level = weight @ x / total, weight @ y / total
    centred = x - centre[None]
    spread = jnp.maximum(jnp.sqrt(weight @ centred**2 / total), 1e-6)
    scaled = centred / spread[None]
    weighted = scaled * weight[:, None]
    moments = (weighted.T @ scaled)[None], (weighted.T @ (y - level))[None]
    found = solve_ridge(*moments, PENALTY, jnp.zeros((1, x.shape[1])))[0] / spread
    return found.at[-1].set(level - found[:-1] @ centre[:-1])
