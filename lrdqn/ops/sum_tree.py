"""Sum tree of width 16 as pure functions over two arrays, for sampling in proportion to priorities.

The leaves are one array and the inner nodes another, both in rows of 16 places. The root is in the
last place of row 0, and the children of the node in place ``p`` are row ``p - 14``: those of the
root are row 1, their children rows 2 to 17, and so on. A step up or down is thus the same few
operations on every level, which a short loop repeats; unrolled, the compiler would merge levels and
recompute them several times. The nodes without the leaves are a sixteenth of the size, and thus
small enough for XLA not to start a CPU's threads for them, which would take longer than the step
itself.

Parents are always recomputed from their children, never adjusted by differences: in float32
differences drift and leave mass on empty leaves. Reads and writes touch O(batch) entries a level
and work in place under ``jit``, ``vmap`` and ``scan``.

Values and sums are float32, the search is float64, whatever ``jax_enable_x64`` says: with 24 bits,
a mass near the end of a tree of 2^20 leaves takes some ten values a leaf, which makes some leaves
a third too probable and others unreachable.

Source: Schaul et al. 2016, appendix B.2.1 (proportional prioritisation).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from lrdqn.config import InputError

WIDTH = 16
ROOT_PLACE = WIDTH - 1
BELOW_ONE = np.float64(1 - 2**-53)
"""A positive normal float64 times this is the next smaller one."""


class SumTree(NamedTuple):
    """Rows of nodes and of leaves; the last row of each is padded with zeros."""

    nodes: Float[Array, "n 16"]
    leaves: Float[Array, "m 16"]
    root: Float[Array, ""]
    """A copy of the root's value: reading it from the nodes would delay the next write to them (see
    ``find``)."""


def init(capacity: int) -> SumTree:
    """Return a tree of ``capacity`` zeros.

    Args:
        capacity: number of leaves, at least 1.

    Raises:
        InputError: if it is not positive.
    """
    if capacity < 1:
        raise InputError(f"sum_tree.init: capacity={capacity}: must be at least 1")
    leaf_rows = -(-capacity // WIDTH)
    node_rows = -(-(_first_parent(leaf_rows) + leaf_rows) // WIDTH)
    return SumTree(
        jnp.zeros((node_rows, WIDTH), jnp.float32),
        jnp.zeros((leaf_rows, WIDTH), jnp.float32),
        jnp.float32(0.0),
    )


def total(tree: SumTree) -> Float[Array, ""]:
    """Return the sum of all leaves."""
    return tree.root


def read(tree: SumTree, indices: Int[Array, "n"]) -> Float[Array, "n"]:
    """Return the leaves at ``indices``."""
    return tree.leaves.reshape(-1).at[indices].get(mode="promise_in_bounds")


def write(tree: SumTree, indices: Int[Array, "n"], values: Float[Array, "n"]) -> SumTree:
    """Return the tree with ``leaf[indices] = values`` and every ancestor recomputed from its
    children.

    Of several values for one leaf the largest is stored, in whatever order a device writes.

    Args:
        tree: nodes and leaves.
        indices: leaves to write ``[n]``, in ``[0, capacity)``.
        values: finite, 0 or normal, and not negative ``[n]``.
    """

    def up(_: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        nodes, places, sums = carry
        nodes, rows = _scatter(nodes, places, sums), places // WIDTH
        return nodes, rows + ROOT_PLACE - 1, running(_gather(nodes, rows))[-1]

    leaves = _scatter_max(_scatter(tree.leaves, indices, values), indices, values)
    rows = indices // WIDTH
    above = tree.leaves.shape[0]
    carry = (tree.nodes, rows + _first_parent(above), running(_gather(leaves, rows))[-1])
    nodes, places, sums = jax.lax.fori_loop(0, _levels(above), up, carry)
    return SumTree(_scatter(nodes, places, sums), leaves, sums[0])


def find(tree: SumTree, mass: Float[Array, "n"]) -> tuple[Int[Array, "n"], Float[Array, "n"]]:
    """Return the leaf in whose share of ``[0, total)`` each mass falls: the first i with
    ``mass < leaf[0] + ... + leaf[i]``.

    On each level, the node's share is stretched to the exact sum of its children (the node holds
    that sum rounded), and a mass outside of it is moved to its nearest end. The child that is
    entered then begins at or below the mass and ends above it, and is thus not empty: a leaf of
    value 0, padding included, is never returned while the total is positive. A uniform mass finds
    leaf i with probability ``leaf[i] / total``, within 2^-24 per level.

    Args:
        tree: nodes and leaves, with a positive total.
        mass: in ``[0, total)``, ``[n]``, float64 (see ``ops.stratified``) or coarser.

    Returns:
        Indices and values of the leaves. The values come from here, not from ``read``, so that a
        later write to these indices depends on every read of the tree; otherwise the compiler may
        copy the tree between the two.
    """
    above = tree.leaves.shape[0]

    def down(_: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        places, part = carry
        rows = places - (ROOT_PLACE - 1)
        child, part, _ = _enter(_gather(tree.nodes, rows), part)
        return WIDTH * rows + child, part

    with jax.enable_x64(True):
        root = jnp.full(mass.shape, ROOT_PLACE, jnp.int32)
        part = jnp.maximum(mass.astype(jnp.float64) / tree.root.astype(jnp.float64), 0.0)
        places, part = jax.lax.fori_loop(0, _levels(above), down, (root, part))
        rows = places - _first_parent(above)
        child, _, values = _enter(_gather(tree.leaves, rows), part)
        return WIDTH * rows + child, values


def running(rows: Float[Array, "n 16"]) -> list[Float[Array, "n"]]:
    """Return the running sums of rows, the last of which is the row's sum. Places are added one
    after the other, so that all paths to a node compute the same value."""
    sums = [rows[:, 0]]
    for i in range(1, WIDTH):
        sums.append(sums[-1] + rows[:, i])
    return sums


def _enter(children: Float[Array, "n 16"], part: Float[Array, "n"]) -> tuple[Array, Array, Array]:
    """Return the child that each ``part`` of the row's sum falls into, the part of that child, and
    its value: first the quarter of the row is found, then the child in it."""
    columns = [children[:, i] for i in range(WIDTH)]
    wide = [x.astype(jnp.float64) for x in columns]
    ends = _ends([_ends(wide[i : i + 4])[-1] for i in range(0, WIDTH, 4)])
    mass = jnp.minimum(part * ends[-1], ends[-1] * BELOW_ONE)
    quarter = [mass >= end for end in ends[:-1]]
    mass = mass - _pick(quarter, [0.0, *ends[:-1]])
    four = [_pick(quarter, columns[i::4]) for i in range(4)]
    ends = _ends([x.astype(jnp.float64) for x in four])
    place = [mass >= end for end in ends[:-1]]
    value = _pick(place, four)
    part = (mass - _pick(place, [0.0, *ends[:-1]])) / value.astype(jnp.float64)
    return 4 * _count(quarter) + _count(place), part, value


def _ends(four: list[Array]) -> list[Array]:
    """Return the running sums of four columns."""
    first, second = four[0], four[0] + four[1]
    third = second + four[2]
    return [first, second, third, third + four[3]]


def _pick(passed: list[Array], four: list[Any]) -> Array:
    """Return the column of ``four`` after the last of three ends that was passed."""
    late = jnp.where(passed[2], four[3], four[2])
    return jnp.where(passed[1], late, jnp.where(passed[0], four[1], four[0]))


def _count(passed: list[Array]) -> Int[Array, "n"]:
    return sum((x.astype(jnp.int32) for x in passed[1:]), passed[0].astype(jnp.int32))


def _gather(rows: Float[Array, "m 16"], numbers: Int[Array, "n"]) -> Float[Array, "n 16"]:
    return rows.at[numbers].get(mode="promise_in_bounds")


def _scatter(
    rows: Float[Array, "m 16"], places: Int[Array, "n"], values: Float[Array, "n"]
) -> Float[Array, "m 16"]:
    return rows.reshape(-1).at[places].set(values, mode="promise_in_bounds").reshape(rows.shape)


def _scatter_max(
    rows: Float[Array, "m 16"], places: Int[Array, "n"], values: Float[Array, "n"]
) -> Float[Array, "m 16"]:
    return rows.reshape(-1).at[places].max(values, mode="promise_in_bounds").reshape(rows.shape)


def _levels(leaf_rows: int) -> int:
    """Return the number of levels between the root and the parents of leaves."""
    levels = 0
    while WIDTH**levels < leaf_rows:
        levels += 1
    return levels


def _first_parent(leaf_rows: int) -> int:
    """Return the place of the parent of row 0 of the leaves: ``1 + 16 + ... + 16^(levels - 1)``
    places after the root's."""
    return ROOT_PLACE + (WIDTH ** _levels(leaf_rows) - 1) // (WIDTH - 1)
