"""The body of every network that scores candidates: a first layer in two halves, hidden layers, a head."""

from __future__ import annotations

import jax
from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, PRNGKeyArray

from lrdqn.config import NetworkConfig
from lrdqn.networks.heads import HEADS
from lrdqn.networks.torsos import Mlp, make_norm
from lrdqn.ops.values import Values


class Halves(nnx.Module):
    """``head(torso(relu(norm(W_u user + W_c candidate_i + b))))``: the user's half is computed once for all candidates.

    The head starts at zero.
    """

    def __init__(self, user: int, candidate: int, config: NetworkConfig, values: Values, rngs: nnx.Rngs) -> None:
        """Args: numbers of a user and of a candidate; widths and kinds; what is put out; random streams."""
        width, *rest = config.hidden
        self.user = nnx.Linear(user, width, rngs=rngs)
        self.candidate = nnx.Linear(candidate, width, use_bias=False, rngs=rngs)
        self.norm = make_norm(config, width, rngs)
        self.torso = Mlp(width, rest[:-1], config, rngs)
        features = rest[:-1][-1] if rest[:-1] else width
        self.head = HEADS[config.head](width, features, values.outputs, values.outputs, True, config, rngs=rngs)

    def __call__(
        self,
        user: Float[Array, "B U"],
        candidate: Float[Array, "B C F"],
        mask: Bool[Array, "B C"],
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B C K"]:
        """K numbers per candidate."""
        seen = self.user(user)
        both = seen[:, None, :] + self.candidate(candidate)
        hidden = jax.nn.relu(self.norm(both) if self.norm is not None else both)
        return self.head(jax.nn.relu(seen), self.torso(hidden), mask, key)
