"""A ring with known values, as an environment of Gymnasium and as one of this project."""

from __future__ import annotations

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lrdqn.types import Env, EnvSpec, TimeStep

NAME, PLACES, LIMIT = "lrdqn-tests/Ring-v0", 4, 6
"""Action 0 moves one place on around the ring and pays 1 where it leaves the last place; action 1
stays and pays nothing. Nothing terminates; a session is truncated after ``LIMIT`` steps, at a place
other than the one where the next begins."""


class Ring(gymnasium.Env[np.int64, np.int64]):
    """The ring in Gymnasium's interface."""

    observation_space = gymnasium.spaces.Discrete(PLACES)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = 0
        return np.int64(self.place), {}

    def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
        paid = float(action == 0 and self.place == PLACES - 1)
        self.place = (self.place + int(action == 0)) % PLACES
        return np.int64(self.place), paid, False, False, {}


def register() -> None:
    if NAME not in gymnasium.registry:
        gymnasium.register(NAME, entry_point=Ring, max_episode_steps=LIMIT)


def make_ring(sessions: int) -> Env:
    """Build the same ring inside jit."""

    def seen(place: Array) -> Array:
        return jax.nn.one_hot(place, PLACES)

    def reset(key: Array, world: Any) -> tuple[tuple[Array, Array], Array]:
        del key, world
        zero = jnp.zeros(sessions, jnp.int32)
        return (zero, zero), seen(zero)

    def step(
        key: Array, state: tuple[Array, Array], action: Array, world: Any
    ) -> tuple[tuple[Array, Array], TimeStep]:
        del key, world
        moved = (action == 0).astype(jnp.int32)
        reward = (moved * (state[0] == PLACES - 1)).astype(jnp.float32)
        place, steps = (state[0] + moved) % PLACES, state[1] + 1
        cut = steps >= LIMIT
        first = jnp.where(cut, 0, place)
        t = TimeStep(
            seen(first), reward, jnp.zeros(sessions, bool), cut, seen(place), jnp.ones(sessions), {}
        )
        return (first, jnp.where(cut, 0, steps)), t

    return Env(
        EnvSpec("ring", sessions, 2, 1, "one_hot", LIMIT, (PLACES,)), reset, step, lambda world: ()
    )


def values(gamma: float) -> np.ndarray:
    """Return ``Q [place, action]`` of the endless ring: V(last) = 1 / (1 - gamma^4), and a factor
    gamma per place before it."""
    v = np.array([gamma ** (PLACES - 1 - place) / (1 - gamma**PLACES) for place in range(PLACES)])
    return np.stack([np.roll(v, -1) * gamma + np.eye(PLACES)[-1], gamma * v], axis=1)
