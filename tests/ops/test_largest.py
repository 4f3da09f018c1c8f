"""Places of the largest values against ``jax.lax.top_k``."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.ops.largest import largest
from lrdqn.ops.masking import MASKED


@pytest.mark.parametrize("count", [1, 3, 7])
def test_the_places_are_those_of_top_k(count: int) -> None:
    rng = np.random.default_rng(count)
    x = rng.integers(-3, 4, (200, 7)).astype(np.float32)  # with many ties
    x[rng.random(x.shape) < 0.2] = MASKED
    found = largest(jnp.asarray(x), count)
    np.testing.assert_array_equal(found, jax.lax.top_k(jnp.asarray(x), count)[1])
    assert found.dtype == jnp.int32
    order = jnp.asarray(-np.arange(14).reshape(2, 7) % 5)
    np.testing.assert_array_equal(largest(order, count), jax.lax.top_k(order, count)[1])
