"""New users and streamers, frequency of users' sessions, and hours of rooms."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from envs.worlds import live_config, make_live, small_world

from lrdqn.envs.live.daily_patterns import (
    ACTIVITY_SIGMA,
    WEALTH_SIGMA,
    draw_habits,
    preferred_hours,
)
from lrdqn.envs.live.population import sample_population, sample_start_hour
from lrdqn.envs.live.schedule import NEVER, sample_schedule
from lrdqn.envs.live.session import draw
from lrdqn.envs.live.user_dynamics import arrive
from lrdqn.envs.live.world import make_world
from lrdqn.observations import UNKNOWN


def test_habits_have_their_laws_whoever_is_drawn() -> None:
    habits = draw_habits(0.2, np.random.default_rng(0), 500)
    for values, sigma in ((habits.activity, ACTIVITY_SIGMA), (habits.wealth, WEALTH_SIGMA)):
        logs = np.sort(np.log(values))
        want = sigma * scipy.stats.norm.ppf((np.arange(500) + 0.5) / 500)
        np.testing.assert_allclose(logs - logs.mean(), want, atol=1e-3)
    assert habits.activity.mean() == pytest.approx(1, abs=1e-5)
    assert np.average(habits.wealth, weights=habits.activity) == pytest.approx(1, abs=1e-4)
    hours = np.bincount(habits.active_hour.astype(int), habits.activity, 24) / habits.activity.sum()
    assert (
        np.abs(hours - preferred_hours()).sum()
        < 2.5 * habits.activity.max() / habits.activity.sum() * 24 / 10
    )
    assert (habits.interactions < 10).mean() == pytest.approx(
        0.2 + 0.8 * scipy.stats.norm.cdf(np.log(1 / 6) / 1.2), abs=0.05
    )
    old = draw_habits(0.0, np.random.default_rng(0), 4000)
    assert (old.interactions < 50).mean() == pytest.approx(0.438, abs=0.01)
    assert np.corrcoef(np.log(old.activity), np.log1p(old.interactions))[0, 1] > 0.95


def test_users_come_as_often_as_they_are_active() -> None:
    config = live_config(users=50)
    world = small_world(config)
    _, arrival, _ = draw(jax.random.key(0), 40_000, 1)
    came = np.bincount(np.asarray(arrive(arrival, world, 5).user), minlength=50)
    share = np.diff(np.asarray(world.users.reach, np.float64), prepend=0.0)
    assert np.all(np.abs(came - 40_000 * share) < 5 * np.sqrt(40_000 * share) + 1)


def test_newcomers_have_no_room_before_their_debut_and_no_identity() -> None:
    config = live_config(streamers=2000, new_streamers=0.05)
    rng = np.random.default_rng(0)
    population = sample_population(config, rng)
    new = population.debut > 0
    assert new.mean() == pytest.approx(0.7 / 1.7, abs=0.04)  # 14 days of 5 %
    world = make_world(config, population, rng)
    start = world.schedule.start[:-1].astype(np.int64)
    assert np.all(start.min(axis=1)[new] >= 3600 * population.debut[new] - 1)
    np.testing.assert_array_equal(world.catalogue.identity[:-1][new], UNKNOWN)
    assert (world.catalogue.identity[:-1][~new] > 0).all()
    np.testing.assert_array_equal(world.streamers.newcomer[:-1], new)
    opened = (start < NEVER).sum()
    days = np.sum(14 - population.debut / 24 * new)
    assert opened / days == pytest.approx(1.27, rel=0.06)
    none = make_world(
        live_config(new_streamers=0.0), sample_population(live_config(new_streamers=0.0), rng), rng
    )
    assert not none.streamers.newcomer.any()


def test_cohorts_are_told_and_the_new_have_little_behind_them() -> None:
    config = live_config(new_users=0.5)
    rng = np.random.default_rng(1)
    population = sample_population(config, rng)
    world = jax.tree.map(jnp.asarray, make_world(config, population, rng))
    want = (population.interactions >= 10).astype(int) + (population.interactions >= 50)
    np.testing.assert_array_equal(world.users.cohort, want)
    filled = (population.history < config.streamers).sum(axis=1)
    np.testing.assert_array_equal(filled, np.minimum(population.interactions, config.history))
    env = make_live(config, 256)
    state, obs = env.reset(jax.random.key(0), world)
    _, t = env.step(jax.random.key(1), state, jnp.argmax(obs.mask, axis=1), world)
    np.testing.assert_array_equal(t.info["cohort"], want[np.asarray(state.session.user)])
    shown = np.asarray(
        jnp.take_along_axis(obs.candidates, jnp.argmax(obs.mask, axis=1)[:, None], axis=1)[:, 0]
    )
    np.testing.assert_array_equal(t.info["newcomers"], np.asarray(world.streamers.newcomer)[shown])


def test_categories_have_hours_of_their_own() -> None:
    config = live_config()
    hours = sample_start_hour(
        config, np.random.default_rng(0), np.repeat([0.0, 6.0], 40_000)
    ).reshape(2, -1)
    for got, peak in zip(hours, (19.0, 25.0), strict=True):
        mean = np.angle(np.exp(2j * np.pi * got / 24).mean()) * 24 / (2 * np.pi)
        assert (mean - peak + 12) % 24 - 12 == pytest.approx(0, abs=0.15)
        assert np.abs(np.exp(2j * np.pi * got / 24).mean()) == pytest.approx(
            0.5, abs=0.01
        )  # A / 2 of a raised cosine


def test_streamers_give_up_empty_rooms() -> None:
    config = live_config(streamers=3000)
    population = sample_population(config, np.random.default_rng(0))._replace(
        debut=np.zeros(3000, np.float32)
    )

    def mean_hours(hazard: float, log_popularity: float) -> float:
        law = dataclasses.replace(config.schedule, empty_hazard=hazard)
        crowd = population._replace(log_popularity=np.full(3000, log_popularity, np.float32))
        schedule = sample_schedule(
            dataclasses.replace(config, schedule=law), crowd, np.random.default_rng(1)
        )
        there = schedule.start < NEVER
        return float((schedule.end[there] - schedule.start[there].astype(float)).mean() / 3600)

    full = mean_hours(0.0, -20.0)
    assert full == pytest.approx(3.6, rel=0.03)
    # an empty room: the smaller of a lognormal and an exponential of two hours
    rng = np.random.default_rng(2)
    length = np.minimum(np.exp(np.log(3.6) - 0.405 + 0.9 * rng.normal(size=400_000)), 24)
    assert mean_hours(0.5, -20.0) == pytest.approx(
        np.minimum(length, rng.exponential(2.0, 400_000)).mean(), rel=0.03
    )
    assert mean_hours(0.5, 3.0) == pytest.approx(full, rel=0.01)
