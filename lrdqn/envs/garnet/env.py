"""Random Markov decision processes with numbered states (Garnet), whose exact values planning
gives."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.envs.garnet.config import GarnetConfig
from lrdqn.ops.slates import existing
from lrdqn.types import Env, EnvSpec, TimeStep


class GarnetWorld(NamedTuple):
    """One process: successors, their probabilities, and the mean reward of each state and
    action."""

    successors: Any  # Int [S, A, b]
    probabilities: Any  # Float [S, A, b], rows sum to 1
    reward: Any  # Float [S, A], in [0, 1]


class GarnetState(NamedTuple):
    """State and age of each session."""

    state: Int[Array, "N"]
    age: Int[Array, "N"]


def make_garnet_world(config: GarnetConfig, rng: np.random.Generator) -> GarnetWorld:
    """Draw a process: for each state and action Dirichlet(1) weights over ``branching`` distinct
    successors, and uniform rewards.

    Args:
        config: numbers of states, actions and successors.
        rng: source of all randomness; weights and successors are drawn pair by pair, rewards last.

    Source: Archibald, McKinnon and Thomas 1995; Bhatnagar et al. 2009, section 6.
    """
    s, a, b = config.states, config.actions, config.branching
    successors, probabilities = np.zeros((s, a, b), np.int32), np.zeros((s, a, b), np.float32)
    for state in range(s):
        for action in range(a):
            probabilities[state, action] = rng.dirichlet(np.ones(b))
            successors[state, action] = rng.choice(s, b, replace=False)
    return GarnetWorld(successors, probabilities, rng.uniform(0.0, 1.0, (s, a)).astype(np.float32))


def make_garnet(config: GarnetConfig, sessions: int) -> Env:
    """Build the environment. The observation is one-hot ``[N, S]``; nothing terminates; a session
    is truncated after ``horizon`` steps.

    ``r = R[s, a] + noise * N(0, 1)``. ``catalogue(params)`` is the process itself, which planners
    read.

    Args:
        config: sizes, noise and horizon.
        sessions: N.
    """

    def first(key: PRNGKeyArray) -> GarnetState:
        states = jax.random.randint(key, (sessions,), 0, config.states, jnp.int32)
        return GarnetState(states, jnp.zeros(sessions, jnp.int32))

    def observe(state: Int[Array, "N"]) -> Float[Array, "N S"]:
        return jax.nn.one_hot(state, config.states, dtype=jnp.float32)

    def reset(key: PRNGKeyArray, params: GarnetWorld) -> tuple[GarnetState, Array]:
        del params
        state = first(key)
        return state, observe(state.state)

    def step(
        key: PRNGKeyArray, state: GarnetState, action: Array, params: GarnetWorld
    ) -> tuple[GarnetState, TimeStep]:
        follow_key, noise_key, reset_key = jax.random.split(key, 3)
        action, exists = existing(action, config.actions)
        upto = jnp.cumsum(params.probabilities[state.state, action], axis=1)
        u = jax.random.uniform(follow_key, (sessions, 1)) * upto[:, -1:]
        branch = jnp.minimum(jnp.sum(u >= upto, axis=1), config.branching - 1)
        after = jnp.where(exists, params.successors[state.state, action, branch], state.state)
        reward = params.reward[state.state, action] + config.noise * jax.random.normal(
            noise_key, (sessions,)
        )
        reward = jnp.where(exists, reward, 0.0)
        cut, fresh = state.age + 1 >= config.horizon, first(reset_key)
        following = GarnetState(
            jnp.where(cut, fresh.state, after), jnp.where(cut, 0, state.age + 1)
        )
        end = jnp.zeros(sessions, bool)
        return following, TimeStep(
            observe(following.state), reward, end, cut, observe(after), jnp.ones(sessions), {}
        )

    spec = EnvSpec(
        "garnet", sessions, config.actions, 1, "one_hot", config.horizon, (config.states,)
    )
    return Env(spec, reset, step, lambda params: params)
