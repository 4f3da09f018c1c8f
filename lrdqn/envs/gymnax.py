"""Environments of gymnax 1.x (classic control, MinAtar, bsuite) as a batch of sessions (extra ``games``)."""

from __future__ import annotations

import difflib
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PRNGKeyArray

from lrdqn.config import ConfigError, GymnaxConfig, InputError
from lrdqn.types import Env, EnvSpec, PyTree, TimeStep

STORED = {"float32": jnp.float32, "uint8": jnp.uint8, "bool": jnp.bool_}


def make_gymnax(config: GymnaxConfig, sessions: int) -> Env:
    """N copies of one environment; ``params`` is ``()``, for gymnax's own stay at their defaults.

    Resetting is by selection: every session draws a fresh start at each step and takes it where it ended, so nothing branches.
    ``final_obs`` is gymnax's observation before that, and its time limit is a truncation, not an end (Pardo et al. 2018).

    Args:
        config: names the environment.
        sessions: N.

    Raises:
        InputError: gymnax is not installed.
        ConfigError: there is no such environment, its actions are not numbered, or it takes no ``size``.

    Source: Lange 2022 (gymnax); its step returns termination and truncation apart from version 1.0 on.
    """
    made, params = _made(config)
    space = made.observation_space(params)
    numbered = hasattr(space, "n")
    image = len(space.shape) == 3
    shape = (space.n,) if numbered else tuple(space.shape) if image else (math.prod(space.shape),)
    kind = "one_hot" if numbered else "image" if image else "vector"

    def shown(obs: Array) -> Array:
        if numbered:
            return jax.nn.one_hot(obs, space.n, dtype=jnp.float32)
        return obs.reshape(sessions, *shape).astype(STORED[config.store])

    def first(keys: PRNGKeyArray) -> tuple[Array, PyTree]:
        obs, state = jax.vmap(made.reset_env, in_axes=(0, None))(keys, params)
        return shown(obs), state

    def reset(key: PRNGKeyArray, world: PyTree) -> tuple[PyTree, Array]:
        del world
        obs, state = first(jax.random.split(key, sessions))
        return state, obs

    def step(key: PRNGKeyArray, state: PyTree, action: Array, world: PyTree) -> tuple[PyTree, TimeStep]:
        del world
        keys = jax.random.split(key, (2, sessions))
        played = jax.vmap(made.step_env, in_axes=(0, 0, 0, None))
        obs, after, reward, terminated, _ = played(keys[0], state, action, params)
        truncated = jax.vmap(made.is_truncated, in_axes=(0, None))(after, params)
        fresh_obs, fresh = first(keys[1])
        obs, done = shown(obs), terminated | truncated

        def chosen(new: Array, old: Array) -> Array:
            return jnp.where(done.reshape(done.shape + (1,) * (old.ndim - 1)), new, old)

        following = jax.tree.map(chosen, fresh, after)
        reward = jnp.asarray(reward, jnp.float32)
        return following, TimeStep(chosen(fresh_obs, obs), reward, terminated, truncated, obs, jnp.ones(sessions), {})

    actions, horizon = int(made.action_space(params).n), int(params.max_steps_in_episode)
    return Env(EnvSpec(config.name, sessions, actions, 1, kind, horizon, shape), reset, step, lambda world: ())


def _made(config: GymnaxConfig) -> tuple[Any, Any]:
    """The environment and its parameters."""
    try:
        import gymnax
    except ImportError as error:
        raise InputError("env=gymnax: needs gymnax; pip install 'lrdqn[games]'") from error
    if config.name not in gymnax.registered_envs:
        near = difflib.get_close_matches(config.name, gymnax.registered_envs, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else "allowed are " + ", ".join(gymnax.registered_envs)
        raise ConfigError("env.name", config.name, f"gymnax has no such environment; {hint}")
    given = {} if config.size is None else {"size": config.size}
    try:
        made, params = gymnax.make(config.name, **given)
    except TypeError as error:
        raise ConfigError("env.size", config.size, f"env.name={config.name} has no size; leave it out") from error
    if not hasattr(made.action_space(params), "n"):
        raise ConfigError("env.name", config.name, "its actions are continuous; lrdqn chooses among numbered ones")
    return made, params if config.horizon is None else params.replace(max_steps_in_episode=config.horizon)
