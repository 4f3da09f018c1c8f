"""Slates of k of C candidates when one of them is chosen, or nothing: the value of one, and three
ways to find a good one.

An item is chosen with probability ``v_i / (v_0 + sum_j v_j)`` over the slate, and is worth ``q_i``
if it is; nothing has the weight ``v_0`` and is worth ``q_0``. Ties go to the lowest place. Source:
Ie et al. 2019 (SlateQ), sections 4 and 5; its release takes ``q_0 = 0``.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.ops.masking import masked

ROUNDS = 8
"""Of Dinkelbach's method: it gains digits as Newton's does, and five were the most that random
cases took."""

Optimiser = Callable[
    [
        Float[Array, "B C"],
        Float[Array, "B C"],
        Bool[Array, "B C"],
        Float[Array, "B"],
        Float[Array, "B"],
        int,
    ],
    Int[Array, "B k"],
]
"""``optimiser(weights, values, mask, null_weight, null_value, k) -> places [B, k]``, all different;
what is not on offer comes last, and needs a weight of 0."""


def slate_value(
    weights: Float[Array, "B C"],
    values: Float[Array, "B C"],
    slate: Int[Array, "B k"],
    null_weight: Float[Array, "B"],
    null_value: Float[Array, "B"],
) -> Float[Array, "B"]:
    """``(sum_i v_i q_i + v_0 q_0) / (sum_i v_i + v_0)`` over the slate: what is expected of showing
    it."""
    v, q = jnp.take_along_axis(weights, slate, axis=1), jnp.take_along_axis(values, slate, axis=1)
    return (jnp.sum(v * q, axis=1) + null_weight * null_value) / (jnp.sum(v, axis=1) + null_weight)


def slate_chances(
    weights: Float[Array, "B C"], slate: Int[Array, "B k"], null_weight: Float[Array, "B"]
) -> Float[Array, "B C+1"]:
    """``P(i) = v_i / (sum_{j in slate} v_j + v_0)`` for each candidate, 0 off the slate, and of
    nothing as the last entry."""
    places = jnp.arange(weights.shape[1])[None, None]
    v = jnp.where(jnp.any(slate[:, :, None] == places, axis=1), weights, 0.0)
    v = jnp.concatenate([v, null_weight[:, None]], axis=1)
    return v / jnp.sum(v, axis=1, keepdims=True)


def best(scores: Float[Array, "B C"], mask: Bool[Array, "B C"], k: int) -> Int[Array, "B k"]:
    """The k highest-scored candidates on offer, best first."""
    return jax.lax.top_k(masked(scores, mask), k)[1].astype(jnp.int32)


def first_mentions(slate: Int[Array, "*B k"]) -> Bool[Array, "*B k"]:
    """Which places of a slate are no repetition of an earlier one: what is on offer is shown
    once."""
    same = slate[..., :, None] == slate[..., None, :]
    return ~jnp.any(jnp.tril(same, -1), axis=-1)


def as_action(places: Int[Array, "*B k"]) -> Array:
    """A slate as environments take it: ``[B]`` where k is 1."""
    return places[..., 0] if places.shape[-1] == 1 else places


def random_slate(u: Float[Array, "B k"], mask: Bool[Array, "B C"]) -> Int[Array, "B k"]:
    """Uniform over the ordered slates of what is on offer, from one uniform in [0, 1) per place;
    all places different.

    Each place takes the ``floor(u n)``-th of the n candidates that are left; a place is found by
    counting those before it. Where fewer than k are on offer, the lowest of the other places come
    behind them.
    """
    places, before, found = (
        jnp.arange(mask.shape[1])[None],
        jnp.cumsum(mask, axis=1, dtype=jnp.int32),
        [],
    )
    spare = jnp.ones_like(mask)
    for j in range(u.shape[1]):
        left = before[:, -1:]
        rank = jnp.clip(
            (u[:, j : j + 1] * left.astype(jnp.float32)).astype(jnp.int32),
            0,
            jnp.maximum(left - 1, 0),
        )
        passed = jnp.where(left > 0, before, jnp.cumsum(spare, axis=1, dtype=jnp.int32))
        place = jnp.sum((passed <= rank).astype(jnp.int32), axis=1, keepdims=True)
        spare = spare & (places != place)
        before = before - (places >= place).astype(jnp.int32)
        found.append(place)
    return jnp.concatenate(found, axis=1)


def top_k_slate(
    weights: Float[Array, "B C"],
    values: Float[Array, "B C"],
    mask: Bool[Array, "B C"],
    null_weight: Float[Array, "B"],
    null_value: Float[Array, "B"],
    k: int,
) -> Int[Array, "B k"]:
    """``TS``: the k largest ``v_i (q_i - q_0)``. Source: Ie et al. 2019, section 5.2; with
    ``q_0 = 0`` its own ``v_i q_i``."""
    del null_weight
    return best(weights * (values - null_value[:, None]), mask, k)


def greedy_slate(
    weights: Float[Array, "B C"],
    values: Float[Array, "B C"],
    mask: Bool[Array, "B C"],
    null_weight: Float[Array, "B"],
    null_value: Float[Array, "B"],
    k: int,
) -> Int[Array, "B k"]:
    """``GS``: k times, add the item that makes the slate so far worth most. Source: Ie et al. 2019,
    section 5.2."""
    total, mass, left, chosen = null_weight * null_value, null_weight, jnp.ones_like(mask), []
    for _ in range(k):
        worth = (total[:, None] + weights * values) / (mass[:, None] + weights)
        # what is chosen already stands below what is not on offer, so that no place comes twice
        place = jnp.argmax(jnp.where(left, masked(worth, mask), -jnp.inf), axis=1)
        taken = jnp.arange(weights.shape[1])[None] == place[:, None]
        total = total + jnp.sum(jnp.where(taken, weights * values, 0.0), axis=1)
        mass = mass + jnp.sum(jnp.where(taken, weights, 0.0), axis=1)
        left = left & ~taken
        chosen.append(place)
    return jnp.stack(chosen, axis=1).astype(jnp.int32)


def exact_slate(
    weights: Float[Array, "B C"],
    values: Float[Array, "B C"],
    mask: Bool[Array, "B C"],
    null_weight: Float[Array, "B"],
    null_value: Float[Array, "B"],
    k: int,
) -> Int[Array, "B k"]:
    """``OS``: the best slate of all, by ``lambda <- value of the k largest v_i (q_i - lambda)``
    until nothing moves.

    The best slate for the price ``lambda`` is a sort, and the right price is what that slate is
    worth. Source: Dinkelbach 1967; the linear program of Ie et al. 2019, section 5.1, has the same
    solution.
    """

    def priced(price: Float[Array, "B"]) -> Int[Array, "B k"]:
        return best(weights * (values - price[:, None]), mask, k)

    def one(price: Float[Array, "B"], _: None) -> tuple[Float[Array, "B"], None]:
        return slate_value(weights, values, priced(price), null_weight, null_value), None

    price, _ = jax.lax.scan(one, null_value, None, length=ROUNDS)
    return priced(price)


OPTIMISERS: dict[str, Optimiser] = {
    "topk": top_k_slate,
    "greedy": greedy_slate,
    "exact": exact_slate,
}
"""By the name they go by in tables."""
