"""Estimates of a user's taste from the watch history: weighted means of content."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

FULL_WATCH_SECONDS = 300.0
STAY_SECONDS = 19.0
"""A longer watch is a stay, a shorter one a bounce."""
SHRINKAGE = 5.0
"""Watches at which the evidence of a history counts half (design)."""


def watch_weight(log_watch: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return ``min(1, w / 300 s)`` from ``log1p(w)``, the weight of a watch of w seconds as
    evidence of taste; 0 for an empty place."""
    return jnp.minimum(jnp.expm1(log_watch) / FULL_WATCH_SECONDS, 1.0)


def weighted_mean(
    content: Float[Array, "... H d"], weight: Float[Array, "... H"]
) -> Float[Array, "... d"]:
    """Return ``sum_h w_h x_h / (sum_h w_h + 0.1)``, which shrinks to 0 where there is little
    evidence."""
    total = jnp.sum(weight, axis=-1, keepdims=True)
    return jnp.einsum("...hd,...h->...d", content, weight) / (total + 0.1)


def cosine(x: Float[Array, "... d"], y: Float[Array, "... d"]) -> Float[Array, "..."]:
    """Return ``x . y / (|x| |y|)``, 0 where either is 0."""
    norm = jnp.sqrt(jnp.sum(x * x, axis=-1) * jnp.sum(y * y, axis=-1))
    return jnp.sum(x * y, axis=-1) / jnp.maximum(norm, 1e-6)


def mean_style(
    style: Float[Array, "S d"], history: Int[Array, "B H"], watch: Float[Array, "B H"]
) -> Float[Array, "B d"]:
    """Return the watch-weighted mean style of a history, the observable part of a user's taste.

    Args:
        style: of each streamer ``[S, d]``.
        history: streamers watched ``[B, H]``.
        watch: ``log1p(seconds)`` of each watch ``[B, H]``.
    """
    return weighted_mean(style[history], watch_weight(watch.astype(jnp.float32)))


def history_evidence(
    content: Float[Array, "S p"], history: Int[Array, "B H"], watch: Float[Array, "B H"]
) -> tuple[Float[Array, "B p"], Float[Array, "B p"]]:
    """Return ``sum_h x_h / (n + 5)`` over all n watches of a history, and over its stays.

    That a user chose a stream is evidence of taste however long the watch was: unweighted sums
    explain more of a user's interest than ``mean_style``.

    Args:
        content: of each streamer, the last row for an empty place.
        history: streamers watched, ``S`` (the last row) for an empty place.
        watch: ``log1p(seconds)`` of each watch.
    """
    taken = history != content.shape[0] - 1
    stays = taken & (watch.astype(jnp.float32) > math.log1p(STAY_SECONDS))
    count = jnp.sum(taken, axis=1, keepdims=True) + SHRINKAGE
    chosen = content[history]

    def total(which: Bool[Array, "B H"]) -> Float[Array, "B p"]:
        return jnp.einsum("bhp,bh->bp", chosen, which.astype(jnp.float32)) / count

    return total(taken), total(stays)
