"""The sum tree in lockstep with a list that is summed afresh, and the invariants that rounding must
not break."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles.sum_tree import FlatSums, running_sums, shares

from lrdqn.config import InputError
from lrdqn.ops import sum_tree
from lrdqn.ops.sum_tree import WIDTH, SumTree

write = jax.jit(sum_tree.write)
find = jax.jit(sum_tree.find)

CAPACITIES = [1, 13, 16, 17, 250, 257, 5000]
"""From one level below the root to four, full and padded."""

CHUNK = 64


def filled(values: np.ndarray) -> SumTree:
    values = np.asarray(values, np.float32)
    return write(sum_tree.init(len(values)), np.arange(len(values), dtype=np.int32), values)


def leaves_of(tree: SumTree, capacity: int) -> np.ndarray:
    return np.asarray(sum_tree.read(tree, jnp.arange(capacity)))


def check_invariants(tree: SumTree, capacity: int) -> None:
    """Assert that every parent is the sum of its children, bit for bit, and that all padding is
    0."""
    nodes, leaves = np.asarray(tree.nodes), np.ravel(tree.leaves)
    assert not np.any(leaves[capacity:])
    levels = [running_sums(leaves.reshape(-1, WIDTH))]
    while len(levels[0]) > 1:
        padded = np.pad(levels[0], (0, -len(levels[0]) % WIDTH))
        levels.insert(0, running_sums(padded.reshape(-1, WIDTH)))
    expected = np.zeros(nodes.size, np.float32)
    first = WIDTH - 1
    for number, level in enumerate(levels):
        expected[first : first + len(level)] = level
        first += WIDTH**number
    np.testing.assert_array_equal(np.ravel(nodes), expected)
    assert tree.root == levels[0][0]


def find_all(tree: SumTree, mass: np.ndarray) -> np.ndarray:
    """Call ``find`` in chunks of one size, so that it is compiled once for each shape of tree."""
    chunks = np.resize(mass, (-(-len(mass) // CHUNK), CHUNK)).astype(np.float32)
    found, values = zip(*(find(tree, chunk) for chunk in chunks), strict=True)
    np.testing.assert_array_equal(
        np.concatenate(values), sum_tree.read(tree, np.concatenate(found))
    )
    return np.concatenate(found)[: len(mass)]


@jax.jit
def write_all(tree: SumTree, indices: jax.Array, values: jax.Array) -> tuple[SumTree, jax.Array]:
    """Write many batches, and return the total after each."""

    def one(tree: SumTree, batch: tuple[jax.Array, jax.Array]) -> tuple[SumTree, jax.Array]:
        tree = sum_tree.write(tree, *batch)
        return tree, sum_tree.total(tree)

    return jax.lax.scan(one, tree, (indices, values))


def test_golden_draws() -> None:
    tree = filled(np.array([1, 2, 0, 1]))
    share = np.array([0, 0.2499, 0.25, 0.7499, 0.75, 0.999999], np.float32)
    np.testing.assert_array_equal(find_all(tree, share * np.float32(4)), [0, 0, 1, 1, 3, 3])
    assert sum_tree.total(tree) == 4
    np.testing.assert_array_equal(sum_tree.read(tree, jnp.array([3, 1])), [1, 2])


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_lockstep_with_a_list(capacity: int) -> None:
    """Writes are random, zeros and duplicates among them; then masses cover the total."""
    rng = np.random.default_rng(capacity)
    rounds, batch = 100, 20
    indices = rng.integers(0, capacity, (rounds, batch)).astype(np.int32)
    values = (rng.pareto(1.5, (rounds, capacity)) * rng.integers(0, 2, (rounds, capacity))).astype(
        np.float32
    )
    # Duplicates in one batch are given one value here: which of two is stored is not specified.
    values = np.take_along_axis(values, indices, axis=1)
    values[-1, 0] = 1.0
    values[-1, indices[-1] == indices[-1, 0]] = 1.0
    twin, totals = FlatSums(capacity), []
    for one, value in zip(indices, values, strict=True):
        twin.write(one, value)
        totals.append(twin.total())
    tree, got = write_all(sum_tree.init(capacity), indices, values)
    np.testing.assert_allclose(got, totals, rtol=1e-6, atol=0)
    np.testing.assert_array_equal(leaves_of(tree, capacity), twin.leaves)
    check_invariants(tree, capacity)

    mass = (rng.random(CHUNK) * float(sum_tree.total(tree)) * (1 - 1e-6)).astype(np.float32)
    rounding = 1e-6 * twin.total()
    for index, m in zip(find_all(tree, mass), mass, strict=True):
        assert index < capacity
        assert twin.leaves[index] > 0
        assert index == twin.find(float(m)) or twin.distance(int(index), float(m)) < rounding


def test_of_several_values_for_one_leaf_the_largest_is_stored() -> None:
    capacity = 5000
    indices = np.array([3, 700, 3, 3, 700, 5], np.int32)
    values = np.array([1, 2, 8, 4, 16, 0.5], np.float32)
    order = np.random.default_rng(0).permutation(6)
    for places in (np.arange(6), np.arange(6)[::-1], order):
        tree = write(filled(np.full(capacity, 9.0)), indices[places], values[places])
        leaves = leaves_of(tree, capacity)
        assert (leaves[3], leaves[700], leaves[5]) == (8, 16, 0.5)
        check_invariants(tree, capacity)


@pytest.mark.parametrize("law", ["of TD errors", "heavy tail", "a few outliers"])
@pytest.mark.parametrize("capacity", [2**14, 2**20, pytest.param(2**24, marks=pytest.mark.slow)])
def test_every_leaf_is_found_with_its_probability(capacity: int, law: str) -> None:
    """Shares of the last leaves and of others: their length is ``leaf / total``, and ``find``
    begins and ends them within a millionth of it, or of what float64 can tell."""
    rng = np.random.default_rng(0)
    td = np.abs(rng.standard_normal(capacity)) + 1e-3
    if law == "heavy tail":
        td = np.exp(4 * rng.standard_normal(capacity))
    elif law == "a few outliers":
        td[rng.choice(capacity, 30)] *= 1e6
    leaves = (td**0.6).astype(np.float32)
    tree = filled(leaves)
    chosen = np.concatenate([np.arange(capacity - 4000, capacity), rng.choice(capacity, 4000)])
    begin, length = shares(tree, chosen)
    exact = leaves[chosen].astype(np.float64) / leaves.astype(np.float64).sum()
    np.testing.assert_allclose(length, exact, rtol=2e-6)
    total = np.float64(tree.root)
    with jax.enable_x64(True):
        edge = np.minimum(1e-6 + 2.0**-50 / length, 0.5)
        for place in (edge, 0.5, 1 - edge):
            found, values = find(tree, jnp.asarray((begin + place * length) * total))
            np.testing.assert_array_equal(found, chosen)
            np.testing.assert_array_equal(values, leaves[chosen])


def test_root_does_not_drift() -> None:
    """After 200,000 random writes the root is the sum of the leaves; after all leaves are set to
    zero it is exactly 0."""
    capacity, batch, rounds = 20_000, 64, 3000
    rng = np.random.default_rng(0)
    indices = rng.integers(0, capacity, (rounds, batch)).astype(np.int32)
    values = (rng.pareto(1.2, (rounds, batch)) + 1e-3).astype(np.float32)
    tree, totals = write_all(sum_tree.init(capacity), indices, values)
    exact = np.sum(leaves_of(tree, capacity), dtype=np.float64)
    assert abs(float(totals[-1]) - exact) < 1e-6 * exact
    check_invariants(tree, capacity)
    empty = write(tree, np.arange(capacity, dtype=np.int32), np.zeros(capacity, np.float32))
    assert not any(np.any(x) for x in empty)


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_one_leaf_takes_every_mass(capacity: int) -> None:
    """The only positive leaf is found for masses below, at and beyond the total, wherever it is."""
    for index in {0, capacity // 3, capacity // 2, capacity - 1}:
        tree = write(
            sum_tree.init(capacity), np.array([index], np.int32), np.array([0.7], np.float32)
        )
        mass = np.array(
            [0, 1e-30, 0.35, 0.7, np.nextafter(np.float32(0.7), np.float32(1)), 5], np.float32
        )
        np.testing.assert_array_equal(find_all(tree, mass), np.full(6, index))


@pytest.mark.parametrize("seed", range(4))
def test_zero_leaves_are_never_found(seed: int) -> None:
    """Values span sixty orders of magnitude, most of them 0; masses are on the boundaries between
    leaves and past both ends."""
    rng = np.random.default_rng(seed)
    capacity = 250
    values = np.where(rng.random(capacity) < 0.3, 10.0 ** rng.uniform(-30, 30, capacity), 0).astype(
        np.float32
    )
    values[:20] = values[-20:] = 0
    tree = filled(values)
    total = np.float32(sum_tree.total(tree))
    edges = np.cumsum(values, dtype=np.float32)
    mass = np.concatenate(
        [edges, np.nextafter(edges, np.float32(0)), rng.random(300).astype(np.float32) * total]
    )
    mass = np.concatenate(
        [mass, np.array([-1, 0, total, np.nextafter(total, np.float32(np.inf))], np.float32)]
    )
    found = find_all(tree, mass)
    assert found.max() < capacity
    assert np.all(values[found] > 0)


def test_draws_follow_the_leaves() -> None:
    """Chi-square of independent draws; the limits are the 99.9 % points for 7 and 4095 degrees of
    freedom."""
    rng = np.random.default_rng(0)
    capacity, draws = 4096, 400_000
    u = rng.random(draws).astype(np.float32)
    few = np.zeros(capacity)
    few[rng.choice(capacity, 8, replace=False)] = (
        np.array([0.1, 0.5, 1, 2, 4, 0.25, 3, 0.75]) ** 0.6
    )
    for values, limit in ((few, 24.3), (np.abs(rng.standard_t(2, capacity)), 4380)):
        tree = filled(values)
        counts = np.bincount(
            np.asarray(find(tree, u * np.float32(sum_tree.total(tree)))[0]), minlength=capacity
        )
        expected = draws * values / values.sum()
        assert not np.any(counts[values == 0])
        assert np.sum(((counts - expected) ** 2)[values > 0] / expected[values > 0]) < limit


def test_bad_capacity() -> None:
    with pytest.raises(InputError, match="capacity=0"):
        sum_tree.init(0)
