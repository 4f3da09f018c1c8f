"""A bare DQN update for baselines and ceilings: two hidden layers, one Adam step on one batch. It
shares no code with lrdqn."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

Params = Any


class Batch(NamedTuple):
    """Transitions, leaves ``[B, ...]``."""

    obs: jax.Array
    action: jax.Array
    reward: jax.Array
    done: jax.Array
    next_obs: jax.Array


class Learner(NamedTuple):
    """Everything that learns."""

    params: Params
    target: Params
    opt: Any


WIDTHS, GAMMA, LEARNING_RATE, BATCH = (4, 120, 84, 2), 0.99, 2.5e-4, 128
"""Network of CartPole and settings of CleanRL's and PureJaxRL's DQN."""

OPTIMIZER = optax.adam(LEARNING_RATE, eps=1e-5)


def init(key: jax.Array) -> Learner:
    """Return a fresh learner."""
    keys = jax.random.split(key, len(WIDTHS) - 1)
    initial = jax.nn.initializers.lecun_normal()
    params = [
        (initial(k, (a, b)), jnp.zeros(b))
        for k, a, b in zip(keys, WIDTHS[:-1], WIDTHS[1:], strict=True)
    ]
    return Learner(params, jax.tree.map(jnp.copy, params), OPTIMIZER.init(params))


def q_values(params: Params, x: jax.Array) -> jax.Array:
    """Return Q-values ``[B, A]``."""
    for i, (w, b) in enumerate(params):
        x = x @ w + b
        x = jax.nn.relu(x) if i + 1 < len(params) else x
    return x


def update(state: Learner, batch: Batch) -> Learner:
    """Take one Adam step on the mean squared error of ``y = r + gamma (1 - done) max Q(s';
    target)``."""
    following = q_values(state.target, batch.next_obs).max(-1)
    y = batch.reward + GAMMA * (1.0 - batch.done) * following

    def loss(params: Params) -> jax.Array:
        q = jnp.take_along_axis(q_values(params, batch.obs), batch.action[:, None], 1)[:, 0]
        return jnp.mean((q - y) ** 2)

    grads = jax.grad(loss)(state.params)
    step, opt = OPTIMIZER.update(grads, state.opt)
    return Learner(optax.apply_updates(state.params, step), state.target, opt)
