"""What a viewer's watches say about their taste: weighted means of content over the history."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

FULL_WATCH_SECONDS = 300.0


def watch_weight(log_watch: Float[Array, "..."]) -> Float[Array, "..."]:
    """``min(1, w / 300 s)`` from ``log1p(w)``: how far a watch speaks for its content; 0 for an
    empty place."""
    return jnp.minimum(jnp.expm1(log_watch) / FULL_WATCH_SECONDS, 1.0)


def weighted_mean(
    content: Float[Array, "... H d"], weight: Float[Array, "... H"]
) -> Float[Array, "... d"]:
    """``sum_h w_h x_h / (sum_h w_h + .1)``: shrinks to 0 where there is little evidence."""
    total = jnp.sum(weight, axis=-1, keepdims=True)
    return jnp.einsum("...hd,...h->...d", content, weight) / (total + 0.1)


def cosine(x: Float[Array, "... d"], y: Float[Array, "... d"]) -> Float[Array, "..."]:
    """``x . y / (|x| |y|)``, 0 where either is 0."""
    norm = jnp.sqrt(jnp.sum(x * x, axis=-1) * jnp.sum(y * y, axis=-1))
    return jnp.sum(x * y, axis=-1) / jnp.maximum(norm, 1e-6)


def mean_style(
    style: Float[Array, "S d"], history: Int[Array, "B H"], watch: Float[Array, "B H"]
) -> Float[Array, "B d"]:
    """The watch-weighted mean style of a history: what is seen of a viewer's taste. ``watch`` is
    ``log1p(seconds)``."""
    return weighted_mean(style[history], watch_weight(watch.astype(jnp.float32)))
