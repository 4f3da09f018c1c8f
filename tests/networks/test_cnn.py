"""The network for images: its convolution against XLA's, every head, and the types that replay
stores."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.config import InputError, NetworkConfig
from lrdqn.networks import make_cnn, make_mlp
from lrdqn.networks.cnn import Convolutions, patches
from lrdqn.networks.torsos import pure_module
from lrdqn.ops.losses import mse
from lrdqn.ops.values import make_categorical, make_expected, make_quantile
from lrdqn.types import EnvSpec, Network

MEANINGS = {
    "mean": make_expected(mse),
    "categorical": make_categorical(11, -2.0, 5.0),
    "quantile": make_quantile(7, 1.0),
}
SPEC = EnvSpec("x", 6, 3, 1, "image", 10, (7, 9, 4))
FLAGS = jax.random.bernoulli(jax.random.key(3), 0.3, (6, *SPEC.obs_shape))


def build(**changes: Any) -> tuple[Network, Any]:
    """Return a network and parameters."""
    values = MEANINGS[changes.get("value", "mean")]
    network = make_cnn(
        NetworkConfig(**{"name": "cnn", "channels": [5], "hidden": [12, 8]} | changes), SPEC, values
    )
    return network, network.init(jax.random.key(1))


def test_patches_times_a_matrix_is_a_convolution() -> None:
    x, kernel = (
        jax.random.normal(jax.random.key(i), shape)
        for i, shape in enumerate([(2, 7, 9, 4), (3, 3, 4, 5)])
    )
    want = jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(patches(x) @ kernel.reshape(36, 5), want, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_layers_are_convolutions_with_a_bias_and_relu() -> None:
    """Two layers, their gradient, and seeds as a vmapped axis agree with XLA's convolution."""
    config = NetworkConfig(name="cnn", channels=[5, 6])
    init, bind = pure_module(lambda rngs: Convolutions(SPEC, config, rngs))
    params = jax.vmap(init)(jax.random.split(jax.random.key(0), 3))
    params = jax.tree.map(lambda p: p + 0.1 * jax.random.normal(jax.random.key(4), p.shape), params)
    x = FLAGS.astype(jnp.float32)

    def convolved(params: Any) -> jax.Array:
        y = x
        for i, (size, width) in enumerate(((4, 5), (5, 6))):
            kernel, bias = (params["layers"][str(i)][k] for k in ("kernel", "bias"))
            kernel = kernel.reshape(3, 3, size, width)
            y = jax.lax.conv_general_dilated(
                y, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            y = jax.nn.relu(y + bias.reshape(1, 1, 1, -1))
        return y

    def ours(params: Any) -> jax.Array:
        return bind(params)(x)

    def gradient(f: Any) -> Any:
        return jax.vmap(jax.grad(lambda p: jnp.sum(f(p) ** 2)))(params)

    got = jax.vmap(ours)(params)
    assert got.shape == (3, 6, 3, 5, 6)
    np.testing.assert_allclose(got, jax.vmap(convolved)(params), rtol=1e-4, atol=1e-5)
    for a, b in zip(
        jax.tree.leaves(gradient(ours)), jax.tree.leaves(gradient(convolved)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("head", "layers", "meaning"),
    list(itertools.product(("linear", "dueling"), ("dense", "noisy"), MEANINGS)),
)
def test_every_head_stands_on_it(head: str, layers: str, meaning: str) -> None:
    network, params = build(head=head, layers=layers, value=meaning)
    values, action = MEANINGS[meaning], jnp.array([0, 1, 2, 0, 1, 2])
    for key in (None, jax.random.key(5)):
        out = network.apply(params, FLAGS, (), key)
        assert out.raw.shape == (6, 3, values.outputs)
        assert bool(out.mask.all())
        np.testing.assert_allclose(out.q, values.mean(out.raw), rtol=1e-6)
        want = np.asarray(out.raw)[np.arange(6), np.asarray(action)]
        np.testing.assert_allclose(
            network.value(params, FLAGS, action, (), key), want, rtol=1e-4, atol=1e-5
        )
    assert bool((out.q == network.apply(params, FLAGS, (), None).q).all()) == (layers == "dense")


def test_flags_and_bytes_are_read_as_numbers() -> None:
    flat = make_mlp(NetworkConfig(name="mlp", hidden=[8]), SPEC, MEANINGS["mean"])
    for network, params in (build(), (flat, flat.init(jax.random.key(1)))):
        outs = [
            network.apply(params, FLAGS.astype(dtype), (), None).q
            for dtype in (jnp.float32, jnp.uint8, bool)
        ]
        for q in outs:
            assert q.dtype == jnp.float32
            np.testing.assert_array_equal(q, outs[0])


def test_an_mlp_reads_the_image_row_by_row() -> None:
    flat = make_mlp(NetworkConfig(name="mlp", hidden=[8]), SPEC, MEANINGS["mean"])
    vector = SPEC._replace(observation="vector", obs_shape=(SPEC.obs_size,))
    rows = make_mlp(NetworkConfig(name="mlp", hidden=[8]), vector, MEANINGS["mean"])
    params = flat.init(jax.random.key(1))
    np.testing.assert_array_equal(
        flat.apply(params, FLAGS, (), None).q, rows.apply(params, FLAGS.reshape(6, -1), (), None).q
    )


def test_its_size_is_that_of_the_paper() -> None:
    """For MinAtar's Breakout: 16 kernels of 3 x 3 x 4, 128 units over 8 x 8 x 16, three actions
    (Young and Tian 2019)."""
    spec = EnvSpec("Breakout-MinAtar", 1, 3, 1, "image", 10, (10, 10, 4))
    network = make_cnn(
        NetworkConfig(name="cnn", channels=[16], hidden=[128]), spec, MEANINGS["mean"]
    )
    sizes = sum(x.size for x in jax.tree.leaves(jax.eval_shape(network.init, jax.random.key(0))))
    assert sizes == (36 * 16 + 16) + (1024 * 128 + 128) + (128 * 3 + 3)


def test_layer_norm_stands_behind_every_convolution() -> None:
    network, params = build(norm="layer")
    scaled = params | {"front": jax.tree.map(lambda x: x, params["front"])}
    scaled["front"]["layers"]["0"]["kernel"] = 8.0 * params["front"]["layers"]["0"]["kernel"]
    a, b = (network.apply(p, FLAGS, (), None).q for p in (params, scaled))
    np.testing.assert_allclose(a, b, rtol=5e-3, atol=1e-3)


def test_more_convolutions_than_the_image_has_room_for_are_refused() -> None:
    assert build(channels=[2, 2, 2])
    with pytest.raises(
        InputError, match=r"network\.channels=\[2, 2, 2, 2\]: env=x shows 7 x 9; at most 3 fit"
    ):
        build(channels=[2, 2, 2, 2])
