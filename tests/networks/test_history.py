"""Encoders of the watch history: their equations, the inputs that they must ignore, and the
histories that they can and cannot distinguish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from envs.worlds import live_config, make_live, small_world
from flax import nnx
from oracles import history as oracle

from lrdqn.networks.history import ENCODERS, PLACES, read_history, watches_of
from lrdqn.networks.torsos import pure_module
from lrdqn.observations import Catalogue, LiveObs

Scene = tuple[LiveObs, Catalogue]
LEARNED = ("gru", "attention")
WATCH = ("history", "history_watch", "history_reaction")
USERS, HISTORY, WIDTH = 32, 6, 6
WATCHES = np.arange(USERS) % (HISTORY + 1)


def near(got: Any, want: Any) -> None:
    """Assert equality up to the rounding of float32 sums of about 30 terms of size 1."""
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=5e-6)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Return a first observation, its histories cut to 0, 1, ..., 6 watches, with all reactions and
    mixed categories."""
    config = live_config(history=HISTORY, new_users=0.0)
    world = small_world(config)
    _, obs = jax.jit(make_live(config, USERS).reset)(jax.random.key(0), world)
    style, category, rng = world.catalogue.style, world.catalogue.category, np.random.default_rng(0)
    mixed = (
        jnp.asarray(rng.dirichlet(np.ones(category.shape[1]), len(category)), jnp.float32)
        .at[-1]
        .set(0.0)
    )
    catalogue = world.catalogue._replace(
        style=style * jnp.sqrt(float(style.shape[1])), category=mixed
    )
    reaction = rng.integers(0, 16, obs.history.shape)
    obs = obs._replace(history_reaction=jnp.asarray(reaction, obs.history_reaction.dtype))
    return cut(obs, WATCHES, catalogue), catalogue


def cut(obs: LiveObs, watches: np.ndarray, catalogue: Catalogue) -> LiveObs:
    """Return the histories with all but the newest ``watches`` removed."""
    kept = jnp.asarray(np.arange(obs.history.shape[1])[None] < watches[:, None])
    fills = zip(WATCH, watches_of(obs), (len(catalogue.style) - 1, 0, 0), strict=True)
    return obs._replace(
        **{name: jnp.where(kept, x, jnp.asarray(fill, x.dtype)) for name, x, fill in fills}
    )


def moved(obs: LiveObs, order: np.ndarray) -> LiveObs:
    """Return the watches in another order, each with its time and reactions."""
    return obs._replace(**{name: getattr(obs, name)[:, order] for name in WATCH})


def build(
    name: str, catalogue: Catalogue, width: int = WIDTH, seed: int = 0
) -> tuple[Any, Callable[..., Any]]:
    """Return parameters, with biases that are not zero, and
    ``encode(params, obs, catalogue, profiles)``."""
    init, bind = pure_module(
        lambda rngs: ENCODERS[name](
            catalogue.style.shape[1], catalogue.category.shape[1], width, rngs
        )
    )
    params = jax.tree.map(
        lambda x: x + 0.1 * jax.random.normal(jax.random.key(9), x.shape),
        init(jax.random.key(seed)),
    )
    return params, lambda p, obs, c, profiles: bind(p)(obs, c, profiles)


def learned(name: str, catalogue: Catalogue, width: int = WIDTH) -> tuple[Any, Callable[..., Any]]:
    """Return parameters, and ``code(params, obs, catalogue)``, the learned part alone."""
    params, encode = build(name, catalogue, width)
    return params, jax.jit(lambda p, obs, c: encode(p, obs, c, read_history(obs, c))[:, -width:])


def places_of(obs: LiveObs, catalogue: Catalogue, user: int) -> list[oracle.Place]:
    o, c = jax.tree.map(np.asarray, (obs, catalogue))
    rows = zip(o.history[user], o.history_watch[user], o.history_reaction[user], strict=True)
    nobody = len(c.style) - 1
    return [
        None if i == nobody else oracle.place(c.style[i], c.category[i], float(w), int(bits))
        for i, w, bits in rows
    ]


def test_profiles_equal_their_definition(scene: Scene) -> None:
    obs, catalogue = scene
    assert (jnp.max(obs.history_watch) > 5.8) & jnp.any(
        (obs.history_watch > 0) & (obs.history_watch < 3)
    ), "both clips occur"
    got = np.concatenate(read_history(obs, catalogue), axis=1)
    for user in range(USERS):
        style, category = (
            np.asarray(x[obs.history[user]], np.float64)
            for x in (catalogue.style, catalogue.category)
        )
        near(
            got[user],
            oracle.profiles(style, category, np.asarray(obs.history_watch[user], np.float64)),
        )


