"""The live world in gymnax's shape: pure functions of one session, which the caller vmaps."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PRNGKeyArray

from lrdqn.envs.live.world import LiveParams
from lrdqn.networks.flatten import flatten
from lrdqn.observations import LiveObs
from lrdqn.types import Env, PyTree


class Params(NamedTuple):
    """What gymnax calls an environment's parameters."""

    world: LiveParams
    max_steps_in_episode: int


class Discrete(NamedTuple):
    """Actions 0 to n - 1."""

    n: int
    shape: tuple[int, ...] = ()
    dtype: Any = jnp.int32

    def sample(self, key: PRNGKeyArray) -> Array:
        """Any of them."""
        return jax.random.randint(key, self.shape, 0, self.n, self.dtype)

    def contains(self, x: Any) -> Array:
        """Whether ``x`` is one of them."""
        return jnp.logical_and(x >= 0, x < self.n)


class Box(NamedTuple):
    """Arrays of one shape."""

    low: float
    high: float
    shape: tuple[int, ...]
    dtype: Any = jnp.float32

    def sample(self, key: PRNGKeyArray) -> Array:
        """A normal vector: there are no bounds to draw between."""
        return jax.random.normal(key, self.shape).astype(self.dtype)

    def contains(self, x: Any) -> Array:
        """Whether ``x`` has the shape and lies within."""
        return jnp.all((x >= self.low) & (x <= self.high)) & (x.shape == self.shape)


class LiveGymnax:
    """One session of the live world. Sessions that end begin anew in the same step, as another
    viewer's.

    Without gymnax's own ``step_env``: resetting is a part of this world's step.

    Args:
        env: the live world for one session.
        world: its parameters, the default ones.
        flat: observations are vectors (``interop.flatten``); else ``LiveObs`` without the axis N.
        legacy: the five values of gymnax before 1.0.
    """

    name = "lrdqn-live"

    def __init__(self, env: Env, world: LiveParams, flat: bool, legacy: bool) -> None:
        self.env, self.world, self.flat, self.legacy = env, world, flat, legacy

    @property
    def default_params(self) -> Params:
        """The world, and the decisions after which an episode is cut (``env.horizon``, which is
        compiled in)."""
        return Params(self.world, self.env.spec.horizon)

    @property
    def num_actions(self) -> int:
        """Places of a request."""
        return self.env.spec.actions

    def action_space(self, params: Params | None = None) -> Discrete:
        """Places of a request."""
        del params
        return Discrete(self.env.spec.actions)

    def observation_space(self, params: Params | None = None) -> Any:
        """A ``Box``; without ``flat`` a ``LiveObs`` of them."""
        params = params or self.default_params
        obs, _ = jax.eval_shape(self.reset, jax.random.key(0), params)
        return jax.tree.map(lambda x: Box(-jnp.inf, jnp.inf, x.shape, x.dtype), obs)

    def reset(self, key: PRNGKeyArray, params: Params | None = None) -> tuple[PyTree, PyTree]:
        """``obs, state``"""
        world = (params or self.default_params).world
        state, obs = self.env.reset(key, world)
        return self.shown(obs, world), state

    def step(
        self, key: PRNGKeyArray, state: PyTree, action: Array, params: Params | None = None
    ) -> tuple[Any, ...]:
        """``obs, state, reward, terminated, truncated, info``, or
        ``obs, state, reward, done, info``.

        ``info`` has what the world tells of the step and, as in gymnax 1.x, ``final_observation``,
        the observation before any reset; ``action_mask`` says which places of ``obs`` are on air
        and ``elapsed`` how many units of discount went by.
        """
        world = (params or self.default_params).world
        state, t = self.env.step(key, state, jnp.asarray(action, jnp.int32)[None], world)
        reward, terminated, truncated, elapsed = (
            x[0] for x in (t.reward, t.terminated, t.truncated, t.elapsed)
        )
        info = {name: value[0] for name, value in t.info.items()}
        info |= {
            "terminated": terminated,
            "truncated": truncated,
            "elapsed": elapsed,
            "action_mask": t.obs.mask[0],
        }
        info["final_observation"] = self.shown(t.final_obs, world)
        obs = self.shown(t.obs, world)
        if self.legacy:
            return obs, state, reward, terminated | truncated, info
        return obs, state, reward, terminated, truncated, info

    def shown(self, obs: LiveObs, world: LiveParams) -> PyTree:
        """The observation of the one session."""
        if self.flat:
            return flatten(obs, self.env.catalogue(world))[0]
        return jax.tree.map(lambda x: x[0], obs)
