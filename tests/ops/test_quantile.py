"""The quantile loss: numbers by hand, loops, and its minimisers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles.distributions import quantile_loss

from lrdqn.ops.quantile import midpoints, quantile_huber


def f32(x: Any) -> Any:
    return np.asarray(x, np.float32)


def test_midpoints_by_hand() -> None:
    np.testing.assert_array_equal(midpoints(4), f32([0.125, 0.375, 0.625, 0.875]))
    np.testing.assert_array_equal(midpoints(1), f32([0.5]))
    assert midpoints(51).dtype == np.float32


@pytest.mark.parametrize(
    ("kappa", "want"),
    [
        # u = (0.5, 3) at tau 1/4 and (-0.5, 2) at tau 3/4
        (1.0, 0.25 * (0.125 + 2.5) / 2 + (0.25 * 0.125 + 0.75 * 1.5) / 2),
        (2.0, 0.25 * (0.125 + 4.0) / 2 / 2 + (0.25 * 0.125 + 0.75 * 2.0) / 2 / 2),
        (0.0, 0.25 * (0.5 + 3.0) / 2 + (0.25 * 0.5 + 0.75 * 2.0) / 2),
    ],
)
def test_by_hand(kappa: float, want: float) -> None:
    assert quantile_huber(jnp.array([0.0, 1.0]), jnp.array([0.5, 3.0]), kappa) == pytest.approx(
        want, rel=1e-6
    )


@pytest.mark.parametrize("kappa", [0.0, 0.3, 1.0, 5.0])
@pytest.mark.parametrize(("k", "samples"), [(1, 1), (4, 4), (7, 3), (51, 51)])
def test_equals_the_loops(kappa: float, k: int, samples: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        theta, y = f32(rng.normal(size=k)), f32(rng.normal(1, 2, samples))
        np.testing.assert_allclose(
            quantile_huber(theta, y, kappa), quantile_loss(theta, y, kappa), rtol=1e-5
        )


def test_narrow_parabola_is_the_plain_loss() -> None:
    rng = np.random.default_rng(1)
    theta, y = f32(rng.normal(size=9)), f32(rng.normal(size=9))
    np.testing.assert_allclose(
        quantile_huber(theta, y, 1e-6), quantile_huber(theta, y, 0.0), rtol=1e-5
    )


def test_slope_is_bounded_by_the_level() -> None:
    """The slope per quantile is within [-tau, 1 - tau] for every error and kappa, and at those ends
    for large errors."""
    theta, tau = jnp.zeros(4), midpoints(4)
    for kappa in (0.0, 0.5, 1.0):
        slope = jax.grad(quantile_huber)
        np.testing.assert_allclose(slope(theta, jnp.array([1e30]), kappa), -tau, rtol=1e-6)
        np.testing.assert_allclose(slope(theta, jnp.array([-1e30]), kappa), 1 - tau, rtol=1e-6)


@pytest.mark.parametrize("n", [11, 24])
def test_plain_loss_is_least_at_the_quantiles_of_the_sample(n: int) -> None:
    """The tau-quantile of n numbers is the ceil(tau n)-th smallest: no other sample value, nor a
    point next to it, has a smaller loss."""
    y = f32(np.sort(np.random.default_rng(2).normal(size=n)))
    tau = (2 * np.arange(5) + 1) / 10
    best = y[np.ceil(tau * n).astype(int) - 1]
    least = float(quantile_huber(best, y, 0.0))
    assert least == pytest.approx(quantile_loss(best, y, 0), rel=1e-5)
    other = np.concatenate([y, y - 0.01, y + 0.01])
    for i in range(5):
        tried = np.tile(best, (len(other), 1))
        tried[:, i] = other
        losses = jax.vmap(lambda theta: quantile_huber(theta, jnp.asarray(y), 0.0))(tried)
        assert losses.min() >= least - 1e-6
        assert losses[other != best[i]].max() > least + 1e-3


def test_descent_finds_the_quantiles() -> None:
    """If tau n is an integer, the minimum is flat between two neighbours: descent stops strictly
    between them."""
    y = jnp.asarray(
        np.random.default_rng(3).permutation(8), jnp.float32
    )  # tau n = 2 and 6: [1, 2] and [5, 6]
    step = jax.jit(lambda theta: theta - 0.1 * jax.grad(quantile_huber)(theta, y, 0.0))
    theta = jnp.array([9.33, -4.77])
    for _ in range(1500):
        theta = step(theta)
    assert 1 <= theta[0] <= 2
    assert 5 <= theta[1] <= 6
    np.testing.assert_allclose(jax.grad(quantile_huber)(theta, y, 0.0), 0, atol=1e-7)


def test_one_quantile_under_a_wide_parabola_is_the_mean() -> None:
    y = jnp.array([0.0, 1.0, 5.0])
    np.testing.assert_allclose(jax.grad(quantile_huber)(jnp.array([2.0]), y, 100.0), 0, atol=1e-7)


def test_a_batch_is_refused() -> None:
    with pytest.raises(AssertionError, match="rank"):
        quantile_huber(jnp.zeros((2, 3)), jnp.zeros(3), 1.0)
