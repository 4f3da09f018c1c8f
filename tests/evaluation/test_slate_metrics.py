"""Slate metrics: slates made by hand, an independent twin, and the compiled loop against a walk
through the sessions."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.recsims import recsim_config
from envs.worlds import live_config, small_world
from oracles import slate_metrics as twin

from lrdqn import build
from lrdqn.baselines import as_slate, make_content, make_random_slate
from lrdqn.evaluation.cohort import make_cohort, nothing_yet, per_seed
from lrdqn.evaluation.slate_metrics import (
    SLATE_METRICS,
    SlateSums,
    diversity,
    documents,
    kinds,
    make_slate_metrics,
    mean_slate_metrics,
    rooms,
)
from lrdqn.observations import Catalogue, LiveObs
from lrdqn.types import EnvSpec, View

K, S = 3, 6
SPEC = EnvSpec("live", 3, 4, K, "candidates", 8, ())


def test_diversity_of_slates_made_by_hand() -> None:
    x, y, diagonal = [1.0, 0.0], [0.0, 2.0], [3.0, 3.0]
    content = jnp.array(
        [[x, y, [-5.0, 0.0]], [x, x, x], [x, y, diagonal], [x, y, x], [x, y, x], [[0.0, 0.0], x, x]]
    )
    there = jnp.array([[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 1]], bool)
    # cosines: 0, -1, 0; 1, 1, 1; 0, 0.7071 twice; two equal items there; one item; zeros have
    # cosine 0
    want = [1 + 1 / 3, 0.0, 1 - 2 * 0.70710678 / 3, 0.0, 0.0, 1 - 1 / 3]
    np.testing.assert_allclose(diversity(content, there), want, atol=1e-6)


def test_diversity_and_kinds_equal_the_twin() -> None:
    rng = np.random.default_rng(0)
    content, there = rng.normal(size=(200, 5, 4)), rng.random((200, 5)) < 0.7
    kind = rng.integers(0, 4, (200, 5))
    got = np.asarray(diversity(jnp.asarray(content, jnp.float32), jnp.asarray(there)))
    number = np.asarray(kinds(jnp.asarray(kind), jnp.asarray(there)))
    for i in range(200):
        assert got[i] == pytest.approx(twin.diversity(list(content[i][there[i]])) or 0.0, abs=1e-5)
        assert number[i] == len(set(kind[i][there[i]].tolist()))


def test_a_slate_of_rooms_is_what_is_on_offer_and_named_once() -> None:
    """Streamer 6 is the empty one; of the others, 0 to 5, odd ones are of the second category."""
    obs = LiveObs(
        user=jnp.zeros(3, jnp.int32),
        context=jnp.zeros((3, 5)),
        history=jnp.array([[2, S], [S, S], [5, 4]]),
        history_watch=jnp.ones((3, 2)),
        history_reaction=jnp.zeros((3, 2), jnp.int32),
        candidates=jnp.array([[0, 2, 5, 3]] * 2 + [[S, 4, 5, 3]]),
        features=jnp.zeros((3, 4, 4)),
        mask=jnp.array([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1]], bool),
    )
    category = jnp.eye(2)[jnp.arange(S + 1) % 2]
    world = Catalogue(
        jnp.arange(S + 1),
        jnp.eye(S + 1),
        category,
        jnp.zeros((S + 1, 1)),
        jnp.zeros((1, 1)),
        *4 * [jnp.zeros((1, 0))],
    )
    slate = jnp.array([[0, 1, 2], [3, 1, 3], [0, 1, 2]])
    shown = rooms(obs, world, slate)
    np.testing.assert_array_equal(shown.there, [[1, 1, 1], [1, 0, 0], [0, 1, 1]])
    measure = make_slate_metrics(SPEC)
    assert measure is not None
    got = measure(obs, world, slate, jnp.array([1, 3, 0], jnp.int8))
    want = SlateSums(
        place=[2, 0, 1],
        top=[0, 0, 1],
        several=[1, 0, 1],
        diversity=[1, 0, 1],
        coverage=[2 / 3, 1 / 3, 2 / 3],
        novelty=[2 / 3, 1, 0],
    )
    for name, value in want._asdict().items():
        np.testing.assert_allclose(getattr(got, name), value, rtol=1e-6, err_msg=name)


def test_documents_are_told_apart_by_topic_or_by_their_features() -> None:
    slate = jnp.array([[7, 0, 4]])
    for changes, plain in (({}, True), ({"sampler": "features", "choice_model": "mnl"}, False)):
        env = build.build_env(recsim_config(**changes), 1)
        _, obs = jax.jit(env.reset)(jax.random.key(2), ())
        shown = documents(obs, env.catalogue(()), slate)
        features = np.asarray(obs.features)[0, [7, 0, 4]]
        vectors = np.eye(20)[np.asarray(obs.topic)[0, [7, 0, 4]]] if plain else features
        got = float(diversity(shown.content, shown.there)[0])
        assert got == pytest.approx(twin.diversity(list(vectors)) or 0.0, abs=1e-5)
        assert shown.known is None


def slated(**changes: Any) -> Any:
    return dataclasses.replace(live_config(horizon=8, **changes), slate=K)


def walk(env: Any, world: Any, policy: Any, key: jax.Array, details: Any) -> dict[str, np.ndarray]:
    """Return sums over each session's slates by the twin, in a Python loop over the keys of the
    compiled one."""
    n, catalogue = env.spec.sessions, env.catalogue(world)
    reset_key, env_key, act_key = jax.random.split(key, 3)
    state, obs = jax.jit(env.reset)(reset_key, world)
    alive, step, sums = np.ones(n, bool), jax.jit(env.step), {}
    act = jax.jit(lambda obs, key: policy.act((), View(obs, catalogue), key)[0])
    for t in range(env.spec.horizon):
        # keys by group and by member, as in ``make_players``
        own = jax.random.split(jax.random.fold_in(jax.random.fold_in(act_key, t), 0), 1)[0]
        action = act(obs, own)
        after, out = step(jax.random.fold_in(env_key, t), state, action, world)
        places, clicked_place = np.asarray(action), np.asarray(out.clicked_place)
        for i in np.flatnonzero(alive):
            for name, x in twin.slate_sums(
                places[i].tolist(), *details(obs, catalogue, i), int(clicked_place[i])
            ).items():
                sums.setdefault(name, np.zeros(n))[i] += x
        alive &= ~(np.asarray(out.terminated) | np.asarray(out.truncated))
        state, obs = after, out.obs
    return sums


def of_rooms(obs: Any, catalogue: Any, i: int) -> tuple:
    style, kind = np.asarray(catalogue.style), np.asarray(catalogue.category).argmax(1)
    ids, mask = np.asarray(obs.candidates)[i].tolist(), np.asarray(obs.mask)[i].tolist()
    return ids, mask, len(style) - 1, style, kind.tolist(), np.asarray(obs.history)[i].tolist()


def of_documents(obs: Any, catalogue: Any, i: int) -> tuple:
    topic = np.asarray(obs.topic)[i]
    return (
        topic.tolist(),
        [True] * len(topic),
        None,
        np.asarray(catalogue.content),
        list(range(21)),
        None,
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["live", "recsim"])
def test_the_cohort_sums_what_a_walk_through_the_sessions_finds(kind: str) -> None:
    config = slated(choice_model="position_mnl") if kind == "live" else recsim_config(horizon=8)
    env, key = build.build_env(config, 16), jax.random.key(7)
    world = small_world(config) if kind == "live" else ()
    policy = as_slate(make_content(), K) if kind == "live" else make_random_slate(env.spec)
    got = jax.device_get(
        jax.jit(make_cohort(env, ((policy, 1),)))(((),), world, jax.random.clone(key))
    )
    want = walk(env, world, policy, key, of_rooms if kind == "live" else of_documents)
    told = {name: x for name, x in got.slates._asdict().items() if x is not None}
    assert set(told) == set(want)
    for name, x in told.items():
        np.testing.assert_allclose(x[0], want[name], rtol=1e-4, atol=1e-5, err_msg=name)
        assert x.any(), name
    metrics = per_seed(got)
    assert set(SLATE_METRICS) - set(metrics) == {"quality" if kind == "live" else "novelty"}
    assert metrics["ctr"][0] == pytest.approx(got.clicks.sum() / got.length.sum())
    assert 1 < metrics["taken_place"][0] < K


def test_means_are_over_slates_or_over_clicks() -> None:
    """Two policies, two sessions; the second policy's slates are never clicked and hold one item
    each."""
    slates = SlateSums(
        place=np.array([[4.0, 1.0], [0, 0]]),
        top=np.array([[1.0, 1.0], [0, 0]]),
        several=np.array([[2.0, 1.0], [0, 0]]),
        diversity=np.array([[1.0, 0.5], [0, 0]]),
        coverage=np.array([[2.0, 1.0], [1, 1]]),
        novelty=None,
    )
    shown, clicks, quality = (
        np.array([[3.0, 1.0], [2, 2]]),
        np.array([[2.0, 1.0], [0, 0]]),
        np.array([[-1.0, 2.5], [0, 0]]),
    )
    got = mean_slate_metrics(slates, shown, clicks, quality)
    want = {
        "ctr": [0.75, 0],
        "taken_place": [5 / 3, np.nan],
        "taken_top": [2 / 3, np.nan],
        "diversity": [0.5, np.nan],
        "coverage": [0.75, 0.5],
        "quality": [0.5, np.nan],
    }
    assert set(got) == set(want)
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, err_msg=name)


def test_where_actions_are_no_slates_nothing_is_added() -> None:
    config = live_config(horizon=2)
    env = build.build_env(config, 4)
    outcome = jax.eval_shape(
        make_cohort(env, ((make_content(), 1),)), ((),), small_world(config), jax.random.key(0)
    )
    assert outcome.slates is None
    assert not set(SLATE_METRICS) & set(per_seed(jax.device_get(nothing_yet((2, 4)))))
    assert make_slate_metrics(SPEC._replace(one_step_decisions=False)) is None, (
        "in the tick clock a step is not a slate"
    )
    assert make_slate_metrics(SPEC._replace(observation="vector")) is None
