"""State-in Q-network: a flat observation to K numbers per action of a fixed set (Mnih et al.
2015)."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.config import NetworkConfig
from lrdqn.networks.heads import HEADS, pick
from lrdqn.networks.torsos import Mlp, pure_module
from lrdqn.ops.values import Values
from lrdqn.types import EnvSpec, Network, Params, PyTree, QOutput

Front = tuple[Callable[[Array], Array] | None, int]
"""Optional nnx module that is applied to the observation first, and the number of features per row
that reach the hidden layers."""


class _StateIn(nnx.Module):
    def __init__(
        self, front: Front, actions: int, config: NetworkConfig, atoms: int, rngs: nnx.Rngs
    ) -> None:
        widths = config.hidden[:1] + config.hidden[1:-1]
        self.front, size = front
        self.torso = Mlp(size, widths, config, rngs)
        self.head = HEADS[config.head](
            widths[-1], widths[-1], actions * atoms, atoms, False, config, rngs=rngs
        )
        self.actions = actions

    def __call__(self, obs: Float[Array, "B ..."], key: PRNGKeyArray | None) -> QOutput:
        seen = obs.astype(jnp.float32)  # replay may hold flags or bytes
        seen = seen if self.front is None else self.front(seen)
        x = self.torso(seen.reshape(len(obs), -1))
        mask = jnp.ones((x.shape[0], self.actions), bool)
        raw = self.head(x, x, mask, key)
        return QOutput(raw[..., 0], mask, raw)


def make_state_in(
    front: Callable[[nnx.Rngs], Front], config: NetworkConfig, spec: EnvSpec, values: Values
) -> Network:
    """Return a network of hidden layers and a head after ``front(rngs)``."""
    init, bind = pure_module(
        lambda rngs: _StateIn(front(rngs), spec.actions, config, values.outputs, rngs)
    )

    def apply(params: Params, obs: PyTree, catalogue: PyTree, key: PRNGKeyArray | None) -> QOutput:
        del catalogue
        out = bind(params)(obs, key)
        return out._replace(q=values.mean(out.raw))

    def value(
        params: Params, obs: PyTree, action: Array, catalogue: PyTree, key: PRNGKeyArray | None
    ) -> Float[Array, "B K"]:
        return pick(apply(params, obs, catalogue, key).raw, action)

    return Network(init, apply, value)


def make_mlp(config: NetworkConfig, spec: EnvSpec, values: Values) -> Network:
    """Return the network ``raw = head(relu(...relu(W_1 obs + b_1)...))``, ``[B, A, K]``, with ``q``
    its mean; every action is available.

    Args:
        config: widths of the hidden layers and kind of the head; the last of two or more hidden
            layers belongs to the head.
        spec: the environment's specification; its observation is an array, which is flattened.
        values: representation of the K numbers, and their mean.
    """
    return make_state_in(lambda rngs: (None, spec.obs_size), config, spec, values)
