"""Acting: one round of all sessions, and the transitions that it leaves."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jaxtyping import Int, PRNGKeyArray

from lrdqn.types import Env, Hypers, PyTree, TimeStep, Transition

Act = Callable[[PyTree, PRNGKeyArray], Int[Array, "N"]]


def to_transition(obs: PyTree, action: Array, timestep: TimeStep, hypers: Hypers) -> Transition:
    """``discount = gamma ** elapsed * (1 - terminated)``; next observation before auto-reset;
    reward scaled.

    Truncation leaves the discount as it is: the value goes on, only the watching stops (Pardo et
    al. 2018). A reward that is not finite is stored as 0: in replay it would come back in every
    batch that draws it (DESIGN P20; the loop counts it).
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
    """``x`` with zeros where it is not finite."""
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
    """One step of every session; the transition is of the decision that it belongs to
    (``TimeStep.pending``).

    Args:
        env: the environment.
        act: ``act(obs, key) -> action [N]``.
        env_state: its state.
        obs: what the sessions see now.
        world: its parameters.
        hypers: gamma and reward scale.
        keys: of acting and of the world.
    """
    action = act(obs, keys[0])
    env_state, timestep = env.step(keys[1], env_state, action, world)
    made = action if timestep.pending is None else timestep.pending.action
    return env_state, timestep, to_transition(obs, made, timestep, hypers)
