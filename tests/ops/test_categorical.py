"""Projection onto the grid and the loss on it: recorded numbers, a split in loops, and conserved
quantities."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import distributions
from oracles.recorded import recorded

from lrdqn.config import InputError
from lrdqn.ops.categorical import categorical_loss, project, support

drawn = settings(max_examples=200, deadline=None, derandomize=True, database=None)
projected = jax.jit(project)

ATOMS = 8
places = st.lists(st.floats(-5, 5, width=32), min_size=ATOMS, max_size=ATOMS)
masses = st.lists(st.floats(0, 1, width=32), min_size=ATOMS, max_size=ATOMS).filter(
    lambda p: sum(p) > 0.01
)
grids = st.sampled_from([(2, -2.0, 3.0), (9, -2.0, 2.0), (51, -2.0, 5.0), (51, 1000.0, 1001.0)])


def f32(x: Any) -> Any:
    return np.asarray(x, np.float32)


def on(z: Any, z_p: list[float], mass: list[float]) -> tuple[Any, Any, Any]:
    """Return positions measured from the middle of the grid in half lengths, so that each grid is
    over- and undershot; in float32."""
    middle, half = (float(z[0]) + float(z[-1])) / 2, (float(z[-1]) - float(z[0])) / 2
    at = f32(middle + half * np.array(z_p) / 3)
    probs = f32(np.array(mass) / np.sum(mass))
    return at, probs, np.asarray(projected(at, probs, z), np.float64)


def test_support_by_hand() -> None:
    z = support(9, -2.0, 2.0)
    np.testing.assert_array_equal(z, np.arange(9) / 2 - 2)
    assert z.dtype == np.float32


@pytest.mark.parametrize(
    ("atoms", "v_min", "v_max"),
    [
        (1, 0, 1),
        (0, 0, 1),
        (3, 1, 1),
        (3, 2, 1),
        (3, np.nan, 1),
        (3, -np.inf, 1),
        (3, 0, 1e39),
        (51, 1e8, 1e8 + 1),
    ],
)
def test_support_refuses(atoms: int, v_min: float, v_max: float) -> None:
    with pytest.raises(InputError, match=r"categorical values: .*(atoms|v_min)"):
        support(atoms, v_min, v_max)


@pytest.mark.parametrize(
    ("name", "r", "discount"),
    [
        ("r0.3_g0.9", 0.3, 0.9),
        ("r1_terminal", 1.0, 0.0),
        ("r5_clipped", 5.0, 0.0),
        ("r0.5_g1_on_atoms", 0.5, 1.0),
    ],
)
def test_recorded_projections(name: str, r: float, discount: float) -> None:
    """The source distribution is read off the two recorded results that determine it: a shift by
    one atom, and the first."""
    oracle = recorded("targets")
    z, probs = (
        jnp.asarray(support(9, -2.0, 2.0)),
        jnp.array([0.05, 0.1, 0.05, 0.2, 0.25, 0.05, 0.1, 0.15, 0.05]),
    )
    m = project(r + discount * z, probs, z)
    np.testing.assert_allclose(m, oracle["c51_projection"][name], rtol=0, atol=1e-6)
    np.testing.assert_allclose(jnp.sum(m), oracle["c51_mass"][name], rtol=0, atol=1e-6)


@drawn
@given(grids, places, masses)
def test_equals_the_split_in_loops(
    grid: tuple[int, float, float], z_p: list[float], mass: list[float]
) -> None:
    z = support(*grid)
    at, probs, m = on(z, z_p, mass)
    want = distributions.project(at.tolist(), probs.tolist(), z.astype(np.float64).tolist())
    np.testing.assert_allclose(m, want, rtol=0, atol=2e-6)


@drawn
@given(grids, places, masses)
def test_mass_and_mean_are_kept(
    grid: tuple[int, float, float], z_p: list[float], mass: list[float]
) -> None:
    z = support(*grid)
    at, probs, m = on(z, z_p, mass)
    assert m.min() >= 0
    np.testing.assert_allclose(m.sum(), 1, rtol=0, atol=1e-6)
    inside = np.clip(at, z[0], z[-1]).astype(np.float64)
    # Measured from the lowest atom and in lengths of the grid: float32 cannot place a mean of 1000
    # to 1e-6.
    length = float(z[-1]) - float(z[0])
    np.testing.assert_allclose(
        (m @ (z - float(z[0]))) / length, probs @ (inside - float(z[0])) / length, rtol=0, atol=2e-6
    )


@pytest.mark.parametrize(
    "grid",
    [(2, -2.0, 3.0), (51, -10.0, 10.0), (51, -2.0, 5.0), (1000, 0.1, 0.7), (33, 1000.0, 1001.0)],
)
def test_atoms_on_the_grid_stay_where_they_are(grid: tuple[int, float, float]) -> None:
    """No mass is lost where floor and ceiling coincide, on the real grid and not only on one of
    round numbers."""
    z = support(*grid)
    probs = np.random.default_rng(0).dirichlet(np.ones(len(z))).astype(np.float32)
    np.testing.assert_allclose(projected(z, probs, z), probs, rtol=1e-6, atol=1e-7)


@given(st.floats(-3, 6, width=32))
@drawn
def test_an_atom_moves_at_most_two(place: float) -> None:
    z = support(51, -2.0, 5.0)
    m = np.asarray(projected(f32([place]), f32([1]), z))
    near = np.flatnonzero(m > 1e-6)
    assert len(near) in (1, 2)
    assert near[-1] - near[0] <= 1
    if z[0] <= place <= z[-1]:
        assert np.abs(z[near] - place).max() <= 0.14 + 1e-5  # the step of this grid


def test_uneven_grids_keep_mass_and_mean() -> None:
    z, at = f32([-1, 0, 0.25, 3]), f32([-0.5, 0.1, 1.0, 2.9])
    m = project(jnp.asarray(at), jnp.full(4, 0.25), jnp.asarray(z))
    np.testing.assert_allclose(
        m, distributions.project(at.tolist(), [0.25] * 4, z.tolist()), atol=1e-7
    )
    np.testing.assert_allclose(m @ z, at.mean(), rtol=1e-6)


def test_order_of_the_atoms_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    z, at, probs = (
        support(9, -2.0, 2.0),
        rng.normal(size=20).astype(np.float32),
        rng.dirichlet(np.ones(20)).astype(np.float32),
    )
    order = rng.permutation(20)
    np.testing.assert_allclose(
        projected(at, probs, z), projected(at[order], probs[order], z), atol=1e-6
    )


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_broken_atom_is_seen(bad: float) -> None:
    """An atom that is not finite gives NaN; clipped to the end of the grid it would be learnt
    from."""
    z = support(5, -1.0, 1.0)
    assert np.isnan(projected(f32([0.0, bad]), f32([0.5, 0.5]), z)).any()


def test_loss_by_hand() -> None:
    """For an even prediction over 4, the cross-entropy is log 4 for every target, and the
    divergence log 4 less the target's entropy."""
    loss, divergence = categorical_loss(jnp.zeros(4), jnp.array([0.5, 0.5, 0.0, 0.0]))
    np.testing.assert_allclose(loss, np.log(4), rtol=1e-6)
    np.testing.assert_allclose(divergence, np.log(2), rtol=1e-6)


