"""State-in Q-network: a flat observation to K numbers per action of a fixed set (Mnih et al. 2015)."""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.config import NetworkConfig
from lrdqn.networks.heads import HEADS, pick
from lrdqn.networks.torsos import Mlp, purify
from lrdqn.ops.values import Values
from lrdqn.types import EnvSpec, Network, Params, PyTree, QOutput


class _StateIn(nnx.Module):
    def __init__(self, spec: EnvSpec, config: NetworkConfig, atoms: int, rngs: nnx.Rngs) -> None:
        widths = config.hidden[:1] + config.hidden[1:-1]
        self.torso = Mlp(spec.obs_size, widths, config, rngs)
        self.head = HEADS[config.head](widths[-1], widths[-1], spec.actions * atoms, atoms, False, config, rngs=rngs)
        self.actions = spec.actions

    def __call__(self, obs: Float[Array, "B D"], key: PRNGKeyArray | None) -> QOutput:
        x = self.torso(obs)
        mask = jnp.ones((x.shape[0], self.actions), bool)
        raw = self.head(x, x, mask, key)
        return QOutput(raw[..., 0], mask, raw)


def make_mlp(config: NetworkConfig, spec: EnvSpec, values: Values) -> Network:
    """``raw = head(relu(...relu(W_1 obs + b_1)...))``, ``[B, A, K]``, and ``q`` its mean; every action is always offered.

    Args:
        config: widths of the hidden layers and kind of the head; the last of two or more hidden layers belongs to the head.
        spec: the environment's; its observation must be a vector.
        values: what K is, and its mean.
    """
    init, bind = purify(lambda rngs: _StateIn(spec, config, values.outputs, rngs))

    def apply(params: Params, obs: PyTree, catalogue: PyTree, key: PRNGKeyArray | None) -> QOutput:
        del catalogue
        out = bind(params)(obs, key)
        return out._replace(q=values.mean(out.raw))

    def value(params: Params, obs: PyTree, action: Array, catalogue: PyTree, key: PRNGKeyArray | None) -> Float[Array, "B K"]:
        return pick(apply(params, obs, catalogue, key).raw, action)

    return Network(init, apply, value)
