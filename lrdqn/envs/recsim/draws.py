"""Random numbers of a step, cut from one call of the generator into named parts; two numbers share
a word where 16 bits suffice."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray, UInt32


def cut(key: PRNGKeyArray, sessions: int, widths: tuple[int, ...]) -> list[UInt32[Array, "N _"]]:
    """Draw random words ``[N, width]`` for each width, all from one call: policies that share the
    key share their random numbers."""
    flat, parts, start = jax.random.bits(key, (sessions * sum(widths),), jnp.uint32), [], 0
    for width in widths:
        parts.append(flat[start : start + sessions * width].reshape(sessions, width))
        start += sessions * width
    return parts


def uniform(words: UInt32[Array, "N W"]) -> Float[Array, "N W"]:
    """Return uniforms in (0, 1) with 23 bits; with 24 the largest would round to 1, whose normal
    quantile is infinite."""
    return ((words >> 9).astype(jnp.float32) + 0.5) * jnp.float32(2.0**-23)


def halves(words: UInt32[Array, "N W"], count: int) -> Float[Array, "N count"]:
    """Return uniforms in (0, 1) with 16 bits, two from each word."""
    both = jnp.concatenate([words & 0xFFFF, words >> 16], axis=1)[:, :count]
    return (both.astype(jnp.float32) + 0.5) * jnp.float32(2.0**-16)


def words_for(count: int) -> int:
    """Return the number of words that ``halves`` needs for ``count`` numbers."""
    return -(-count // 2)


def normal(words: UInt32[Array, "N W"]) -> Float[Array, "N W"]:
    """Return standard normals, the quantiles of ``uniform``."""
    return jnp.float32(math.sqrt(2)) * jax.scipy.special.erfinv(2 * uniform(words) - 1)


def one_of(u: Float[Array, "N M"], number: int) -> Int[Array, "N M"]:
    """Return integers uniform over 0 .. number - 1, as int8."""
    return (u * number).astype(jnp.int8)
