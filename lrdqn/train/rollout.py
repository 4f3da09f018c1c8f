"""Acting: one step of all sessions, and its transitions."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jaxtyping import Int, PRNGKeyArray

from lrdqn.types import Env, Hypers, PyTree, TimeStep, Transition

Act = Callable[[PyTree, PRNGKeyArray], Int[Array, "N"]]


def to_transition(obs: PyTree, action: Array, timestep: TimeStep, hypers: Hypers) -> Transition:
    """Make transitions with ``discount = gamma ** elapsed * (1 - terminated)``, the observation
    before auto-reset and the scaled reward.

    Truncation does not change the discount: the return goes on after it (Pardo et al. 2018). A
    reward that is not finite is stored as 0, for in replay it would come back in every batch that
    draws it; the loop counts it.
    """
    alive = 1.0 - timestep.terminated.astype(jnp.float32)
    return Transition(
        obs=obs,
        action=action,
        reward=hypers.reward_scale * finite_or_zero(timestep.reward),
        discount=jnp.power(hypers.gamma, timestep.elapsed) * alive,
        next_obs=timestep.final_obs,
        clicked_place=timestep.clicked_place,
    )


def finite_or_zero(x: Array) -> Array:
    """Return ``x`` with zeros where it is not finite."""
    return jnp.where(jnp.isfinite(x), x, 0.0)


def play_round(
    env: Env,
    act: Act,
    env_state: PyTree,
    obs: PyTree,
    world: PyTree,
    hypers: Hypers,
    keys: tuple[PRNGKeyArray, PRNGKeyArray],
) -> tuple[PyTree, TimeStep, Transition]:
    """Step every session once; the transition has the action of the decision that the step belongs
    to (``TimeStep.pending``).

    Args:
        env: the environment.
        act: ``act(obs, key) -> action [N]``.
        env_state: its state.
        obs: the sessions' observations.
        world: its parameters.
        hypers: gamma and reward scale.
        keys: of the policy and of the environment.
    """
    action = act(obs, keys[0])
    env_state, timestep = env.step(keys[1], env_state, action, world)
    made = action if timestep.pending is None else timestep.pending.action
    return env_state, timestep, to_transition(obs, made, timestep, hypers)
