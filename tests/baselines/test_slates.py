"""Policies on slates of the live world: rankings, and privileged policies against an enumeration of
slates."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, small_world

from lrdqn import baselines, build
from lrdqn.envs.live.choice import CHOICE_MODELS, appeal
from lrdqn.envs.live.expected_outcome import make_slate_outcome
from lrdqn.evaluation.cohort import make_cohort
from lrdqn.ops.slates import slate_value
from lrdqn.types import View

K = 3


def slated(**changes: Any) -> Any:
    return dataclasses.replace(live_config(**changes), slate=K)


def request_of(config: Any, sessions: int, seed: int = 3) -> tuple[Any, Any, Any, Any]:
    env, world = build.build_env(config, sessions), small_world(config)
    state, obs = jax.jit(env.reset)(jax.random.key(seed), world)
    return env, world, state, View(obs, world.catalogue, (state, world))


def test_a_ranking_shows_its_best_candidates_on_offer_best_first() -> None:
    _, _, _, view = request_of(slated(), 64)
    policy = baselines.make_popularity()
    assert baselines.as_slate(policy, 1) is policy
    places, _ = baselines.as_slate(policy, K).act((), view, jax.random.key(0))
    first, _ = policy.act((), view, jax.random.key(0))
    np.testing.assert_array_equal(places[:, 0], first)
    viewers, mask = np.asarray(view.obs.features)[..., 0].astype(float), np.asarray(view.obs.mask)
    got = np.take_along_axis(viewers, np.asarray(places), 1)
    full = mask.sum(1) >= K
    want = -np.sort(-np.where(mask, viewers, -np.inf), axis=1)[:, :K]
    assert full.sum() > 32
    np.testing.assert_array_equal(got[full], want[full])


def worth_of_slates(config: Any, state: Any, world: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return every ordered slate ``[M, K]`` of a request and its expected reward by the choice
    model ``[N, M]``; minus infinity where a place is not on offer."""
    slates = np.array(list(itertools.permutations(range(config.candidates), K)))
    session, offered = state
    _, watched, nothing = jax.jit(make_slate_outcome(config))(state, world)
    there = offered.mask & (offered.streamer != config.streamers)
    utility = jax.jit(appeal)(session, offered.streamer, offered.room, world).utility
    chances = np.asarray(
        CHOICE_MODELS[config.choice_model](utility[:, slates], there[:, slates], world.law),
        np.float64,
    )
    none = np.asarray(nothing.reward, np.float64)[:, None]
    worth = none + (chances * (np.asarray(watched.reward)[:, slates] - none[:, :, None])).sum(-1)
    return slates, np.where(np.asarray(offered.mask)[:, slates].all(-1), worth, -np.inf)


@pytest.mark.parametrize(
    ("model", "mean", "least"),
    [
        pytest.param("mnl", 1 - 1e-5, 1 - 1e-4, marks=pytest.mark.slow),
        pytest.param("proportional", 1 - 1e-5, 1 - 1e-4, marks=pytest.mark.slow),
        pytest.param("position_mnl", 0.999, 0.99, marks=pytest.mark.slow),
        ("pbm", 0.97, 0.85),
    ],
)
def test_no_slate_earns_more_at_once_than_the_oracles(
    model: str, mean: float, least: float
) -> None:
    """Against all slates of 3 of 8: ``exact`` is the best where the model is a ratio of weights,
    and near it otherwise."""
    config = slated(choice_model=model)
    _, world, state, view = request_of(config, 48)
    slates, worth = worth_of_slates(config, state, world)
    code = {tuple(slate): i for i, slate in enumerate(slates.tolist())}
    oracles, told = (
        {name: baselines.make_slate_index(config, name) for name in ("topk", "greedy", "exact")},
        {},
    )
    weights = oracles["exact"].init(jax.random.key(0))
    shown = jax.jit(
        lambda: {
            name: policy.act(weights, view, jax.random.key(0))[0]
            for name, policy in oracles.items()
        }
    )()
    for optimiser, found in shown.items():
        full = np.flatnonzero(np.isfinite(worth).any(1))
        assert len(full) > 24
        told[optimiser] = np.array(
            [worth[i, code[tuple(np.asarray(found)[i].tolist())]] for i in full]
        ) / worth[full].max(1)
    assert told["exact"].mean() > mean
    assert told["exact"].min() > least
    assert told["greedy"].mean() > mean - 0.001
    if model == "mnl":
        assert told["topk"].mean() < 0.99, "a slate is more than its best rooms"


