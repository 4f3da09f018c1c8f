"""State-in Q-network: a flat observation to one value per action of a fixed set (Mnih et al. 2015)."""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.config import NetworkConfig
from lrdqn.networks.torsos import Mlp, purify
from lrdqn.types import EnvSpec, Network, Params, PyTree, QOutput


class _StateIn(nnx.Module):
    def __init__(self, size: int, hidden: tuple[int, ...], actions: int, rngs: nnx.Rngs) -> None:
        self.torso = Mlp(size, hidden, rngs)
        self.head = nnx.Linear(hidden[-1], actions, rngs=rngs)

    def __call__(self, x: Float[Array, "B D"]) -> Float[Array, "B A"]:
        return self.head(self.torso(x))


def make_mlp(config: NetworkConfig, spec: EnvSpec) -> Network:
    """``q = W relu(...relu(W_1 obs + b_1)...) + b``, ``[B, A]``; every action is always offered.

    Args:
        config: widths of the hidden layers.
        spec: the environment's; its observation must be a vector.
    """
    init, bind = purify(lambda rngs: _StateIn(spec.obs_size, tuple(config.hidden), spec.actions, rngs))

    def apply(params: Params, obs: PyTree, catalogue: PyTree, key: PRNGKeyArray | None) -> QOutput:
        del catalogue, key
        q = bind(params)(obs)
        return QOutput(q, jnp.ones(q.shape, bool))

    def value(params: Params, obs: PyTree, action: Array, catalogue: PyTree, key: PRNGKeyArray | None) -> Float[Array, "B"]:
        q = apply(params, obs, catalogue, key).q
        # A masked sum, not a gather: its gradient is elementwise, where a gather's is a scatter.
        return jnp.sum(jnp.where(jnp.arange(spec.actions)[None] == action[:, None], q, 0.0), axis=1)

    return Network(init, apply, value)
