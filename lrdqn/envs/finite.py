"""Observations of environments whose laws are not lrdqn's own, kept finite."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Int, PRNGKeyArray

from lrdqn.types import Env, PyTree, TimeStep


def finite_observations(env: Env) -> Env:
    """Return the environment with 0 for each number of an observation that is not finite.

    One NaN in a network's input makes the network's parameters NaN. ``info`` tells how many
    observations of each session were mended, ``nonfinite_observations [N]``.
    """

    def bad_numbers(obs: PyTree) -> Int[Array, "N"]:
        count = jnp.zeros(env.spec.sessions, jnp.int32)
        for x in jax.tree.leaves(obs):
            if jnp.issubdtype(x.dtype, jnp.inexact):
                odd = ~jnp.isfinite(x)
                count += jnp.any(odd.reshape(env.spec.sessions, -1), axis=1).astype(jnp.int32)
        return count

    def mended(obs: PyTree) -> PyTree:
        return jax.tree.map(
            lambda x: (
                jnp.where(jnp.isfinite(x), x, 0) if jnp.issubdtype(x.dtype, jnp.inexact) else x
            ),
            obs,
        )

    def reset(key: PRNGKeyArray, world: PyTree) -> tuple[PyTree, PyTree]:
        state, obs = env.reset(key, world)
        return state, mended(obs)

    def step(
        key: PRNGKeyArray, state: PyTree, action: Array, world: PyTree
    ) -> tuple[PyTree, TimeStep]:
        state, t = env.step(key, state, action, world)
        found = bad_numbers(t.final_obs) + jnp.where(
            t.terminated | t.truncated, bad_numbers(t.obs), 0
        )
        info = t.info | {"nonfinite_observations": found}
        return state, t._replace(obs=mended(t.obs), final_obs=mended(t.final_obs), info=info)

    return env._replace(reset=reset, step=step)
