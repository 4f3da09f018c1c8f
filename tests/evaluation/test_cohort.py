"""The cohort: every session counts once, to its end, with the same random numbers for every
policy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, make_live, small_world

from lrdqn.baselines import make_content, make_popularity, make_random
from lrdqn.evaluation.cohort import CohortKeys, make_cohort, per_seed
from lrdqn.types import View


@pytest.fixture(scope="module")
def scene() -> tuple:
    config = live_config(horizon=30)
    return small_world(config), make_live(config, 32)


def test_cohort_equals_a_walk_through_the_sessions(scene: tuple) -> None:
    """The compiled loop equals a plain Python loop over the same keys."""
    world, env = scene
    policy, key = make_content(), jax.random.key(7)
    got = jax.jit(make_cohort(env, ((policy, 2),)))(((),), world, jax.random.clone(key))
    assert set(np.asarray(got.group[0])) <= {0, 1, 2}
    for field in jax.tree.leaves(got):
        np.testing.assert_array_equal(
            np.asarray(field)[0], np.asarray(field)[1]
        )  # common random numbers: equal policies tie exactly

    reset_key, env_key, act_key = jax.random.split(key, 3)
    state, obs = jax.jit(env.reset)(reset_key, world)
    alive, returns, length, clicks, seconds = (
        np.ones(32, bool),
        np.zeros(32),
        np.zeros(32),
        np.zeros(32),
        np.zeros(32),
    )
    censored, step = np.zeros(32, bool), jax.jit(env.step)
    for t in range(30):
        action, _ = policy.act((), View(obs, world.catalogue), jax.random.fold_in(act_key, t))
        state, out = step(jax.random.fold_in(env_key, t), state, action, world)
        returns[alive] += np.asarray(out.reward)[alive]
        length[alive] += 1
        clicks[alive] += np.asarray(out.info["clicked"])[alive]
        seconds[alive] += np.asarray(out.info["seconds"])[alive]
        terminated, truncated = np.asarray(out.terminated), np.asarray(out.truncated)
        censored |= alive & truncated & ~terminated
        alive &= ~(terminated | truncated)
        obs = out.obs
    assert not alive.any()
    np.testing.assert_allclose(got.returns[0], returns, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(got.length[0], length)
    np.testing.assert_array_equal(got.clicks[0], clicks)
    np.testing.assert_allclose(got.watch_minutes[0], seconds / 60, rtol=1e-4)
    np.testing.assert_array_equal(got.censored[0], censored)
    assert 0 < censored.mean() < 1


@pytest.mark.slow
def test_policies_are_ordered_and_the_cohort_is_fixed(scene: tuple) -> None:
    world, env = scene
    cohort = jax.jit(
        make_cohort(env, ((make_random(env.spec), 1), (make_popularity(), 1), (make_content(), 1)))
    )
    rounds = [cohort(((), (), ()), world, jax.random.key(i)) for i in (*range(8), 0)]
    np.testing.assert_array_equal(rounds[0].returns, rounds[-1].returns)
    means = np.mean([per_seed(jax.device_get(o))["clicks"] for o in rounds[:8]], axis=0)
    assert means[2] > means[0], "content draws more clicks than chance"


def test_no_policy_can_draw_what_the_world_draws(scene: tuple) -> None:
    """The keys of policies' states are no key that a reset, a step or an action is drawn with."""
    world, env = scene
    root, random = jax.random.key(4), make_random(env.spec)
    init_keys: list[np.ndarray] = []

    def init(key: jax.Array) -> jax.Array:
        jax.debug.callback(lambda x: init_keys.append(np.asarray(x)), jax.random.key_data(key))
        return jnp.zeros(())

    def act(state: jax.Array, view: View, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        return random.act((), view, key)[0], state

    groups = tuple((random._replace(init=init, act=act), n) for n in (1, 1, 3, 1, 1))
    jax.jit(make_cohort(env, groups))((None,) * 5, world, jax.random.clone(root))
    jax.effects_barrier()
    own = {tuple(row) for found in init_keys for row in found.reshape(-1, 2)}
    assert len(own) == 7
    keys = CohortKeys(*jax.random.split(root, 4))
    used = [jax.random.fold_in(keys.env, t) for t in range(30)]
    steps = [jax.random.fold_in(keys.act, t) for t in range(30)]
    used += steps + [jax.random.fold_in(k, g) for k in steps for g in range(5)]
    others = {tuple(np.asarray(jax.random.key_data(k)).tolist()) for k in (*used, *keys[:3])}
    assert not own & others


def test_rewards_that_are_not_finite_count_as_zero_and_are_counted(scene: tuple) -> None:
    world, env = scene

    def step(key: jax.Array, state: object, action: jax.Array, params: object) -> tuple:
        state, t = env.step(key, state, action, params)
        odd = jnp.where(jnp.arange(32) % 4 == 0, jnp.nan, -jnp.inf)
        return state, t._replace(reward=jnp.where(jnp.arange(32) % 2 == 0, odd, t.reward))

    policy, key = make_content(), jax.random.key(7)
    plain, sick = (
        jax.device_get(
            jax.jit(make_cohort(world_, ((policy, 1),)))(((),), world, jax.random.clone(key))
        )
        for world_ in (env, env._replace(step=step))
    )
    np.testing.assert_array_equal(sick.returns[0, ::2], 0)
    np.testing.assert_array_equal(sick.returns[0, 1::2], plain.returns[0, 1::2])
    np.testing.assert_array_equal(sick.nonfinite[0, ::2], sick.length[0, ::2])
    assert not sick.nonfinite[0, 1::2].any()
    assert per_seed(sick)["nonfinite"] == sick.length[0, ::2].sum()
    assert per_seed(plain)["nonfinite"] == 0


RANGES = {
    "return": (-3.0, np.inf),
    "watch_minutes": (0.0, 24 * 60.0),
    "session_length": (1.0, 30.0),
    "clicks": (0.0, 30.0),
    "censored": (0.0, 1.0),
    "nonfinite": (0.0, 0.0),
    "new_streamers": (0.0, 1.0),
}
"""Of a session of at most 30 requests; a bounce costs 0.1."""


def test_every_metric_lies_in_its_range(scene: tuple) -> None:
    world, env = scene
    policies = ((make_content(), 1), (make_popularity(), 1), (make_random(env.spec), 1))
    outcome = jax.jit(make_cohort(env, policies))((None,) * 3, world, jax.random.key(3))
    found = per_seed(jax.tree.map(lambda x: np.asarray(x)[None], outcome))
    assert {name.partition("/")[0] for name in found} == RANGES.keys()
    for name, values in found.items():
        low, high = RANGES[name.partition("/")[0]]
        kept = values[~np.isnan(values)]
        assert ((kept >= low) & (kept <= high)).all(), name
    assert (found["clicks"] <= found["session_length"]).all()