def test_loss_equals_the_loops_and_its_gradient_is_the_difference() -> None:
    rng = np.random.default_rng(2)
    logits = f32(rng.normal(0, 3, (100, 11)))
    target = f32(rng.dirichlet(np.full(11, 0.3), 100))
    target[:20] = np.eye(11, dtype=np.float32)[rng.integers(0, 11, 20)]
    (loss, divergence), slopes = jax.vmap(jax.value_and_grad(categorical_loss, has_aux=True))(
        logits, target
    )
    want = np.array(
        [
            distributions.categorical_loss(*pair)
            for pair in zip(logits.tolist(), target.tolist(), strict=True)
        ]
    )
    np.testing.assert_allclose(loss, want[:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(divergence, want[:, 1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slopes, jax.nn.softmax(logits) - target, rtol=0, atol=2e-6)


def test_divergence_is_small_near_the_target_and_never_negative() -> None:
    rng = np.random.default_rng(3)
    logits = f32(rng.normal(size=(200, 51)))
    moved = f32(logits + 1e-2 * rng.normal(size=logits.shape))
    target = jax.nn.softmax(logits)
    same, near = (
        jax.vmap(categorical_loss)(x, target)[1] for x in (jnp.asarray(logits), jnp.asarray(moved))
    )
    assert np.all(same >= 0)
    assert np.all(same < 1e-6)
    assert np.all(near >= 0)
    target64 = [distributions.softmax(row) for row in logits.tolist()]
    want = [
        distributions.categorical_loss(x, m)[1]
        for x, m in zip(moved.tolist(), target64, strict=True)
    ]
    # Values of about 5e-5, from logarithms of about 4 that are rounded to 2e-7 each.
    np.testing.assert_allclose(near, want, rtol=0, atol=5e-7)


def test_no_mass_asks_nothing() -> None:
    """A logit of minus infinity where the target has no mass gives no 0 * inf, neither in the loss
    nor in its gradient."""
    logits, target = jnp.array([0.0, 1.0, -jnp.inf]), jnp.array([0.25, 0.75, 0.0])
    (loss, divergence), slope = jax.value_and_grad(categorical_loss, has_aux=True)(logits, target)
    want = distributions.categorical_loss([0.0, 1.0], [0.25, 0.75])
    np.testing.assert_allclose([loss, divergence], want, rtol=0, atol=1e-6)
    assert np.isfinite(slope).all()
    assert slope[2] == 0


def test_no_gradient_flows_into_the_target() -> None:
    slope = jax.grad(lambda m: categorical_loss(jnp.arange(3.0), m)[0])(jnp.array([0.2, 0.3, 0.5]))
    np.testing.assert_array_equal(slope, 0)
