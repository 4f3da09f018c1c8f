"""Heads of Q-networks: from features to K numbers per action. A head is ``linear`` or ``dueling``,
with dense or noisy layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jaxtyping import Bool, Float, PRNGKeyArray

from lrdqn.config import NetworkConfig
from lrdqn.networks.torsos import make_norm


class Dense(nnx.Linear):
    """``W x + b``. It takes a key, as a noisy layer does, and ignores it."""

    def __init__(self, size: int, width: int, zero: bool, noise: float, rngs: nnx.Rngs) -> None:
        """Args: sizes; whether the kernel starts at zero; ignored; random streams."""
        del noise
        initial = nnx.initializers.zeros if zero else nnx.initializers.lecun_normal()
        super().__init__(size, width, kernel_init=initial, rngs=rngs)

    def __call__(
        self, x: Float[Array, "B ... size"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "B ... width"]:  # type: ignore[override]
        """Return the layer's output."""
        del key
        return super().__call__(x)


class Noisy(nnx.Module):
    """``(mu_W + sigma_W * f(e_out) f(e_in)^T) x + mu_b + sigma_b * f(e_out)``,
    ``f(e) = sign(e) sqrt|e|``, e normal.

    Every row of the batch (a session that acts, or a transition of an update) has noise of its own.
    No weight matrix per row is formed:
    ``(sigma * f(e_out) f(e_in)^T) x = f(e_out) * (sigma (f(e_in) * x))``. Without a key the layer
    uses its mean weights.

    Source: Fortunato et al. 2018, equations 9 to 11 and section 3.2 (initial values, sigma_0 /
    sqrt(inputs)).
    """

    def __init__(self, size: int, width: int, zero: bool, noise: float, rngs: nnx.Rngs) -> None:
        """Args: sizes; whether the means start at zero; sigma_0; random streams."""
        bound, spread = 1 / math.sqrt(size), noise / math.sqrt(size)

        def mean(*shape: int) -> Array:
            return (
                jnp.zeros(shape)
                if zero
                else jax.random.uniform(rngs.params(), shape, minval=-bound, maxval=bound)
            )

        self.kernel, self.bias = nnx.Param(mean(size, width)), nnx.Param(mean(width))
        self.kernel_noise, self.bias_noise = (
            nnx.Param(jnp.full((size, width), spread)),
            nnx.Param(jnp.full((width,), spread)),
        )

    def __call__(
        self, x: Float[Array, "B ... size"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "B ... width"]:
        """Return the layer's output, with fresh noise per row if there is a key."""
        mean = x @ self.kernel[...] + spread_over(self.bias[...], x)
        if key is None:
            return mean
        rows, middle = x.shape[0], (1,) * (x.ndim - 2)
        keys = jax.random.split(key)
        into, out = (
            factor(jax.random.normal(k, (rows, n))).reshape(rows, *middle, n)
            for k, n in zip(keys, self.kernel.shape, strict=True)
        )
        return mean + out * (
            (into * x) @ self.kernel_noise[...] + spread_over(self.bias_noise[...], x)
        )


def spread_over(bias: Float[Array, "n"], x: Array) -> Array:
    """Return ``bias`` with leading axes of length 1, so that it broadcasts against ``x``."""
    return bias.reshape((1,) * (x.ndim - 1) + bias.shape)


def factor(noise: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return ``sign(e) sqrt|e|`` (Fortunato et al. 2018, section 3)."""
    return jnp.sign(noise) * jnp.sqrt(jnp.abs(noise))


LAYERS: dict[str, Callable[..., Any]] = {"dense": Dense, "noisy": Noisy}


class Stream(nnx.Module):
    """The last hidden layer (if the network has two or more) and the output layer."""

    def __init__(
        self, size: int, outputs: int, zero: bool, config: NetworkConfig, rngs: nnx.Rngs
    ) -> None:
        """Args: size of the features; number of outputs; whether the output layer starts at zero;
        kinds and widths of the layers; random streams."""
        layer, hidden = LAYERS[config.layers], config.hidden[1:][-1:]
        self.hidden = layer(size, *hidden, False, config.noise, rngs=rngs) if hidden else None
        self.norm = make_norm(config, *hidden, rngs=rngs) if hidden else None
        self.out = layer(*(hidden or (size,)), outputs, zero, config.noise, rngs=rngs)

    def __call__(
        self, x: Float[Array, "B ... size"], key: PRNGKeyArray | None
    ) -> Float[Array, "B ... outputs"]:
        """Return the stream's output."""
        keys = (None, None) if key is None else jax.random.split(key)
        if self.hidden is not None:
            x = self.hidden(x, keys[0])
            x = jax.nn.relu(self.norm(x) if self.norm is not None else x)
        return self.out(x, keys[1])


def duel(
    value: Float[Array, "B K"], advantage: Float[Array, "B A K"], mask: Bool[Array, "B A"]
) -> Float[Array, "B A K"]:
    """Return ``value + advantage - mean_{a in mask} advantage``: a constant added to all advantages
    changes nothing.

    Args:
        value: of the state ``[B, K]``.
        advantage: of each action ``[B, A, K]``.
        mask: available actions ``[B, A]``; only they enter the mean.

    Source: Wang et al. 2016, equation 9; for atoms Hessel et al. 2018, section "The Integrated
    Agent".
    """
    held = mask[:, :, None].astype(advantage.dtype)
    mean = jnp.sum(held * advantage, axis=1, keepdims=True) / jnp.maximum(
        jnp.sum(held, axis=1, keepdims=True), 1.0
    )
    return value[:, None] + advantage - mean


class Linear(nnx.Module):
    """One stream: the features of an action (or of the state, for all actions at once) give its K
    numbers."""

    def __init__(
        self,
        state: int,
        size: int,
        outputs: int,
        atoms: int,
        zero: bool,
        config: NetworkConfig,
        rngs: nnx.Rngs,
    ) -> None:
        """Args: sizes of the state's features and of the actions'; outputs per feature vector; K;
        the rest as ``Stream``."""
        del state
        self.stream, self.atoms = Stream(size, outputs, zero, config, rngs), atoms

    def __call__(
        self,
        state: Float[Array, "B s"],
        x: Float[Array, "B ... size"],
        mask: Bool[Array, "B A"],
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B A K"]:
        """Return K numbers per action."""
        del state
        return self.stream(x, key).reshape(*mask.shape, self.atoms)


class Dueling(nnx.Module):
    """Two streams, one for the state's value and one for the actions' advantages (Wang et al.
    2016)."""

    def __init__(
        self,
        state: int,
        size: int,
        outputs: int,
        atoms: int,
        zero: bool,
        config: NetworkConfig,
        rngs: nnx.Rngs,
    ) -> None:
        """Args: as ``Linear``."""
        self.value = Stream(state, atoms, zero, config, rngs)
        self.advantage, self.atoms = Stream(size, outputs, zero, config, rngs), atoms

    def __call__(
        self,
        state: Float[Array, "B s"],
        x: Float[Array, "B ... size"],
        mask: Bool[Array, "B A"],
        key: PRNGKeyArray | None,
    ) -> Float[Array, "B A K"]:
        """Return K numbers per action."""
        keys = (None, None) if key is None else jax.random.split(key)
        advantage = self.advantage(x, keys[1]).reshape(*mask.shape, self.atoms)
        return duel(self.value(state, keys[0]), advantage, mask)


HEADS: dict[str, Callable[..., Any]] = {"linear": Linear, "dueling": Dueling}


def pick(raw: Float[Array, "B A K"], action: Array) -> Float[Array, "B K"]:
    """Return ``raw`` at ``action [B]``, as a masked sum: its gradient is elementwise, that of a
    gather would be a scatter."""
    chosen = jnp.arange(raw.shape[1])[None] == action[:, None]
    return jnp.sum(jnp.where(chosen[:, :, None], raw, 0.0), axis=1)
