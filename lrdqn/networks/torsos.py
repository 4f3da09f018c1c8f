"""Torsos written in flax.nnx, and the bridge that turns an nnx module into pure ``init`` and
``apply`` functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
from flax import nnx
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.config import NetworkConfig
from lrdqn.types import Params


def pure_module(
    build: Callable[[nnx.Rngs], nnx.Module],
) -> tuple[Callable[[PRNGKeyArray], Params], Callable[[Params], Any]]:
    """Split an nnx module into ``init(key) -> params`` and ``bind(params) -> module``, so that nnx
    stays inside ``networks``.

    Args:
        build: makes the module from its random streams.

    Returns:
        ``init``, whose parameters are nested dicts with string keys, and ``bind``, which is free
        inside ``jit``.
    """
    graph = nnx.graphdef(nnx.eval_shape(lambda: build(nnx.Rngs(0))))

    def init(key: PRNGKeyArray) -> Params:
        return _named(nnx.to_pure_dict(nnx.state(build(nnx.Rngs(key)))))

    def bind(params: Params) -> Any:
        return nnx.merge(graph, _numbered(params))

    return init, bind


def _named(tree: Any) -> Any:
    """Return the tree with integer keys (``nnx.List``) as strings, so that parameters can be
    written to any format."""
    return {str(k): _named(v) for k, v in tree.items()} if isinstance(tree, dict) else tree


def _numbered(tree: Any) -> Any:
    return (
        {int(k) if k.isdigit() else k: _numbered(v) for k, v in tree.items()}
        if isinstance(tree, dict)
        else tree
    )


def make_norm(config: NetworkConfig, width: int, rngs: nnx.Rngs) -> nnx.LayerNorm | None:
    """Return a layer normalisation (Ba, Kiros and Hinton 2016) if ``config.norm`` is ``layer``,
    else ``None``."""
    return nnx.LayerNorm(width, rngs=rngs) if config.norm == "layer" else None


class Mlp(nnx.Module):
    """ReLU layers: ``x_{l+1} = relu(norm(W_l x_l + b_l))``."""

    def __init__(
        self, size: int, hidden: Sequence[int], config: NetworkConfig, rngs: nnx.Rngs
    ) -> None:
        """Args: input size, widths of the hidden layers, their normalisation, random streams."""
        sizes = (size, *hidden)
        self.layers = nnx.List(
            [nnx.Linear(a, b, rngs=rngs) for a, b in zip(sizes[:-1], hidden, strict=True)]
        )
        self.norms = nnx.List([make_norm(config, width, rngs) for width in hidden])

    def __call__(self, x: Float[Array, "... size"]) -> Float[Array, "... width"]:
        """Return the features of ``x``."""
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = layer(x)
            x = jax.nn.relu(norm(x) if norm is not None else x)
        return x
