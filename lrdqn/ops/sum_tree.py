"""A sum tree of width 16 as pure functions over two arrays, for sampling in proportion to
priorities.

Leaves are one array, the nodes above them another, both in rows of 16 places. The root stands in
the last place of row 0, and the children of the node in place ``p`` are row ``p - 14``: those of
the root row 1, theirs rows 2 to 17, and so on. A step up or down is so the same few operations on
every level, which a short loop repeats; unrolled, the compiler merges levels into those that read
them and computes them again and again. Nodes without the leaves are a sixteenth of the size, and so
small enough for a CPU's threads not to be woken for them, which takes longer than the step itself.

Parents are always recomputed from their children, never adjusted by differences, which in float32
drift and leave mass where there is none (DESIGN P20). Reads and writes touch O(batch) entries a
level and work in place under ``jit``, ``vmap`` and ``scan``.

Source: Schaul et al. 2016, appendix B.2.1 (proportional prioritisation).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from lrdqn.config import InputError

WIDTH = 16
ROOT_PLACE = WIDTH - 1
BELOW_ONE = np.float32(1 - 2**-24)
"""A positive (and normal) float32 times this is the next smaller one."""


class SumTree(NamedTuple):
    """Rows of nodes and of leaves; the last row of each is padded with zeros."""

    nodes: Float[Array, "n 16"]
    leaves: Float[Array, "m 16"]
    root: Float[Array, ""]
    """Its value once more: read late from the nodes, it would hold up the next write to them (see
    ``find``)."""


def init(capacity: int) -> SumTree:
    """A tree of ``capacity`` zeros.

    Args:
        capacity: number of leaves, at least 1.

    Raises:
        InputError: where it is not positive.
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
    """The sum of all leaves."""
    return tree.root


def read(tree: SumTree, indices: Int[Array, "n"]) -> Float[Array, "n"]:
    """Leaves at ``indices``."""
    return tree.leaves.reshape(-1).at[indices].get(mode="promise_in_bounds")


def write(tree: SumTree, indices: Int[Array, "n"], values: Float[Array, "n"]) -> SumTree:
    """The tree with ``leaf[indices] = values`` and every ancestor recomputed from its children.

    Duplicate indices are safe: one of their values wins, and all of their ancestors see that one.

    Args:
        tree: nodes and leaves.
        indices: leaves to write ``[n]``, in ``[0, capacity)``.
        values: finite, 0 or normal, and not negative ``[n]``.
    """

    def up(_: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        nodes, places, sums = carry
        nodes, rows = _scatter(nodes, places, sums), places // WIDTH
        return nodes, rows + ROOT_PLACE - 1, running(_gather(nodes, rows))[-1]

    leaves, rows = _scatter(tree.leaves, indices, values), indices // WIDTH
    above = tree.leaves.shape[0]
    carry = (tree.nodes, rows + _first_parent(above), running(_gather(leaves, rows))[-1])
    nodes, places, sums = jax.lax.fori_loop(0, _levels(above), up, carry)
    return SumTree(_scatter(nodes, places, sums), leaves, sums[0])


def find(tree: SumTree, mass: Float[Array, "n"]) -> tuple[Int[Array, "n"], Float[Array, "n"]]:
    """The leaf in whose share of ``[0, total)`` each mass falls: the first i with
    ``mass < leaf[0] + ... + leaf[i]``.

    On each level, a mass that rounding (or the caller) has put outside the node's share is moved to
    its nearest end. The child that is entered then begins at or below the mass and ends above it,
    and so is not empty: a leaf of value 0, padding included, is never returned while the total is
    positive. Masses and partial sums are float32: shares are met to within about 1e-7 of the total.

    Args:
        tree: nodes and leaves, with a positive total.
        mass: in ``[0, total)``, ``[n]``.

    Returns:
        Indices and values of the leaves. The values come from here, not from ``read``, so that
        whoever writes to these indices has to wait for every read of the tree; else the compiler
        may put a copy of the tree between the two.
    """

    def down(_: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        places, mass = carry
        rows = places - (ROOT_PLACE - 1)
        child, mass, _ = _enter(_gather(tree.nodes, rows), mass)
        return WIDTH * rows + child, mass

    above = tree.leaves.shape[0]
    root = jnp.full(mass.shape, ROOT_PLACE, jnp.int32)
    places, mass = jax.lax.fori_loop(0, _levels(above), down, (root, jnp.maximum(mass, 0.0)))
    rows = places - _first_parent(above)
    child, _, values = _enter(_gather(tree.leaves, rows), mass)
    return WIDTH * rows + child, values


def running(rows: Float[Array, "n 16"]) -> list[Float[Array, "n"]]:
    """Running sums of rows, the last of which is the sum: one place after the other, so that all
    paths to a node agree."""
    sums = [rows[:, 0]]
    for i in range(1, WIDTH):
        sums.append(sums[-1] + rows[:, i])
    return sums


def _enter(children: Float[Array, "n 16"], mass: Float[Array, "n"]) -> tuple[Array, Array, Array]:
    """Which child each mass falls to, what of the mass lies in it, and the child's value."""
    ends = running(children)
    mass = jnp.minimum(mass, ends[-1] * BELOW_ONE)
    child, begin, value = jnp.zeros(mass.shape, jnp.int32), jnp.zeros_like(mass), children[:, 0]
    for i, end in enumerate(ends[:-1], start=1):
        passed = mass >= end
        child, begin = child + passed.astype(jnp.int32), jnp.where(passed, end, begin)
        value = jnp.where(passed, children[:, i], value)
    return child, mass - begin, value


def _gather(rows: Float[Array, "m 16"], numbers: Int[Array, "n"]) -> Float[Array, "n 16"]:
    return rows.at[numbers].get(mode="promise_in_bounds")


def _scatter(
    rows: Float[Array, "m 16"], places: Int[Array, "n"], values: Float[Array, "n"]
) -> Float[Array, "m 16"]:
    return rows.reshape(-1).at[places].set(values, mode="promise_in_bounds").reshape(rows.shape)


def _levels(leaf_rows: int) -> int:
    """How far below the root the parents of leaves stand."""
    levels = 0
    while WIDTH**levels < leaf_rows:
        levels += 1
    return levels


def _first_parent(leaf_rows: int) -> int:
    """The place of the parent of row 0 of the leaves: ``1 + 16 + ... + 16^(levels - 1)`` places
    after the root's."""
    return ROOT_PLACE + (WIDTH ** _levels(leaf_rows) - 1) // (WIDTH - 1)
