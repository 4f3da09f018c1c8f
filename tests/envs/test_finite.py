"""Observations of other packages' environments: what is not finite is replaced and counted."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lrdqn.envs.finite import finite_observations
from lrdqn.types import Env, EnvSpec, TimeStep

SPEC = EnvSpec("odd", 3, 2, 1, "vector", 10, (2,))


def make_odd(bad: float) -> Env:
    """Session 0 shows ``bad`` at age 2, session 1 in the last observation at age 3, session 2
    never."""

    def seen(age: Array) -> Array:
        odd = jnp.stack([age == 2, age == 3, jnp.zeros_like(age, bool)])[jnp.arange(3)]
        x = jnp.where(jnp.diagonal(odd), bad, age.astype(jnp.float32))
        return jnp.stack([x, jnp.ones(3)], axis=1)

    def reset(key: Array, world: Any) -> tuple[Array, Array]:
        return jnp.zeros(3, jnp.int32), seen(jnp.zeros(3, jnp.int32)).at[2, 1].set(bad)

    def step(key: Array, age: Array, action: Array, world: Any) -> tuple[Array, TimeStep]:
        age = age + 1
        end = age == 3
        following = jnp.where(end, 0, age)
        no = jnp.zeros(3, bool)
        t = TimeStep(seen(following), jnp.ones(3), end, no, seen(age), jnp.ones(3), {"x": age})
        return following, t

    return Env(SPEC, reset, step, lambda world: ())


def test_they_are_replaced_by_zero_and_counted_by_session() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        env = finite_observations(make_odd(bad))
        state, obs = env.reset(jax.random.key(0), ())
        np.testing.assert_array_equal(obs, [[0, 1], [0, 1], [0, 0]])
        found = []
        for _ in range(4):
            state, t = env.step(jax.random.key(1), state, jnp.zeros(3, jnp.int32), ())
            assert np.isfinite(t.obs).all()
            assert np.isfinite(t.final_obs).all()
            assert set(t.info) == {"x", "nonfinite_observations"}
            found.append(np.asarray(t.info["nonfinite_observations"]).tolist())
        assert found == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_integers_are_left_as_they_are() -> None:
    env = make_odd(0.0)

    def reset(key: Array, world: Any) -> tuple[Array, Array]:
        return env.reset(key, world)[0], jnp.ones((3, 2), jnp.uint8)

    whole = env._replace(reset=reset)
    assert finite_observations(whole).reset(jax.random.key(0), ())[1].dtype == jnp.uint8
