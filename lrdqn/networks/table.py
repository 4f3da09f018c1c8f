"""A table as a Q-network for one-hot observations: one number per state and action."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.networks.heads import pick
from lrdqn.types import EnvSpec, Network, Params, PyTree, QOutput


def make_table(spec: EnvSpec) -> Network:
    """Return the network ``q = obs @ table`` with ``table [S, A]`` zero at first; every action is
    available, and K is 1.

    With DQN's update it is a linear network on one-hot inputs, whose updates are those of tabular
    Q-learning.

    Args:
        spec: the environment's specification, with one-hot observations.
    """

    def init(key: PRNGKeyArray) -> Params:
        del key
        return {"table": jnp.zeros((spec.obs_size, spec.actions))}

    def apply(params: Params, obs: PyTree, catalogue: PyTree, key: PRNGKeyArray | None) -> QOutput:
        del catalogue, key
        q = obs.astype(jnp.float32) @ params["table"]
        return QOutput(q, jnp.ones(q.shape, bool), q[..., None])

    def value(
        params: Params, obs: PyTree, action: Array, catalogue: PyTree, key: PRNGKeyArray | None
    ) -> Float[Array, "B 1"]:
        return pick(apply(params, obs, catalogue, key).raw, action)

    return Network(init, apply, value)
