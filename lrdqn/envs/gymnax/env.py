"""Environments of gymnax 1.x (classic control, MinAtar, bsuite, misc) as a batch of sessions (extra
``games``)."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PRNGKeyArray

from lrdqn.config import InputError
from lrdqn.envs.gymnax.catalogue import GAMES, check_game, check_installed
from lrdqn.envs.gymnax.config import GymnaxConfig
from lrdqn.types import Env, EnvSpec, PyTree, TimeStep

STORED = {"float32": jnp.float32, "uint8": jnp.uint8, "bool": jnp.bool_}


def make_gymnax(config: GymnaxConfig, sessions: int) -> Env:
    """Build N copies of one environment; ``params`` is ``()``, since gymnax's own stay at their
    defaults.

    Sessions reset by selection: each one draws a fresh start at each step and takes it where it
    ended, so that nothing branches. ``final_obs`` is gymnax's observation before the reset, and its
    time limit is a truncation, not a termination (Pardo et al. 2018).

    Args:
        config: names the environment.
        sessions: N.

    Raises:
        InputError: gymnax is not installed, or data that the environment downloads are not
            available.
        ConfigError: the environment does not exist, its actions are not discrete, it takes no
            ``size``, or ``store`` would change its observations.

    Source: Lange 2022 (gymnax); from version 1.0 on, its step reports termination and truncation
    separately.
    """
    made, params = _made(config)
    space = made.observation_space(params)
    kind, store = GAMES[config.name].shows, STORED[config.store]
    shape = {
        "one_hot": lambda: (space.n,),
        "image": lambda: space.shape,
        "vector": lambda: (math.prod(space.shape),),
    }[kind]()

    def shown(obs: Array) -> Array:
        if kind == "one_hot":
            return jax.nn.one_hot(obs, space.n, dtype=store)
        return obs.reshape(sessions, *shape).astype(store)

    def first(keys: PRNGKeyArray) -> tuple[Array, PyTree]:
        obs, state = jax.vmap(made.reset_env, in_axes=(0, None))(keys, params)
        return shown(obs), state

    def reset(key: PRNGKeyArray, world: PyTree) -> tuple[PyTree, Array]:
        del world
        obs, state = first(jax.random.split(key, sessions))
        return state, obs

    def step(
        key: PRNGKeyArray, state: PyTree, action: Array, world: PyTree
    ) -> tuple[PyTree, TimeStep]:
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
        return following, TimeStep(
            chosen(fresh_obs, obs), reward, terminated, truncated, obs, jnp.ones(sessions), {}
        )

    actions, horizon = int(made.action_space(params).n), int(params.max_steps_in_episode)
    return Env(
        EnvSpec(config.name, sessions, actions, 1, kind, horizon, shape),
        reset,
        step,
        lambda world: (),
    )


def _made(config: GymnaxConfig) -> tuple[Any, Any]:
    """Return the environment and its parameters."""
    check_game(config)
    check_installed()
    import gymnax

    try:
        made, params = gymnax.make(
            config.name, **({} if config.size is None else {"size": config.size})
        )
    except OSError as error:
        raise InputError(f"env.name={config.name}: gymnax cannot get its data ({error})") from error
    if config.horizon is None:
        return made, params
    kind = type(params.max_steps_in_episode)  # BernoulliBandit-misc computes with it as a float
    return made, params.replace(max_steps_in_episode=kind(config.horizon))
