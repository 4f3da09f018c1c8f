"""Body of every network that scores candidates or slates: a first layer in two parts (user and
candidate), hidden layers, a head."""

from __future__ import annotations

import jax
from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, PRNGKeyArray

from lrdqn.config import NetworkConfig
from lrdqn.networks.heads import HEADS
from lrdqn.networks.slates import SlateTable, available_slates, sum_over_places
from lrdqn.networks.torsos import Mlp, make_norm
from lrdqn.ops.values import Values


class TwoTower(nnx.Module):
    """``head(torso(relu(norm(W_u user + W_c candidate_i + b))))``; the user's part is computed once
    for all candidates.

    For a slate of P places, ``W_c concat(candidate_{i_1}, ..., candidate_{i_P})`` replaces
    ``W_c candidate_i``; the term of each candidate at each place is computed once for all slates.
    The head starts at zero.
    """

    def __init__(
        self,
        user: int,
        candidate: int,
        config: NetworkConfig,
        values: Values,
        rngs: nnx.Rngs,
        places: int = 1,
    ) -> None:
        """Args: lengths of the user's and of a candidate's features; widths and kinds;
        representation of the outputs; random streams; P."""
        width, *rest = config.hidden
        self.user = nnx.Linear(user, width, rngs=rngs)
        # The initial spread is that of a layer on the concatenation of all P candidates.
        initial = nnx.initializers.variance_scaling(1 / places, "fan_in", "truncated_normal")
        self.candidate = nnx.Linear(
            candidate, places * width, use_bias=False, kernel_init=initial, rngs=rngs
        )
        self.norm = make_norm(config, width, rngs)
        self.torso = Mlp(width, rest[:-1], config, rngs)
        features = rest[:-1][-1] if rest[:-1] else width
        self.head = HEADS[config.head](
            width, features, values.outputs, values.outputs, True, config, rngs=rngs
        )

    def __call__(
        self,
        user: Float[Array, "B U"],
        candidate: Float[Array, "B C F"],
        mask: Bool[Array, "B C"],
        key: PRNGKeyArray | None,
        slates: SlateTable = None,
    ) -> Float[Array, "B M K"]:
        """Return K numbers per candidate, or per slate if ``slates`` are given."""
        seen, each = self.user(user), self.candidate(candidate)
        if slates is not None:
            each = sum_over_places(each.reshape(*each.shape[:2], slates.shape[1], -1), slates)
        both = seen[:, None, :] + each
        hidden = jax.nn.relu(self.norm(both) if self.norm is not None else both)
        return self.head(jax.nn.relu(seen), self.torso(hidden), available_slates(mask, slates), key)
