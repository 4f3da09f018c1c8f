"""Losses and their gradients by hand, and their minimisers for a skewed reward."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles.recorded import recorded

from lrdqn.ops.losses import LOSSES, huber

TD = np.array([-3, -1, -0.5, 0, 0.5, 1, 3], np.float32)


@pytest.mark.parametrize(
    ("name", "loss", "grad"),
    [
        ("mse", [4.5, 0.5, 0.125, 0, 0.125, 0.5, 4.5], TD),
        ("huber", [2.5, 0.5, 0.125, 0, 0.125, 0.5, 2.5], [-1, -1, -0.5, 0, 0.5, 1, 1]),
    ],
)
def test_by_hand(name: str, loss: list[float], grad: list[float]) -> None:
    values, slopes = jax.vmap(jax.value_and_grad(LOSSES[name]))(TD)
    np.testing.assert_allclose(values, loss, rtol=1e-7)
    np.testing.assert_allclose(slopes, grad, rtol=1e-7)


def test_huber_of_another_width() -> None:
    values, slopes = jax.vmap(jax.value_and_grad(lambda td: huber(td, 2.0)))(
        jnp.array([1.0, 2.0, -5.0])
    )
    np.testing.assert_allclose(values, [0.5, 2.0, 8.0])
    np.testing.assert_allclose(slopes, [1.0, 2.0, -2.0])


def test_huber_of_a_huge_error_is_finite() -> None:
    value, slope = jax.value_and_grad(huber)(jnp.float32(1e30))
    assert value == jnp.float32(1e30)
    assert slope == 1.0


@pytest.mark.parametrize("name", ["mse", "huber"])
def test_where_it_settles(name: str) -> None:
    """Reward 0 (90 %) or 10 (10 %): the mean under MSE, 1 / 9 under Huber."""
    oracle = recorded("fixed_points")["loss_location"]
    loss = LOSSES[name]

    def step(_: int, q: jax.Array) -> jax.Array:
        return q - 0.05 * jax.grad(lambda q: 0.9 * loss(0.0 - q) + 0.1 * loss(10.0 - q))(q)

    q = jax.lax.fori_loop(0, 2000, step, jnp.float32(5))
    np.testing.assert_allclose(q, oracle["mse" if name == "mse" else "huber_delta1"], atol=1e-3)
