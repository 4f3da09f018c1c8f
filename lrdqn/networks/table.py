"""A table as a Q-network: one number per state and action, for one-hot observations."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.networks.heads import pick
from lrdqn.types import EnvSpec, Network, Params, PyTree, QOutput


def make_table(spec: EnvSpec) -> Network:
    """``q = obs @ table`` with ``table [S, A]`` zero at first; every action is always offered, and
    K is 1.

    Learnt from by DQN it is a linear network on one-hot inputs, whose updates are those of tabular
    Q-learning.

    Args:
        spec: the environment's, with one-hot observations.
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