@pytest.mark.parametrize("name", ENCODERS)
def test_every_code_starts_with_the_profiles_bit_for_bit(name: str, scene: Scene) -> None:
    obs, catalogue = scene
    profiles = read_history(obs, catalogue)
    params, encode = build(name, catalogue)
    code, means = encode(params, obs, catalogue, profiles), np.concatenate(profiles, axis=1)
    np.testing.assert_array_equal(code[:, : means.shape[1]], means)
    encoder: Any = ENCODERS[name](
        catalogue.style.shape[1], catalogue.category.shape[1], WIDTH, nnx.Rngs(0)
    )
    assert code.shape == (USERS, encoder.size)
    assert encoder.size == means.shape[1] + (0 if name == "mean" else WIDTH)
    assert (name == "mean") == (not jax.tree.leaves(params))


@pytest.mark.parametrize("width", [6, 5], ids=["two_heads", "one_head"])
@pytest.mark.parametrize("name", LEARNED)
def test_learned_encoders_equal_their_equations(name: str, width: int, scene: Scene) -> None:
    obs, catalogue = scene
    params, code = learned(name, catalogue, width)
    twin = {"gru": oracle.gru, "attention": oracle.attention}[name]
    got, arrays = code(params, obs, catalogue), jax.tree.map(np.asarray, params)
    for user in range(USERS):
        near(got[user], twin(arrays, places_of(obs, catalogue, user)))
    assert float(jnp.std(got)) > 0.05, "there is something to compare"


def test_watches_beyond_the_position_table_share_its_last_row(scene: Scene) -> None:
    obs, catalogue = scene
    long = moved(obs, np.arange(PLACES + 7) % HISTORY)
    params, code = learned("attention", catalogue)
    got, arrays = code(params, long, catalogue), jax.tree.map(np.asarray, params)
    for user in range(HISTORY, USERS, HISTORY + 1):
        near(got[user], oracle.attention(arrays, places_of(long, catalogue, user)))


@pytest.mark.parametrize("name", LEARNED)
def test_more_empty_places_change_nothing(name: str, scene: Scene) -> None:
    obs, catalogue = scene
    longer = cut(moved(obs, np.arange(2 * HISTORY) % HISTORY), WATCHES, catalogue)
    params, code = learned(name, catalogue)
    near(code(params, longer, catalogue), code(params, obs, catalogue))


@pytest.mark.parametrize("name", LEARNED)
def test_what_stands_at_empty_places_is_never_read(name: str, scene: Scene) -> None:
    obs, catalogue = scene
    params, encode = build(name, catalogue)
    profiles, nobody = read_history(obs, catalogue), len(catalogue.style) - 1
    style, category = (
        catalogue.style.at[nobody].set(jnp.nan),
        catalogue.category.at[nobody].set(jnp.inf),
    )
    empty, (_, watch, reaction) = obs.history == nobody, watches_of(obs)
    watch, reaction = (
        jnp.where(empty, jnp.nan, watch),
        jnp.where(empty, 0 * reaction + 15, reaction),
    )
    junk = obs._replace(history_watch=watch, history_reaction=reaction)
    grad = jax.jit(jax.value_and_grad(lambda p, o, c: jnp.sum(encode(p, o, c, profiles) ** 2)))
    spoilt = grad(params, junk, catalogue._replace(style=style, category=category))
    jax.tree.map(np.testing.assert_array_equal, spoilt, grad(params, obs, catalogue))


@pytest.mark.parametrize("name", LEARNED)
def test_an_empty_history_is_zeros_and_teaches_nothing(name: str, scene: Scene) -> None:
    obs, catalogue = scene
    params, code = learned(name, catalogue)
    nothing = cut(obs, 0 * WATCHES, catalogue)
    np.testing.assert_array_equal(code(params, nothing, catalogue), np.zeros((USERS, WIDTH)))
    grads = jax.grad(lambda p: jnp.sum(code(p, nothing, catalogue)))(params)
    jax.tree.map(lambda g: np.testing.assert_array_equal(g, np.zeros(g.shape)), grads)


def test_learned_encoders_see_the_order_of_watches_and_means_do_not(scene: Scene) -> None:
    obs, catalogue = scene
    back, full = moved(obs, np.arange(HISTORY)[::-1]), WATCHES == HISTORY
    jax.tree.map(near, read_history(back, catalogue), read_history(obs, catalogue))
    for name in LEARNED:
        params, code = learned(name, catalogue)
        assert (
            float(
                jnp.abs(code(params, back, catalogue) - code(params, obs, catalogue))[full]
                .max(axis=1)
                .min()
            )
            > 1e-3
        ), name


def test_attention_without_positions_pools_a_set(scene: Scene) -> None:
    obs, catalogue = scene
    params, code = learned("attention", catalogue)
    params = params | {"place": {"embedding": jnp.zeros((PLACES, WIDTH))}}
    near(
        code(params, moved(obs, np.array([3, 0, 5, 1, 4, 2])), catalogue),
        code(params, obs, catalogue),
    )


@pytest.mark.parametrize("name", ENCODERS)
def test_parameters_are_float_arrays_in_dicts_with_text_keys(name: str, scene: Scene) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(build(name, scene[1])[0]):
        assert all(
            isinstance(step, jax.tree_util.DictKey) and isinstance(step.key, str) for step in path
        )
        assert leaf.dtype == jnp.float32, path


