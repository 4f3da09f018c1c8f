"""State-in Q-network for images: convolutions before the hidden layers (Young and Tian 2019,
MinAtar)."""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Float

from lrdqn.config import InputError, NetworkConfig
from lrdqn.networks.mlp import make_state_in
from lrdqn.networks.torsos import make_norm
from lrdqn.ops.values import Values
from lrdqn.types import EnvSpec, Network

SIDE = 3


def patches(x: Float[Array, "B R C n"]) -> Float[Array, "B R-2 C-2 9n"]:
    """Return the 3 x 3 neighbourhood of every inner pixel, row by row: the rows that a convolution
    without padding multiplies by its kernel."""
    rows, columns = x.shape[1] - SIDE + 1, x.shape[2] - SIDE + 1
    shifted = [x[:, i : i + rows, j : j + columns] for i in range(SIDE) for j in range(SIDE)]
    return jnp.concatenate(shifted, axis=-1)


class Convolutions(nnx.Module):
    """``x_{l+1} = relu(norm(conv3x3(x_l)))``, stride 1, no padding; the norm, if there is one, is
    over channels.

    The convolution is written as a matrix product over patches. Seeds are a vmapped axis, and so
    are the kernels: XLA's convolution with a kernel per seed is a grouped one, which is slow on a
    CPU, and a product with a matrix per seed is not.
    """

    def __init__(self, spec: EnvSpec, config: NetworkConfig, rngs: nnx.Rngs) -> None:
        """Args: the environment's specification, for the shape of its image; widths; random
        streams."""
        sizes = (spec.obs_shape[2], *config.channels)
        self.layers = nnx.List([nnx.Linear(SIDE**2 * a, b, rngs=rngs) for a, b in pairwise(sizes)])
        self.norms = nnx.List([make_norm(config, width, rngs) for width in config.channels])

    def __call__(self, x: Float[Array, "B R C n"]) -> Float[Array, "B r c m"]:
        """Return the features of ``x``, smaller by two rows and two columns for each layer."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = layer(patches(x))
            x = jax.nn.relu(norm(x) if norm is not None else x)
        return x


def make_cnn(config: NetworkConfig, spec: EnvSpec, values: Values) -> Network:
    """Return the network of ``make_mlp`` with 3 x 3 convolutions before it.

    Args:
        config: ``channels`` of the convolutions; the rest as ``make_mlp``.
        spec: the environment's specification; its observation must be an image.
        values: representation of the K numbers, and their mean.

    Raises:
        InputError: if the image is too small for the convolutions.

    Source: Young and Tian 2019, section 3: 16 channels, then 128 units.
    """
    left = [side - (SIDE - 1) * len(config.channels) for side in spec.obs_shape[:2]]
    if min(left) < 1:
        shape, most = (
            " x ".join(map(str, spec.obs_shape[:2])),
            (min(spec.obs_shape[:2]) - 1) // (SIDE - 1),
        )
        raise InputError(
            f"network.channels={list(config.channels)}: env={spec.name} "
            f"shows {shape}; at most {most} fit"
        )
    size = left[0] * left[1] * config.channels[-1]
    return make_state_in(
        lambda rngs: (Convolutions(spec, config, rngs), size), config, spec, values
    )
