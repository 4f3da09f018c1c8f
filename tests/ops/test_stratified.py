"""Draws from equal parts: their range, and digits enough for large memories."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.ops.stratified import strata


@pytest.mark.parametrize("n", [1, 7, 256, 1000])
@pytest.mark.parametrize("total", [1e-30, 0.7, 3e7])
def test_each_draw_lies_in_its_part(n: int, total: float) -> None:
    keys = jax.random.split(jax.random.key(0), 500)
    mass = np.asarray(jax.jit(jax.vmap(lambda key: strata(key, n, jnp.float32(total))))(keys))
    assert mass.dtype == np.float64
    place = mass / np.float64(np.float32(total)) * n - np.arange(n)
    assert place.min() > -1e-9
    assert place.max() < 1 + 1e-9
    assert (mass < np.float32(total)).all()
    assert abs(place.mean() - 0.5) < 5 / np.sqrt(12 * place.size)


def test_the_last_of_many_parts_has_as_many_values_as_the_first() -> None:
    """Draws of one part differ, and their digits far behind float32's are uniform."""
    keys = jax.random.split(jax.random.key(1), 20_000)
    mass = jax.jit(jax.vmap(lambda key: strata(key, 256, jnp.float32(1.0))[-1]))(keys)
    assert len(np.unique(mass)) == len(keys)
    digits = np.asarray(mass) * 2.0**40 % 1
    assert abs(np.histogram(digits, 10)[0] / 2000 - 1).max() < 0.12
