"""The live world with gymnax's interface: pure functions of one session, which the caller vmaps."""

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
    """Parameters of an environment in the sense of gymnax."""

    world: LiveParams
    max_steps_in_episode: int


class Discrete(NamedTuple):
    """Space of the actions 0 to n - 1."""

    n: int
    shape: tuple[int, ...] = ()
    dtype: Any = jnp.int32

    def sample(self, key: PRNGKeyArray) -> Array:
        """Return a uniform random action."""
        return jax.random.randint(key, self.shape, 0, self.n, self.dtype)

    def contains(self, x: Any) -> Array:
        """Return whether ``x`` is one of the actions."""
        return jnp.logical_and(x >= 0, x < self.n)


class Box(NamedTuple):
    """Space of arrays of one shape."""

    low: float
    high: float
    shape: tuple[int, ...]
    dtype: Any = jnp.float32

    def sample(self, key: PRNGKeyArray) -> Array:
        """Return a standard normal array, as there may be no bounds to draw between."""
        return jax.random.normal(key, self.shape).astype(self.dtype)

    def contains(self, x: Any) -> Array:
        """Return whether ``x`` has the shape and lies within the bounds."""
        return jnp.all((x >= self.low) & (x <= self.high)) & (x.shape == self.shape)


class LiveGymnax:
    """One session of the live world. A session that ends is replaced in the same step by a session
    of another user.

    There is no ``step_env`` as in gymnax, because resetting is part of this world's step.

    Args:
        env: the live world for one session.
        world: its parameters, the default ones.
        flat: observations are vectors (``interop.flatten``), otherwise ``LiveObs`` without the axis
            N.
        legacy: ``step`` returns the five values of gymnax before 1.0.
    """

    name = "lrdqn-live"

    def __init__(self, env: Env, world: LiveParams, flat: bool, legacy: bool) -> None:
        self.env, self.world, self.flat, self.legacy = env, world, flat, legacy

    @property
    def default_params(self) -> Params:
        """Return the world, and the number of decisions after which an episode is truncated
        (``env.horizon``, which is compiled in)."""
        return Params(self.world, self.env.spec.horizon)

    @property
    def num_actions(self) -> int:
        """Return the number of places of a request."""
        return self.env.spec.actions

    def action_space(self, params: Params | None = None) -> Discrete:
        """Return the space of the places of a request."""
        del params
        return Discrete(self.env.spec.actions)

    def observation_space(self, params: Params | None = None) -> Any:
        """Return a ``Box``, or a ``LiveObs`` of boxes without ``flat``."""
        params = params or self.default_params
        obs, _ = jax.eval_shape(self.reset, jax.random.key(0), params)
        return jax.tree.map(lambda x: Box(-jnp.inf, jnp.inf, x.shape, x.dtype), obs)

    def reset(self, key: PRNGKeyArray, params: Params | None = None) -> tuple[PyTree, PyTree]:
        """Return ``obs, state`` of a new session."""
        world = (params or self.default_params).world
        state, obs = self.env.reset(key, world)
        return self.shown(obs, world), state

    def step(
        self, key: PRNGKeyArray, state: PyTree, action: Array, params: Params | None = None
    ) -> tuple[Any, ...]:
        """Return ``obs, state, reward, terminated, truncated, info``, or
        ``obs, state, reward, done, info`` if ``legacy``.

        ``info`` holds the world's own entries and, as in gymnax 1.x, ``final_observation``, the
        observation before any reset; ``action_mask`` says which places of ``obs`` are on air, and
        ``elapsed`` is the duration of the step in units of discount.
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
        """Return the observation of the one session."""
        if self.flat:
            return flatten(obs, self.env.catalogue(world))[0]
        return jax.tree.map(lambda x: x[0], obs)
