"""Environments against the generic checker, and the endings of episodes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.checker import check_env
from envs.worlds import live_config, make_live, small_world

from lrdqn.envs.live.env import end_session, end_user
from lrdqn.envs.live.session import Arrival
from lrdqn.envs.probes.config import ProbeConfig
from lrdqn.envs.probes.env import PROBES, make_probe
from lrdqn.train.loop import random_action


@pytest.mark.parametrize("probe", sorted(PROBES))
def test_probes_keep_the_contract(probe: str) -> None:
    seen = check_env(make_probe(ProbeConfig(probe=probe), 4), (), steps=25)
    assert seen["terminated" if probe != "truncation" else "truncated"] > 0


@pytest.mark.parametrize("episode", ["session", "user"])
def test_live_keeps_the_contract(episode: str) -> None:
    config = live_config(episode=episode, horizon=40)
    seen = check_env(make_live(config, 64), small_world(config), steps=90)
    assert seen["terminated"] > 0
    assert seen["truncated"] > 0


def _leaving(n: int = 4) -> tuple:
    config = live_config()
    world = small_world(config)
    env = make_live(config, n)
    state, _ = env.reset(jax.random.key(0), world)
    arrival = Arrival(*(jnp.full(n, 0.5) for _ in Arrival._fields))
    left = jnp.array([True, True, False, False])
    returned = jnp.array([True, False, True, False])
    return state.session, left, returned, arrival, world


def test_leaving_terminates_a_session_and_pays_the_return_there() -> None:
    ending = end_session(*_leaving())
    np.testing.assert_array_equal(ending.terminated, [True, True, False, False])
    np.testing.assert_array_equal(ending.comeback, [1, 0, 0, 0])
    assert not bool(ending.truncated.any())
    np.testing.assert_array_equal(ending.elapsed, 0)


def test_leaving_is_an_ordinary_transition_of_a_user_who_comes_back() -> None:
    session, left, returned, arrival, world = _leaving()
    ending = end_user(1.0, 5)(session, left, returned, arrival, world)
    np.testing.assert_array_equal(
        ending.terminated, [False, True, False, False]
    )  # not coming back is the end
    np.testing.assert_array_equal(ending.comeback, 0)  # the reward would count twice
    np.testing.assert_array_equal(
        ending.elapsed, [1, 0, 0, 0]
    )  # a night is one unit, never 1,440 minutes
    np.testing.assert_array_equal(ending.session.session, [1, 0, 0, 0])
    assert int(ending.session.time[0]) // 86_400 >= int(session.time[0]) // 86_400 + 1
    np.testing.assert_array_equal(ending.session.time[1:], session.time[1:])
    np.testing.assert_array_equal(ending.session.user, session.user)


def test_the_window_of_observation_truncates() -> None:
    session, left, returned, arrival, world = _leaving()
    last = session._replace(session=jnp.full(4, 4))
    ending = end_user(1.0, 5)(last, left, returned, arrival, world)
    np.testing.assert_array_equal(ending.truncated, [True, False, False, False])
    assert not bool(ending.terminated[0])


@pytest.mark.slow
def test_a_stream_going_off_air_is_an_ordinary_transition() -> None:
    """A room that ends under its user never ends an episode by itself and costs no patience."""
    config = live_config(schedule={"room_hours": 0.2})
    world, env = small_world(config), make_live(config, 256)
    state, obs = env.reset(jax.random.key(0), world)
    cut = 0
    step = jax.jit(env.step)
    for i in range(40):
        before = state.session
        action = random_action(env, obs, jax.random.key(i))
        state, t = step(jax.random.fold_in(jax.random.key(9), i), state, action, world)
        obs = t.obs
        ended = np.asarray(t.info["stream_ended"])
        stays = ended & ~np.asarray(t.info["left"]) & ~np.asarray(t.truncated)
        cut += int(stays.sum())
        assert not np.asarray(t.terminated)[stays].any()
        assert (
            np.asarray(state.session.patience)[stays] >= np.asarray(before.patience)[stays] - 1e-5
        ).all()
    assert cut > 20


def test_discount_by_the_time_that_passes() -> None:
    config = live_config(discount_unit="minutes:10")
    world, env = small_world(config), make_live(config, 128)
    state, obs = env.reset(jax.random.key(0), world)
    _, t = env.step(jax.random.key(1), state, random_action(env, obs, jax.random.key(2)), world)
    assert not np.asarray(t.info["clicked"]).all()
    seconds = np.asarray(t.info["seconds"]) + config.law.decision_seconds  # also without a click
    np.testing.assert_allclose(t.elapsed, seconds / 600, rtol=1e-6)


def test_nothing_on_air_offers_to_show_nothing() -> None:
    config = live_config()
    world = small_world(config)
    silent = world._replace(
        schedule=world.schedule._replace(start=jnp.full_like(world.schedule.start, 2**31 - 1))
    )
    env = make_live(config, 16)
    state, obs = env.reset(jax.random.key(0), silent)
    np.testing.assert_array_equal(obs.mask.sum(axis=1), 1)
    assert bool((obs.candidates[:, 0] == config.streamers).all())
    after, t = env.step(jax.random.key(1), state, jnp.zeros(16, jnp.int32), silent)
    assert not bool(t.info["clicked"].any())
    moved = np.asarray(after.session.time - state.session.time)[~np.asarray(t.terminated)]
    np.testing.assert_array_equal(moved, 3)  # the clock must not stall


def test_hidden_truth_does_not_reach_the_observation() -> None:
    """Permute everything hidden: the observations of a fixed first step must not change by a
    bit."""
    config = live_config()
    world, env = small_world(config), make_live(config, 64)
    key = jax.random.key(3)
    users = world.users._replace(
        interest=world.users.interest[::-1],
        category_bias=world.users.category_bias[::-1],
        wealth=world.users.wealth[::-1],
    )
    streamers = world.streamers._replace(
        skill=world.streamers.skill[::-1], hook=world.streamers.hook[::-1]
    )
    hidden = world._replace(users=users, streamers=streamers)
    seen, other = env.reset(key, world)[1], env.reset(key, hidden)[1]
    for a, b in zip(jax.tree.leaves(seen), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)
