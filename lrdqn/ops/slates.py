"""Slates of k of C candidates of which the user chooses one or nothing: the value of a slate, and
three optimisers of it.

Item i is chosen with probability ``v_i / (v_0 + sum_j v_j)`` over the slate and is worth ``q_i`` if
chosen; nothing has the weight ``v_0`` and is worth ``q_0``. Ties go to the lowest place.

Source: Ie et al. 2019 (SlateQ), sections 4 and 5; its released code has ``q_0 = 0``.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.ops.largest import largest
from lrdqn.ops.masking import masked

ROUNDS = 8
"""Iterations of Dinkelbach's method. It converges quadratically, as Newton's method does; random
cases took at most five."""

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
unavailable candidates come last, and their weights must be 0."""


def slate_value(
    weights: Float[Array, "B C"],
    values: Float[Array, "B C"],
    slate: Int[Array, "B k"],
    null_weight: Float[Array, "B"],
    null_value: Float[Array, "B"],
) -> Float[Array, "B"]:
    """Return the expected value of showing the slate,
    ``(sum_i v_i q_i + v_0 q_0) / (sum_i v_i + v_0)`` over its items."""
    v, q = jnp.take_along_axis(weights, slate, axis=1), jnp.take_along_axis(values, slate, axis=1)
    return (jnp.sum(v * q, axis=1) + null_weight * null_value) / (jnp.sum(v, axis=1) + null_weight)


def slate_chances(
    weights: Float[Array, "B C"], slate: Int[Array, "B k"], null_weight: Float[Array, "B"]
) -> Float[Array, "B C+1"]:
    """Return the probability that each candidate is chosen,
    ``P(i) = v_i / (sum_{j in slate} v_j + v_0)`` on the slate and 0 off it; the last entry is that
    of nothing."""
    places = jnp.arange(weights.shape[1])[None, None]
    v = jnp.where(jnp.any(slate[:, :, None] == places, axis=1), weights, 0.0)
    v = jnp.concatenate([v, null_weight[:, None]], axis=1)
    return v / jnp.sum(v, axis=1, keepdims=True)


def best(scores: Float[Array, "B C"], mask: Bool[Array, "B C"], k: int) -> Int[Array, "B k"]:
    """Return the places of the k highest-scored available candidates, best first."""
    return largest(masked(scores, mask), k)


def existing(
    slate: Int[Array, "*B k"], candidates: int
) -> tuple[Int[Array, "*B k"], Bool[Array, "*B k"]]:
    """Return places that are safe to read, and which of them the slate names: any other number than
    0 to ``candidates - 1`` names no place, and is replaced by 0."""
    there = (slate >= 0) & (slate < candidates)
    return jnp.where(there, slate, 0), there


def first_mentions(slate: Int[Array, "*B k"]) -> Bool[Array, "*B k"]:
    """Return which places of a slate do not repeat an earlier one: an item that a slate names twice
    is shown once."""
    same = slate[..., :, None] == slate[..., None, :]
    return ~jnp.any(jnp.tril(same, -1), axis=-1)


def as_action(places: Int[Array, "*B k"]) -> Array:
    """Return a slate in the form that environments take: ``[B]`` where k is 1."""
    return places[..., 0] if places.shape[-1] == 1 else places


def random_slate(u: Float[Array, "B k"], mask: Bool[Array, "B C"]) -> Int[Array, "B k"]:
    """Draw uniformly from the ordered slates of available candidates, from one uniform in [0, 1)
    per place; all places are different.

    Each place takes the ``floor(u n)``-th of the n candidates that are left, which is found by
    counting those before it. Where fewer than k candidates are available, the slate ends with the
    lowest of the other places.
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
    """Return the k candidates with the largest ``v_i (q_i - q_0)``.

    Source: Ie et al. 2019, section 5.2 (``TS``), which has ``v_i q_i``, the case ``q_0 = 0``.
    """
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
    """Build a slate item by item, each time adding the item that maximises the value of the slate
    so far.

    Source: Ie et al. 2019, section 5.2 (``GS``).
    """
    total, mass, left, chosen = null_weight * null_value, null_weight, jnp.ones_like(mask), []
    for _ in range(k):
        worth = (total[:, None] + weights * values) / (mass[:, None] + weights)
        # Items chosen already are masked below unavailable ones, so that no place is chosen twice.
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
    """Return the optimal slate, by iterating
    ``lambda <- value of the k largest v_i (q_i - lambda)`` to its fixed point.

    The best slate for the price ``lambda`` is a sort, and the right price is the value of that
    slate.

    Source: Dinkelbach 1967; the linear program of Ie et al. 2019, section 5.1 (``OS``), has the
    same solution.
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
"""The optimisers by their names in the configuration and in tables."""
