"""Slate optimisers against brute force, a linear program and a worked example."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from oracles.recsim import best_slate, slate_worth

from lrdqn.ops.slates import (
    OPTIMISERS,
    best,
    exact_slate,
    first_mentions,
    greedy_slate,
    random_slate,
    slate_value,
    top_k_slate,
)

V, Q = [1.0, 0.8, 0.3, 1.9, 0.1, 1.2], [2.0, 5.0, 9.0, 1.5, 10.0, 3.0]


def batch(x: Any) -> jax.Array:
    return jnp.asarray(x, jnp.float32)[None]


@pytest.mark.parametrize(
    ("name", "slate", "worth"),
    [("topk", {1, 5}, 1.9), ("greedy", {1, 2}, 2.16129), ("exact", {1, 2}, 2.16129)],
)
def test_the_worked_example(name: str, slate: set[int], worth: float) -> None:
    """Six items with weights ``V`` and values ``Q``, null weight 2, null value 0."""
    nothing = (batch(2.0), batch(0.0))
    found = OPTIMISERS[name](batch(V), batch(Q), jnp.ones((1, 6), bool), *nothing, 2)
    assert set(np.asarray(found[0]).tolist()) == slate
    assert float(slate_value(batch(V), batch(Q), found, *nothing)[0]) == pytest.approx(
        worth, abs=5e-6
    )


def cases(number: int, items: int, seed: int) -> tuple[np.ndarray, ...]:
    """Return random weights, values, masks that leave at least three candidates, and null items,
    half of them of value 0."""
    rng = np.random.default_rng(seed)
    v, q = rng.uniform(0.05, 2, (number, items)), rng.normal(0, 5, (number, items))
    mask = rng.random((number, items)) < 0.8
    mask[:, :3] = True
    v0, q0 = (
        rng.uniform(0, 3, number),
        np.where(np.arange(number) % 2, rng.normal(0, 5, number), 0.0),
    )
    return (
        *tuple(x.astype(np.float32) for x in (v, q)),
        mask,
        *tuple(x.astype(np.float32) for x in (v0, q0)),
    )


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_exact_slate_is_the_best_of_all(k: int) -> None:
    v, q, mask, v0, q0 = cases(150, 7, seed=k)
    arguments = tuple(map(jnp.asarray, (v, q, mask, v0, q0)))
    found = {name: jax.jit(f, static_argnums=5)(*arguments, k) for name, f in OPTIMISERS.items()}
    told = {
        name: slate_value(arguments[0], arguments[1], slate, *arguments[3:])
        for name, slate in found.items()
    }
    wins = dict.fromkeys(OPTIMISERS, 0)
    for i in range(len(v)):
        most = best_slate(v[i], q[i], np.flatnonzero(mask[i]), v0[i], q0[i], k)
        for name, slates in found.items():
            slate = np.asarray(slates[i])
            assert len(set(slate.tolist())) == k
            assert mask[i, slate].all()
            worth = slate_worth(v[i], q[i], slate.tolist(), v0[i], q0[i])
            assert float(told[name][i]) == pytest.approx(worth, rel=1e-4, abs=1e-4)
            assert worth <= most + 1e-9
            wins[name] += worth > most - 1e-4
    assert wins["exact"] == len(v)
    if k == 3:
        assert wins["topk"] < 0.9 * len(v), "or the cases are too easy to tell"


def test_greedy_can_be_far_off() -> None:
    """The best single item (3 of 4 choose it, worth 4) spoils the slate: 16.5 / 4.5 against 9 /
    2."""
    v, q, mask = batch([3.0, 1.0, 0.5, 0.5]), batch([4.0, 4.0, 9.0, 9.0]), jnp.ones((1, 4), bool)
    for optimiser, worth in ((greedy_slate, 16.5 / 4.5), (exact_slate, 4.5)):
        slate = optimiser(v, q, mask, batch(1.0), batch(0.0), 2)
        assert float(slate_value(v, q, slate, batch(1.0), batch(0.0))[0]) == pytest.approx(worth)


def test_the_exact_slate_solves_the_linear_program() -> None:
    """The program is Charnes and Cooper's: x in [0, 1], sum x = k, the ratio made linear by t = 1 /
    (v_0 + v . x)."""
    v, q, _, v0, q0 = cases(12, 8, seed=9)
    found = exact_slate(*map(jnp.asarray, (v, q, np.ones(v.shape, bool), v0, q0)), 3)
    worth = slate_value(jnp.asarray(v), jnp.asarray(q), found, jnp.asarray(v0), jnp.asarray(q0))
    for i in range(len(v)):
        # y = (x t, t); maximise y . v (q - q0)
        c = np.append(-(v[i] * (q[i] - q0[i])).astype(float), 0.0)
        equal = np.array([np.append(v[i], v0[i]), np.append(np.ones(8), -3.0)], float)
        upper = np.concatenate([np.eye(8), -np.ones((8, 1))], axis=1)
        solved = scipy.optimize.linprog(
            c, upper, np.zeros(8), equal, [1.0, 0.0], bounds=[(0, None)] * 9
        )
        assert float(worth[i]) == pytest.approx(q0[i] - solved.fun, rel=1e-4, abs=1e-4)


def test_nothing_is_worth_something() -> None:
    """A low null value favours a slate of large weight, a high one a slate of small weight; so with
    top-k and greedy."""
    v, q, mask = batch([3.0, 0.1, 2.9, 0.2]), batch([1.0, 1.2, 1.0, 1.2]), jnp.ones((1, 4), bool)
    for optimiser in (top_k_slate, greedy_slate, exact_slate):
        low = optimiser(v, q, mask, batch(1.0), batch(-10.0), 2)
        high = optimiser(v, q, mask, batch(1.0), batch(10.0), 2)
        assert set(np.asarray(low[0]).tolist()) == {0, 2}
        assert set(np.asarray(high[0]).tolist()) == {1, 3}


def test_random_slates_are_uniform_over_the_ordered_ones() -> None:
    """Slates of three with four of six candidates available: all 24 ordered ones are equally
    likely, and uniforms at the ends of [0, 1) give available candidates."""
    mask, n = jnp.array([True, False, True, True, False, True]), 120_000
    u = jax.random.uniform(jax.random.key(0), (n, 3))
    slates = np.asarray(jax.jit(random_slate)(u, jnp.tile(mask, (n, 1))))
    codes, counts = np.unique(slates @ np.array([36, 6, 1]), return_counts=True)
    assert len(codes) == 24
    assert set(slates.ravel().tolist()) == {0, 2, 3, 5}
    assert all(len(set(row)) == 3 for row in slates[:100].tolist())
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    ends = jnp.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    np.testing.assert_array_equal(
        random_slate(ends, jnp.tile(mask, (2, 1))), [[0, 2, 3], [5, 3, 2]]
    )


def test_best_leaves_out_what_is_not_on_offer() -> None:
    scores = batch([5.0, 1.0, float("nan"), 3.0, -jnp.inf])
    offered = jnp.array([[False, True, False, True, True]])
    np.testing.assert_array_equal(best(scores, offered, 3), [[3, 1, 4]])


def test_a_place_that_is_named_again_is_no_first_mention() -> None:
    slates = jnp.array([[4, 1, 4, 4], [0, 1, 2, 3], [2, 2, 0, 0]])
    np.testing.assert_array_equal(
        first_mentions(slates), [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 1, 0]]
    )
    np.testing.assert_array_equal(first_mentions(jnp.array([[7]])), [[1]])


def test_where_too_little_is_on_offer_other_places_fill_the_slate_behind() -> None:
    """All places of a random slate are different, available ones first."""
    mask = jnp.array([[0, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
    u = jax.random.uniform(jax.random.key(0), (3, 4))
    found = np.asarray(jax.jit(random_slate)(u, mask))
    assert set(found[0, :2].tolist()) == {2, 4}
    assert found[0, 2:].tolist() == [0, 1]
    assert found[1].tolist() == [0, 1, 2, 3]
    assert all(len(set(row)) == 4 for row in found.tolist())
