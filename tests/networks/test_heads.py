"""Every head, kind of layer and value representation, for both kinds of network: their invariances
and their definitions."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, make_live, small_world

from lrdqn.config import NetworkConfig
from lrdqn.networks import make_mlp, make_scorer
from lrdqn.networks.heads import Noisy, duel
from lrdqn.networks.live_scorer import Shapes
from lrdqn.networks.torsos import pure_module
from lrdqn.ops.losses import mse
from lrdqn.ops.values import Values, make_categorical, make_expected, make_quantile
from lrdqn.types import EnvSpec, Network

MEANINGS = {
    "mean": make_expected(mse),
    "categorical": make_categorical(11, -2.0, 5.0),
    "quantile": make_quantile(7, 1.0),
}
ALL = list(itertools.product(("linear", "dueling"), ("dense", "noisy"), MEANINGS))
B = 16


def shaken(network: Network) -> Any:
    """Return parameters moved away from their start, where some are zero."""
    params, keys = network.init(jax.random.key(1)), iter(jax.random.split(jax.random.key(2), 100))
    return jax.tree.map(lambda x: x + 0.3 * jax.random.normal(next(keys), x.shape), params)


@pytest.fixture(scope="module")
def scene() -> tuple:
    config = live_config()
    world, env = small_world(config), make_live(config, B)
    _, obs = jax.jit(env.reset)(jax.random.key(0), world)
    return world.catalogue, obs


def build(kind: str, scene: tuple, values: Values, **changes: Any) -> tuple[Network, Any, Any]:
    """Return a network with an observation and a catalogue."""
    config = NetworkConfig(name=kind, hidden=[12, 8], **changes)
    if kind == "mlp":
        obs = jax.random.normal(jax.random.key(3), (B, 5))
        return make_mlp(config, EnvSpec("x", B, 3, 1, "vector", 10, (5,)), values), obs, ()
    catalogue, obs = scene
    return make_scorer(config, Shapes.of(catalogue, obs), values), obs, catalogue


@pytest.mark.parametrize("kind", ["mlp", "scorer"])
@pytest.mark.parametrize(("head", "layers", "meaning"), ALL)
def test_value_is_apply_at_the_action_and_q_is_the_mean(
    scene: tuple, kind: str, head: str, layers: str, meaning: str
) -> None:
    values = MEANINGS[meaning]
    network, obs, catalogue = build(kind, scene, values, head=head, layers=layers)
    params = shaken(network)
    for key in (None, jax.random.key(5)):
        out = network.apply(params, obs, catalogue, key)
        assert out.raw.shape == (*out.q.shape, values.outputs)
        np.testing.assert_allclose(out.q, values.mean(out.raw), rtol=1e-6)
        action = jax.random.randint(jax.random.key(6), (B,), 0, out.q.shape[1])
        want = np.asarray(out.raw)[np.arange(B), np.asarray(action)]
        np.testing.assert_allclose(
            network.value(params, obs, action, catalogue, key), want, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("kind", ["mlp", "scorer"])
def test_only_noisy_layers_read_the_key(scene: tuple, kind: str) -> None:
    for layers in ("dense", "noisy"):
        network, obs, catalogue = build(kind, scene, MEANINGS["mean"], layers=layers)
        params = shaken(network)
        a, b, mean = (
            network.apply(params, obs, catalogue, k).q
            for k in (jax.random.key(0), jax.random.key(1), None)
        )
        assert bool((a == b).all()) == bool((a == mean).all()) == (layers == "dense")


@pytest.mark.parametrize("head", ["linear", "dueling"])
@pytest.mark.parametrize("meaning", list(MEANINGS))
def test_the_scorer_starts_as_the_content_ranking(scene: tuple, head: str, meaning: str) -> None:
    """The head starts at zero, and the prior moves every value representation in the same way."""
    base, obs, catalogue = build("scorer", scene, MEANINGS["mean"])
    network, _, _ = build("scorer", scene, MEANINGS[meaning], head=head)
    want = np.asarray(base.apply(base.init(jax.random.key(1)), obs, catalogue, None).q)
    q = np.asarray(network.apply(network.init(jax.random.key(1)), obs, catalogue, None).q)
    order = np.argsort(want, axis=1, kind="stable")
    assert (np.diff(np.take_along_axis(q, order, 1), axis=1) >= -1e-5).all()
    np.testing.assert_allclose(
        q - q.mean(1, keepdims=True), want - want.mean(1, keepdims=True), atol=2e-3
    )


@pytest.mark.parametrize("head", ["linear", "dueling"])
def test_scores_follow_a_permutation_of_the_candidates(scene: tuple, head: str) -> None:
    network, obs, catalogue = build("scorer", scene, MEANINGS["quantile"], head=head)
    params = shaken(network)
    order = jnp.asarray(np.random.default_rng(0).permutation(obs.mask.shape[1]))
    moved = obs._replace(
        candidates=obs.candidates[:, order],
        features=obs.features[:, order],
        mask=obs.mask[:, order],
    )
    q, again = (network.apply(params, o, catalogue, None).q for o in (obs, moved))
    np.testing.assert_allclose(again, q[:, order], rtol=1e-4, atol=1e-5)


def test_candidates_that_are_not_offered_do_not_enter_the_dueling_mean(scene: tuple) -> None:
    network, obs, catalogue = build("scorer", scene, MEANINGS["mean"], head="dueling")
    params = shaken(network)
    mask = obs.mask.at[:, -2:].set(False)
    a = network.apply(params, obs._replace(mask=mask), catalogue, None)
    spoilt = obs._replace(mask=mask, candidates=obs.candidates.at[:, -2:].set(0))
    b = network.apply(params, spoilt, catalogue, None)
    np.testing.assert_allclose(a.q[:, :-2], b.q[:, :-2], rtol=1e-5, atol=1e-6)
    nobody = network.apply(params, obs._replace(mask=jnp.zeros_like(mask)), catalogue, None)
    assert np.isfinite(np.asarray(nobody.q)).all()


def test_dueling_by_hand() -> None:
    """Value 0.5 and advantages 1, -2, 4 of mean 1; a constant added to all advantages changes
    nothing."""
    advantage, everything = jnp.array([1.0, -2.0, 4.0])[None, :, None], jnp.ones((1, 3), bool)
    q = duel(jnp.full((1, 1), 0.5), advantage, everything)
    np.testing.assert_allclose(q[0, :, 0], [0.5, -2.5, 3.5], rtol=1e-6)
    np.testing.assert_allclose(
        duel(jnp.full((1, 1), 0.5), advantage + 7.0, everything), q, atol=1e-5
    )


def test_noisy_layer_against_its_definition() -> None:
    """Mean and covariance over many draws: the noise of the weights is f(e_out) f(e_in)^T, that of
    the bias f(e_out)."""
    init, bind = pure_module(lambda rngs: Noisy(3, 2, False, 0.5, rngs))
    params = jax.tree.map(
        lambda x: x + 0.1 * jax.random.normal(jax.random.key(1), x.shape), init(jax.random.key(0))
    )
    x = jnp.tile(jnp.array([[1.0, -2.0, 0.5]]), (200_000, 1))
    y = np.asarray(bind(params)(x, jax.random.key(2)))
    kernel, bias, s_w, s_b = (
        np.asarray(params[k]) for k in ("kernel", "bias", "kernel_noise", "bias_noise")
    )
    mean = np.asarray(x[0]) @ kernel + bias
    np.testing.assert_allclose(bind(params)(x[:1], None)[0], mean, rtol=1e-5)
    np.testing.assert_allclose(y.mean(0), mean, atol=0.01)
    # E f(e)^2 = E|e| = sqrt(2/pi), so Var y_j = m * (m * sum_i (s_ij x_i)^2 + s_bj^2); f(e_out) has
    # mean 0: no cross term.
    m = np.sqrt(2 / np.pi)
    want = m * (m * ((s_w * np.asarray(x[0])[:, None]) ** 2).sum(0) + s_b**2)
    np.testing.assert_allclose(y.var(0), want, rtol=0.03)
    assert abs(np.corrcoef(y[:, 0], y[:, 1])[0, 1]) < 0.01, "outputs have noise of their own"
    assert abs(np.corrcoef(y[:-1, 0], y[1:, 0])[0, 1]) < 0.01, "rows have noise of their own"


def test_noisy_layer_starts_as_in_the_paper() -> None:
    init, _ = pure_module(lambda rngs: Noisy(400, 50, False, 0.5, rngs))
    params = init(jax.random.key(0))
    np.testing.assert_allclose(params["kernel_noise"], 0.5 / 20, rtol=1e-6)
    kernel = np.asarray(params["kernel"])
    assert np.abs(kernel).max() <= 1 / 20
    assert kernel.std() == pytest.approx(1 / 20 / np.sqrt(3), rel=0.03)


def test_layer_norm_stands_behind_every_hidden_layer(scene: tuple) -> None:
    """Scaling a hidden layer's weights changes nothing once its output is normalised."""
    network, obs, _ = build("mlp", scene, MEANINGS["mean"], norm="layer")
    params = network.init(jax.random.key(0))
    scaled = jax.tree_util.tree_map_with_path(
        lambda path, x: 8.0 * x if "kernel" in str(path) and "out" not in str(path) else x, params
    )
    a, b = (network.apply(p, obs, (), None).q for p in (params, scaled))
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
