"""Linear schedules against hand-computed points and published anneals."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.ops.schedules import falling, linear


@pytest.mark.parametrize(
    ("start", "end", "steps", "points"),
    [
        (
            1.0,
            0.1,
            1_000_000,
            {-50_000: 1.0, 0: 1.0, 250_000: 0.775, 500_000: 0.55, 1_000_000: 0.1, 1_950_000: 0.1},
        ),
        (1.0, 0.01, 250_000, {0: 1.0, 125_000: 0.505, 250_000: 0.01, 980_000: 0.01}),
        (0.4, 1.0, 100, {0: 0.4, 25: 0.55, 50: 0.7, 100: 1.0, 150: 1.0}),
    ],
)
def test_points(start: float, end: float, steps: int, points: dict[int, float]) -> None:
    traced = jax.jit(jax.vmap(linear, in_axes=(0, None, None, None)), static_argnums=3)
    at = np.array(list(points), np.int32)
    for step in (at, at.astype(np.float32)):
        np.testing.assert_allclose(
            traced(step, np.float32(start), np.float32(end), steps),
            list(points.values()),
            rtol=1e-6,
        )


@pytest.mark.parametrize(("start", "end"), [(1.0, 0.05), (0.4, 1.0), (0.3, 0.3), (0.1, 0.7)])
def test_ends_are_exact(start: float, end: float) -> None:
    anneal = jax.jit(lambda step: linear(step, start, end, 7))
    assert anneal(jnp.int32(0)) == jnp.float32(start)
    assert anneal(jnp.int32(7)) == jnp.float32(end)
    assert anneal(jnp.int32(2**31 - 1)) == jnp.float32(end)


def test_start_and_end_can_be_a_vmapped_axis() -> None:
    got = jax.vmap(linear, in_axes=(None, 0, 0, None))(
        jnp.int32(5), jnp.array([0.0, 1.0]), jnp.array([1.0, 3.0]), 10
    )
    np.testing.assert_allclose(got, [0.5, 2.0])
    assert got.dtype == jnp.float32


@pytest.mark.parametrize(
    ("share", "points"),
    [(1.0, {0: 2.5e-4, 25: 1.875e-4, 100: 0.0, 200: 0.0}), (0.5, {50: 1.875e-4})],
)
def test_a_rate_falls_by_its_share(share: float, points: dict[int, float]) -> None:
    got = [falling(jnp.int32(step), 2.5e-4, share, 100) for step in points]
    np.testing.assert_allclose(got, list(points.values()), rtol=1e-6)


def test_a_rate_that_loses_nothing_does_not_change_by_a_bit() -> None:
    for step in (0, 1, 3, 7, 99, 100, 2**31 - 1):
        assert falling(jnp.int32(step), 1.7e-3, 0.0, 100) == jnp.float32(1.7e-3)