@pytest.mark.slow
def test_the_expected_reward_of_a_slate_is_the_mean_of_many() -> None:
    config, times = slated(law={"patience_median": 2.0}), 2000  # sessions end often
    env, world, state, view = request_of(config, 32)
    v, watched, nothing = jax.jit(make_slate_outcome(config))(state, world)
    slate = jnp.tile(jnp.array([[5, 0, 3]]), (32, 1))
    told = np.asarray(slate_value(v, watched.reward, slate, jnp.ones(32), nothing.reward))

    def rewards(key: jax.Array) -> jax.Array:
        return env.step(key, state, slate, world)[1].reward

    seen = np.asarray(
        jax.jit(jax.vmap(rewards))(jax.random.split(jax.random.key(1), times)), np.float64
    )
    assert np.asarray(view.obs.mask)[:, 5].sum() > 16
    # error of the sixteen quantiles
    off = (told - seen.mean(0)) / (seen.std(0) / np.sqrt(times) + 0.004)
    assert np.abs(off).max() < 4.5
    assert abs(off.mean()) < 4 / np.sqrt(32)


def test_every_policy_fills_slates_and_plays_in_the_cohort() -> None:
    config = slated(horizon=60)
    env, world = build.build_env(config, 128), small_world(config)
    rows = build.build_baselines(config, env) | build.build_references(config)
    assert set(rows) == {
        "random",
        "popularity",
        "content",
        "one_place",
        "one_category",
        "one_streamer",
        "always_repeat",
        "linear",
        "static_ranking",
        "oracle_myopic",
        "oracle_greedy",
        "oracle_planner",
    }
    assert all(
        policy.privileged
        == (name.startswith("oracle") or name in ("one_streamer", "static_ranking"))
        for name, policy in rows.items()
    )
    _, obs = jax.eval_shape(env.reset, jax.random.key(0), world)
    for policy in rows.values():
        own = jax.eval_shape(policy.init, jax.random.key(0))
        view = View(
            obs, world.catalogue, (jax.eval_shape(env.reset, jax.random.key(0), world)[0], world)
        )
        action, _ = jax.eval_shape(policy.act, own, view, jax.random.key(0))
        assert (action.shape, action.dtype) == ((128, K), jnp.int32)
    states = tuple(
        jax.tree.map(lambda x: x[None], policy.init(jax.random.key(0))) for policy in rows.values()
    )
    cohort = make_cohort(env, tuple((policy, 1) for policy in rows.values()))
    outcome = jax.eval_shape(cohort, states, world, jax.random.key(5))
    assert outcome.slates is not None
    assert outcome.slates.diversity.shape == (len(rows), 128)


def test_a_room_is_shown_once_and_what_is_not_on_offer_shows_nothing() -> None:
    """A slate that names a place twice equals, random numbers included, the slate with nothing
    there."""
    config = slated(choice_model="position_mnl", horizon=8)
    env, world, state, _ = request_of(config, 16)
    offered = state.candidates
    streamer, mask = (
        offered.streamer.at[:, 7].set(config.streamers),
        offered.mask.at[:, 7].set(False),
    )
    state, step = (
        state._replace(candidates=offered._replace(streamer=streamer, mask=mask)),
        jax.jit(env.step),
    )
    slates = (jnp.tile(jnp.array([slate]), (16, 1)) for slate in ([4, 4, 5], [4, 7, 5]))
    again, empty = (step(jax.random.key(1), state, slate, world)[1] for slate in slates)
    jax.tree.map(np.testing.assert_array_equal, again, empty)
    assert set(np.asarray(again.clicked_place).tolist()) == {0, 2, 3}
