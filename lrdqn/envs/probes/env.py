"""Probe environments: each can be failed for one reason only, and each has a closed-form answer.

The sessions are identical and reset at once. ``optimum(name, gamma)`` gives the action values that
a correct learner reaches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.envs.probes.config import ProbeConfig
from lrdqn.ops.slates import existing
from lrdqn.types import Env, EnvSpec, PyTree, TimeStep

HORIZON = 10


class ProbeState(NamedTuple):
    """Observed number and age of each session."""

    number: Float[Array, "N"]
    age: Int[Array, "N"]


class Probe(NamedTuple):
    """One probe: number of actions and
    ``rule(number, action, age) -> reward, next number, terminated, truncated``."""

    actions: int
    rule: Callable[[Array, Array, Array], tuple[Array, Array, Array, Array]]


def _value(number: Array, action: Array, age: Array) -> tuple[Array, Array, Array, Array]:
    yes = jnp.ones(number.shape, bool)
    return jnp.ones(number.shape), number, yes, ~yes


def _observation(number: Array, action: Array, age: Array) -> tuple[Array, Array, Array, Array]:
    yes = jnp.ones(number.shape, bool)
    return number, number, yes, ~yes


def _discount(number: Array, action: Array, age: Array) -> tuple[Array, Array, Array, Array]:
    last = age == 1
    return last.astype(jnp.float32), jnp.ones(number.shape), last, jnp.zeros_like(last)


def _action(number: Array, action: Array, age: Array) -> tuple[Array, Array, Array, Array]:
    yes = jnp.ones(number.shape, bool)
    return jnp.where(action == 1, 1.0, -1.0), number, yes, ~yes


def _observation_action(
    number: Array, action: Array, age: Array
) -> tuple[Array, Array, Array, Array]:
    yes = jnp.ones(number.shape, bool)
    return jnp.where((action == 1) == (number > 0), 1.0, -1.0), number, yes, ~yes


def _truncation(number: Array, action: Array, age: Array) -> tuple[Array, Array, Array, Array]:
    over = age + 1 >= HORIZON
    return jnp.ones(number.shape), number, jnp.zeros_like(over), over


PROBES: dict[str, Probe] = {
    "value": Probe(1, _value),
    "observation": Probe(1, _observation),
    "discount": Probe(1, _discount),
    "action": Probe(2, _action),
    "observation_action": Probe(2, _observation_action),
    "truncation": Probe(1, _truncation),
}


def optimum(name: str, gamma: float) -> dict[float, list[float]]:
    """Return the exact ``Q*`` by observed number.

    ``value``: 1. ``observation``: the number itself. ``discount``: gamma, then 1 (the reward comes
    one step later). ``action``: -1 or 1. ``observation_action``: 1 for the action that matches the
    sign. ``truncation``: ``1 / (1 - gamma)``, since a time limit is not a termination (Pardo et al.
    2018).
    """
    return {
        "value": {0.0: [1.0]},
        "observation": {-1.0: [-1.0], 1.0: [1.0]},
        "discount": {0.0: [gamma], 1.0: [1.0]},
        "action": {0.0: [-1.0, 1.0]},
        "observation_action": {-1.0: [1.0, -1.0], 1.0: [-1.0, 1.0]},
        "truncation": {0.0: [1 / (1 - gamma)]},
    }[name]


def make_probe(config: ProbeConfig, sessions: int) -> Env:
    """Build a probe. ``params`` is ``()``; the observation is ``[N, 2]``: the number and a constant
    1.

    Args:
        config: names the probe.
        sessions: N.
    """
    probe = PROBES[config.probe]
    signed = config.probe in ("observation", "observation_action")

    def first(key: PRNGKeyArray) -> ProbeState:
        sign = jnp.where(jax.random.bernoulli(key, 0.5, (sessions,)), 1.0, -1.0)
        return ProbeState(sign if signed else jnp.zeros(sessions), jnp.zeros(sessions, jnp.int32))

    def observe(state: ProbeState) -> Float[Array, "N 2"]:
        return jnp.stack([state.number, jnp.ones(sessions)], axis=1)

    def reset(key: PRNGKeyArray, params: PyTree) -> tuple[ProbeState, Array]:
        del params
        state = first(key)
        return state, observe(state)

    def step(
        key: PRNGKeyArray, state: ProbeState, action: Array, params: PyTree
    ) -> tuple[ProbeState, TimeStep]:
        del params
        action, exists = existing(action, probe.actions)
        reward, number, terminated, truncated = probe.rule(state.number, action, state.age)
        reward = jnp.where(exists, reward, 0.0)
        after = ProbeState(number, state.age + 1)
        done, fresh = terminated | truncated, first(key)
        following = ProbeState(
            jnp.where(done, fresh.number, after.number), jnp.where(done, fresh.age, after.age)
        )
        return following, TimeStep(
            observe(following),
            reward,
            terminated,
            truncated,
            observe(after),
            jnp.ones(sessions),
            {},
        )

    spec = EnvSpec(f"probe/{config.probe}", sessions, probe.actions, 1, "vector", HORIZON, (2,))
    return Env(spec, reset, step, lambda params: ())
