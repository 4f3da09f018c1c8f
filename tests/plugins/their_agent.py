"""Another package's agent: Q-learning by plain gradient steps with weight decay; no target network,
no optimiser."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from lrdqn.config import AgentConfig
from lrdqn.config.family import AgentFamily
from lrdqn.config.fields import float_field
from lrdqn.ops.exploration import epsilon_greedy
from lrdqn.types import Agent


@dataclass
class PlainConfig(AgentConfig):
    decay: float = float_field(0.0, 0.0, 1.0, "share of the parameters that a step forgets")


def make_agent(config, parts):
    network, values, spec = parts.network(), parts.values, parts.spec

    def act(params, obs, catalogue, epsilon, key):
        q, mask, _ = network.apply(params, obs, catalogue, None)
        u = jax.random.uniform(key, (spec.sessions,))
        return jax.vmap(epsilon_greedy, in_axes=(0, 0, 0, None))(u, q, mask, epsilon)

    def update(params, sample, catalogue, hypers, key):
        t = sample.transition
        y = t.reward + t.discount * network.apply(params, t.next_obs, catalogue, None).q.max(axis=1)
        q, pull = jax.vjp(
            lambda p: values.mean(network.value(p, t.obs, t.action, catalogue, None)), params
        )
        (ascent,) = pull(sample.weights * (y - q) / len(y))
        moved = jax.tree.map(
            lambda p, d: (1 - config.decay) * p + hypers.learning_rate * d, params, ascent
        )
        return moved, y - q, {"loss": jnp.mean((y - q) ** 2)}

    return Agent(network.init, act, update, lambda params, hypers: params, lambda params: params)


PLUGIN = AgentFamily(make_agent, PlainConfig)
