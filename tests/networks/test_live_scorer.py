"""The candidate scorer: its initial ranking, its invariances, and the agreement of ``value`` with
``apply``."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, make_live, small_world

from lrdqn.agents.dqn.agent import make_greedy
from lrdqn.agents.full_slate.agent import SlateSet, slates_of
from lrdqn.baselines import make_content
from lrdqn.config import NetworkConfig
from lrdqn.networks import make_mlp, make_scorer
from lrdqn.networks.candidates import with_null_item
from lrdqn.networks.live_scorer import Shapes
from lrdqn.observations import UNKNOWN
from lrdqn.ops.losses import mse
from lrdqn.ops.values import make_expected
from lrdqn.types import EnvSpec, View


@pytest.fixture(scope="module")
def scene() -> tuple:
    config = live_config()
    world, env = small_world(config), make_live(config, 32)
    _, obs = jax.jit(env.reset)(jax.random.key(0), world)
    network = make_scorer(NetworkConfig(), Shapes.of(world.catalogue, obs), make_expected(mse))
    params = network.init(jax.random.key(1))
    trained = jax.tree.map(
        lambda x: x + 0.3 * jax.random.normal(jax.random.key(2), x.shape), params
    )
    return network, params, trained, obs, world.catalogue


@pytest.mark.slow
def test_it_starts_where_the_content_baseline_stands(scene: tuple) -> None:
    network, params, _, obs, catalogue = scene
    view, key = View(obs, catalogue), jax.random.key(0)
    q, cosine = make_greedy(network).scores(params, view, key), make_content().scores((), view, key)
    order_q = np.argsort(np.asarray(q), axis=1)
    np.testing.assert_allclose(
        np.take_along_axis(np.asarray(cosine), order_q, 1),
        np.sort(np.asarray(cosine), axis=1),
        rtol=1e-4,
        atol=1e-5,
    )


def test_value_equals_apply_at_the_action(scene: tuple) -> None:
    network, _, trained, obs, catalogue = scene
    q = network.apply(trained, obs, catalogue, None).q
    for place in (0, 3, 7):
        action = jnp.full(32, place, jnp.int32)
        np.testing.assert_allclose(
            network.value(trained, obs, action, catalogue, None)[:, 0],
            q[:, place],
            rtol=2e-5,
            atol=2e-6,
        )


def test_a_slate_is_scored_alone_as_among_all(scene: tuple) -> None:
    """The score starts as the mean of the content baseline; after that the order of the places
    matters, and other slates do not."""
    *_, obs, catalogue = scene
    slates = slates_of(SlateSet(obs.mask.shape[1], 2, True))
    network = make_scorer(NetworkConfig(), Shapes.of(catalogue, obs), make_expected(mse), slates)
    start = network.init(jax.random.key(1))
    cosines = np.asarray(make_content().scores((), View(obs, catalogue), jax.random.key(0)))
    content = float(start["taste"]) * np.where(obs.mask, cosines, 0.0)[:, slates].mean(axis=2)
    first = network.apply(start, obs, catalogue, None)
    np.testing.assert_allclose(first.q[first.mask], content[first.mask], rtol=1e-4, atol=1e-5)
    params = jax.tree.map(lambda x: x + 0.3 * jax.random.normal(jax.random.key(2), x.shape), start)
    out = network.apply(params, obs, catalogue, None)
    assert out.q.shape == (32, len(slates)) == out.mask.shape
    for row in (0, 5, len(slates) - 1):
        alone = network.value(params, obs, jnp.full(32, row, jnp.int32), catalogue, None)
        np.testing.assert_allclose(alone[:, 0], out.q[:, row], rtol=2e-5, atol=2e-6)
    turned = slates.tolist().index([1, 0])
    assert float(jnp.abs(out.q[:, turned] - out.q[:, 0]).max()) > 1e-3


def test_nothing_is_scored_as_the_empty_item_and_moves_no_other_score(scene: tuple) -> None:
    """The last candidate is row S of the catalogue; it differs from every available candidate."""
    network, _, trained, obs, catalogue = scene
    wide = with_null_item(obs, catalogue)
    assert (np.asarray(wide.candidates)[:, -1] == catalogue.identity.shape[0] - 1).all()
    assert np.asarray(wide.mask)[:, -1].all()
    q, own = (np.asarray(network.apply(trained, x, catalogue, None).q) for x in (wide, obs))
    np.testing.assert_allclose(q[:, :-1], own, rtol=2e-5, atol=2e-6)
    assert (np.abs(own - q[:, -1:])[np.asarray(obs.mask)] > 1e-5).all()
    last = jnp.full(32, q.shape[1] - 1)
    np.testing.assert_allclose(
        network.value(trained, wide, last, catalogue, None)[:, 0], q[:, -1], rtol=2e-5, atol=2e-6
    )


def test_scores_follow_a_permutation_of_the_candidates(scene: tuple) -> None:
    network, _, trained, obs, catalogue = scene
    order = jnp.asarray(np.random.default_rng(0).permutation(8))
    moved = obs._replace(
        candidates=obs.candidates[:, order],
        features=obs.features[:, order],
        mask=obs.mask[:, order],
    )
    q = network.apply(trained, obs, catalogue, None).q
    np.testing.assert_allclose(
        network.apply(trained, moved, catalogue, None).q, q[:, order], rtol=2e-5, atol=2e-6
    )


def test_unknown_streamers_share_one_row(scene: tuple) -> None:
    network, _, trained, obs, catalogue = scene
    strangers = catalogue._replace(identity=jnp.full_like(catalogue.identity, UNKNOWN))
    alike = strangers._replace(
        style=jnp.ones_like(catalogue.style), category=jnp.zeros_like(catalogue.category)
    )
    alike = alike._replace(tags=jnp.zeros_like(catalogue.tags))
    same = obs._replace(features=jnp.zeros_like(obs.features), candidates=obs.candidates)
    q = network.apply(
        trained, same._replace(history_watch=jnp.zeros_like(obs.history_watch)), alike, None
    ).q
    np.testing.assert_allclose(
        q, np.broadcast_to(np.asarray(q[:, :1]), q.shape), rtol=1e-4, atol=1e-5
    )
    known = network.apply(
        trained,
        same._replace(history_watch=jnp.zeros_like(obs.history_watch)),
        alike._replace(identity=catalogue.identity),
        None,
    ).q
    assert float(jnp.std(known, axis=1).mean()) > 1e-3, "with identity they must differ"


def test_parameters_are_nested_dicts_with_text_keys(scene: tuple) -> None:
    def check(tree: object) -> None:
        if isinstance(tree, dict):
            assert all(isinstance(k, str) for k in tree)
            for child in tree.values():
                check(child)

    check(scene[1])


def test_mlp_equals_its_formula() -> None:
    spec = EnvSpec("x", 4, 3, 1, "vector", 10, (5,))
    network = make_mlp(NetworkConfig(name="mlp", hidden=[7]), spec, make_expected(mse))
    params = jax.tree.map(np.asarray, network.init(jax.random.key(0)))
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    layer, head = params["torso"]["layers"]["0"], params["head"]["stream"]["out"]
    want = np.maximum(x @ layer["kernel"] + layer["bias"], 0) @ head["kernel"] + head["bias"]
    out = network.apply(params, jnp.asarray(x), (), None)
    np.testing.assert_allclose(out.q, want, rtol=1e-5, atol=1e-6)
    assert bool(out.mask.all())
    value = network.value(params, jnp.asarray(x), jnp.array([0, 2, 1, 1]), (), None)
    np.testing.assert_allclose(value[:, 0], want[range(4), [0, 2, 1, 1]], rtol=1e-5, atol=1e-6)
