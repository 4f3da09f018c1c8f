"""The live world as a vector environment of Gymnasium: one compiled step for all sessions (extra
``gym``)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from lrdqn.envs.live.world import LiveParams
from lrdqn.networks.flatten import flatten
from lrdqn.observations import LiveObs
from lrdqn.types import Env, PyTree

HIGHEST = {"history_reaction": 15, "mask": 1}
"""Largest value of the integer fields that are not ids of users or streamers."""


class LiveVectorEnv(VectorEnv[Any, Any, Any]):
    """N live sessions that step together. Sessions that end are reset in the same step
    (``AutoresetMode.SAME_STEP``).

    ``info`` holds, per session, the world's own entries (``clicked``, ``seconds``,
    ``reward/watch``, ...), ``elapsed`` in units of discount, ``action_mask`` (places of the new
    observation that are on air) and, for sessions that ended, ``final_obs``. An action at a place
    that is not on air shows nothing (``interop.flatten`` says what follows).

    Args:
        env: the live world for N sessions.
        world: its parameters.
        flat: one float32 vector per session instead of a dictionary of ``LiveObs``'s fields.
    """

    def __init__(self, env: Env, world: LiveParams, flat: bool) -> None:
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}
        self.env, self.world, self.flat, self.num_envs = env, world, flat, env.spec.sessions
        self.single_action_space = Discrete(env.spec.actions)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.state: PyTree = None
        self.key: jax.Array = jax.random.key(0)

        def shown(obs: LiveObs) -> PyTree:
            if flat:
                return flatten(obs, env.catalogue(world))
            return obs._replace(mask=obs.mask.astype(jnp.int8))._asdict()

        def first(key: jax.Array) -> tuple[PyTree, PyTree, jax.Array]:
            state, obs = env.reset(key, world)
            return state, shown(obs), obs.mask

        def following(
            key: jax.Array, state: PyTree, action: jax.Array
        ) -> tuple[jax.Array, PyTree, PyTree]:
            key, step_key = jax.random.split(key)
            state, t = env.step(step_key, state, action, world)
            info = t.info | {"elapsed": t.elapsed, "action_mask": t.obs.mask}
            return (
                key,
                state,
                (shown(t.obs), t.reward, t.terminated, t.truncated, shown(t.final_obs), info),
            )

        self._reset, self._step = jax.jit(first), jax.jit(following, donate_argnums=1)
        _, obs, _ = jax.eval_shape(first, self.key)
        self.single_observation_space = self._space(obs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)

    def _space(self, obs: PyTree) -> Space[Any]:
        """Return the observation space of one session, from the shapes of all."""
        if self.flat:
            return Box(-np.inf, np.inf, obs.shape[1:], np.float32)
        streamers, users = (
            self.world.catalogue.style.shape[0] - 1,
            self.world.catalogue.profile.shape[0],
        )

        def of(name: str, x: Any) -> Box:
            if jnp.issubdtype(x.dtype, jnp.inexact):
                return Box(-np.inf, np.inf, x.shape[1:], x.dtype)
            return Box(
                0,
                HIGHEST.get(name, users - 1 if name == "user" else streamers),
                x.shape[1:],
                x.dtype,
            )

        return Dict({name: of(name, x) for name, x in obs.items()})

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start new sessions: equal ones for equal seeds, and others each time without a seed."""
        super().reset(seed=seed)
        del options
        root = jax.random.key(int(self.np_random.integers(2**31)) if seed is None else seed)
        self.key, first = jax.random.split(root)
        self.state, obs, mask = self._reset(first)
        return jax.device_get(obs), {"action_mask": np.asarray(mask)}

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Answer one request of every session."""
        action = np.asarray(actions, np.int32)
        if not self.action_space.contains(action.astype(np.int64)):
            raise ValueError(
                f"actions must be {self.num_envs} places below {self.env.spec.actions}"
            )
        self.key, self.state, out = self._step(self.key, self.state, action)
        obs, reward, terminated, truncated, final, info = jax.device_get(out)
        done = terminated | truncated
        if done.any():
            ended = np.full(self.num_envs, None, object)
            for i in np.flatnonzero(done):
                ended[i] = jax.tree.map(lambda x, i=i: np.asarray(x[i]), final)
            info |= {"final_obs": ended, "_final_obs": done}
        return obs, reward.astype(np.float64), terminated, truncated, info
