"""A sum tree of width 16 as pure functions over a tuple of levels, for sampling in proportion to priorities.

A level is one flat array; the children of node ``i`` are ``[16 i, 16 i + 16)`` one level below, so a node and its neighbours
are one gather. Sixteen rather than two: a descent is four gathers for 65,536 leaves instead of sixteen. Parents are always
recomputed from their children, never adjusted by differences, which in float32 drift and leave mass where there is none
(DESIGN P20). Reads and writes touch O(batch) entries a level and work in place under ``jit``, ``vmap`` and ``scan``.

Source: Schaul et al. 2016, appendix B.2.1 (proportional prioritisation).
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from lrdqn.config import InputError

WIDTH = 16

SumTree = tuple[Array, ...]
"""Levels, leaves first and the root ``[1]`` last; all but the root are padded with zeros to a multiple of ``WIDTH``."""


def init(capacity: int) -> SumTree:
    """A tree of ``capacity`` zeros.

    Args:
        capacity: number of leaves, at least 1.

    Raises:
        InputError: where it is not positive.
    """
    if capacity < 1:
        raise InputError(f"sum_tree.init: capacity={capacity}: must be at least 1")
    levels, size = [], capacity
    while size > 1 or not levels:
        groups = -(-size // WIDTH)
        levels.append(jnp.zeros(groups * WIDTH, jnp.float32))
        size = groups
    return (*levels, jnp.zeros(1, jnp.float32))


def total(tree: SumTree) -> Float[Array, ""]:
    """The sum of all leaves."""
    return tree[-1][0]


def get(tree: SumTree, indices: Int[Array, "n"]) -> Float[Array, "n"]:
    """Leaves at ``indices``."""
    return tree[0].at[indices].get(mode="promise_in_bounds")


def set(tree: SumTree, indices: Int[Array, "n"], values: Float[Array, "n"]) -> SumTree:
    """The tree with ``leaf[indices] = values`` and every ancestor recomputed from its children.

    Duplicate indices are safe: one of their values wins, and all of their ancestors see that one.

    Args:
        tree: levels.
        indices: leaves to write ``[n]``, in ``[0, capacity)``.
        values: finite and not negative ``[n]``.
    """
    levels = [tree[0].at[indices].set(values, mode="promise_in_bounds")]
    nodes = indices
    for above in tree[1:]:
        below = levels[-1].reshape(-1, WIDTH)
        nodes = nodes // WIDTH
        if below.shape[0] <= indices.shape[0]:
            # So few nodes that summing all of them reads no more than summing those on the paths, and needs no scatter.
            sums = fold(below)
            levels.append(jnp.pad(sums, (0, above.shape[0] - sums.shape[0])))
        else:
            levels.append(above.at[nodes].set(fold(rows(below, nodes)), mode="promise_in_bounds"))
    return tuple(levels)


def find(tree: SumTree, mass: Float[Array, "n"]) -> Int[Array, "n"]:
    """The leaf in whose share of ``[0, total)`` each mass falls: the first i with ``mass < leaf[0] + ... + leaf[i]``.

    Only children with a positive sum are entered, and a mass that rounding (or the caller) has put outside ``[0, total)``
    goes to the first or last of them; so a leaf of value 0, padding included, is never returned while the total is positive.
    Masses and partial sums are float32: shares are met to within about 1e-7 of the total.

    Args:
        tree: levels, with a positive total.
        mass: in ``[0, total)``, ``[n]``.
    """
    lane = jnp.arange(WIDTH, dtype=jnp.int32)[None, :]
    nodes = jnp.zeros(mass.shape, jnp.int32)
    for level in tree[-2::-1]:
        children = rows(level.reshape(-1, WIDTH), nodes)
        through = prefix(children)
        filled = children > 0
        # Minimum and maximum of lane numbers, since argmax is several times as slow on a CPU.
        first = jnp.min(jnp.where(filled & (mass[:, None] < through), lane, WIDTH), axis=-1)
        last = jnp.max(jnp.where(filled, lane, 0), axis=-1)
        child = jnp.minimum(first, last)
        before = jnp.sum(jnp.where(lane == child[:, None] - 1, through, 0.0), axis=-1)
        mass = jnp.maximum(mass - before, 0.0)
        nodes = nodes * WIDTH + child
    return nodes


def rows(level: Float[Array, "m 16"], nodes: Int[Array, "n"]) -> Float[Array, "n 16"]:
    """The children of ``nodes``."""
    return level.at[nodes].get(mode="promise_in_bounds")


def fold(children: Float[Array, "n 16"]) -> Float[Array, "n"]:
    """Sums of rows by halving. The order of additions is written down, so that every path to a node gives the same bits."""
    while children.shape[-1] > 1:
        half = children.shape[-1] // 2
        children = children[:, :half] + children[:, half:]
    return children[:, 0]


def prefix(children: Float[Array, "n 16"]) -> Float[Array, "n 16"]:
    """Inclusive running sums of rows, in an order that is written down: within fours, then over the fours before."""
    within = running(children.reshape(-1, 4, 4))
    ends = running(within[..., -1])
    return (within + jnp.pad(ends[:, :-1], ((0, 0), (1, 0)))[..., None]).reshape(-1, WIDTH)


def running(x: Float[Array, "*B 4"]) -> Float[Array, "*B 4"]:
    """Running sums along a short last axis, one addition after the other; compiles and runs faster than a cumulative sum."""
    sums = [x[..., 0]]
    for i in range(1, x.shape[-1]):
        sums.append(sums[-1] + x[..., i])
    return jnp.stack(sums, axis=-1)