@pytest.mark.parametrize("kind", [jnp.float16, jnp.bfloat16])
@pytest.mark.parametrize("name", LEARNED)
def test_half_precision_inputs_are_computed_on_in_float32(
    name: str, kind: Any, scene: Scene
) -> None:
    obs, catalogue = scene
    params, encode = build(name, catalogue)
    profiles = read_history(obs, catalogue)
    small = obs._replace(history_watch=obs.history_watch.astype(kind))
    half = catalogue._replace(
        style=catalogue.style.astype(kind), category=catalogue.category.astype(kind)
    )
    full = small._replace(history_watch=small.history_watch.astype(jnp.float32))
    wide = half._replace(
        style=half.style.astype(jnp.float32), category=half.category.astype(jnp.float32)
    )
    code = encode(params, small, half, profiles)
    assert code.dtype == jnp.float32
    np.testing.assert_array_equal(code, encode(params, full, wide, profiles))


@pytest.mark.parametrize("name", LEARNED)
def test_seeds_side_by_side_equal_seeds_alone(name: str, scene: Scene) -> None:
    obs, catalogue = scene
    _, code = learned(name, catalogue)
    alone = [build(name, catalogue, seed=seed)[0] for seed in range(3)]
    both = jax.jit(
        lambda p: (
            code(p, obs, catalogue),
            jax.grad(lambda q: jnp.mean(code(q, obs, catalogue) ** 2))(p),
        )
    )
    together = jax.vmap(both)(jax.tree.map(lambda *x: jnp.stack(x), *alone))
    assert float(jnp.abs(together[0][0] - together[0][1]).max()) > 0.1
    for seed, params in enumerate(alone):
        jax.tree.map(lambda x, y, i=seed: near(x[i], y), together, both(params))


def puzzles(rng: np.random.Generator, batch: int) -> tuple[LiveObs, np.ndarray]:
    """Return histories of five watches of equal length and two categories, and whether the newest
    liked one has the category of the oldest liked one."""
    history, liked = rng.integers(0, 4, (batch, 5)), rng.random((batch, 5)) < 0.6
    liked[:, 2] |= ~liked.any(axis=1)
    rows, newest, oldest = np.arange(batch), liked.argmax(axis=1), 4 - liked[:, ::-1].argmax(axis=1)
    same = history[rows, newest] % 2 == history[rows, oldest] % 2
    watch, none = jnp.full((batch, 5), 4.0, jnp.float16), jnp.zeros((batch, 1))
    seen = (jnp.asarray(history, jnp.int16), watch, jnp.asarray(liked, jnp.uint8))
    return LiveObs(none[:, 0], none, *seen, none, none[..., None], none), same


def accuracy(name: str) -> float:
    """Return the accuracy on fresh puzzles of a linear readout trained with the encoder, the best
    of 4 seeds (some seeds of attention learn slowly)."""
    rng = np.random.default_rng(0)
    content = jnp.asarray(np.vstack([np.eye(2)[np.arange(4) % 2], np.zeros(2)]), jnp.float32)
    catalogue = Catalogue(
        jnp.arange(5), content, content, content, content, *4 * [jnp.zeros((5, 0))]
    )
    encode, seeds = (
        build(name, catalogue, 16)[1],
        [build(name, catalogue, 16, seed)[0] for seed in range(4)],
    )
    train, test = (
        jax.tree.map(lambda *x: jnp.stack(x), *[puzzles(rng, 128) for _ in range(400)]),
        puzzles(rng, 4096),
    )
    optimizer = optax.adam(1e-2)

    def logit(state: Any, obs: LiveObs) -> Any:
        return encode(state[0], obs, catalogue, read_history(obs, catalogue)) @ state[1]

    def loss(state: Any, obs: LiveObs, same: Any) -> Any:
        return jnp.mean(
            optax.sigmoid_binary_cross_entropy(logit(state, obs), same.astype(jnp.float32))
        )

    def step(carry: Any, batch: Any) -> Any:
        direction, moments = optimizer.update(jax.grad(loss)(carry[0], *batch), carry[1])
        return (optax.apply_updates(carry[0], direction), moments), None

    def learn(params: Any) -> Any:
        start = (params, jnp.zeros(6 if name == "mean" else 22))
        (state, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), train)
        return jnp.mean((logit(state, test[0]) > 0) == test[1])

    return float(
        jax.jit(jax.vmap(learn, axis_size=4))(jax.tree.map(lambda *x: jnp.stack(x), *seeds)).max()
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNED)
def test_learned_encoders_compare_the_newest_with_the_oldest(name: str) -> None:
    assert accuracy(name) > 0.95


@pytest.mark.slow
def test_means_cannot_compare_the_newest_with_the_oldest() -> None:
    # The means give the number of watches per category, no likes and no order; answering yes always
    # gives about 0.6.
    assert accuracy("mean") < 0.7
