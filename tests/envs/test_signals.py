"""Delayed signals of a highlight: noisy, the same for all users, and off by default."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from envs.worlds import live_config, make_live, small_world

from lrdqn.envs.live.choice import highlight
from lrdqn.envs.live.daily_patterns import HOURLY_WATCH
from lrdqn.envs.live.observation import NOISE
from lrdqn.envs.live.schedule import is_live, room_at
from lrdqn.envs.live.signals import (
    AUDIO_DELAY,
    AUDIO_NOISE,
    SIGNAL_NOISE,
    audio_cue,
    expected_reactions,
    hash_uniform,
    recent_reactions,
)

WORLD = small_world(live_config())
ROOMS = WORLD.schedule.start.shape[1]


def pairs(n: int = 4000) -> tuple[jnp.ndarray, jnp.ndarray]:
    """Return times ``[n]`` and rooms ``[n, 1]`` that have then been on air for ten minutes or
    more."""
    rng = np.random.default_rng(0)
    time = jnp.asarray(rng.integers(86_400, 12 * 86_400, 30 * n), jnp.int32)
    room = room_at(WORLD.schedule, jnp.asarray(rng.integers(0, 300, 30 * n), jnp.int32), time)
    on = np.flatnonzero(
        is_live(WORLD.schedule, room, time) & is_live(WORLD.schedule, room, time - 600)
    )[:n]
    assert len(on) == n
    return time[on], room[on][:, None]


TIME, ROOM = pairs()


def is_highlight(time: jnp.ndarray) -> np.ndarray:
    return np.asarray(highlight(ROOM, time[:, None], WORLD.salt))[:, 0]


def test_hashed_uniforms_are_uniform_and_their_streams_independent() -> None:
    draws = [
        np.asarray(hash_uniform(ROOM, TIME[:, None], WORLD.salt, stream))[:, 0] for stream in (1, 2)
    ]
    for u in (*draws, (draws[0] + draws[1]) % 1):
        assert scipy.stats.kstest(u, "uniform").pvalue > 1e-3
        assert u.min() > 0
        assert u.max() < 1
    top = hash_uniform(jnp.arange(2**20), jnp.zeros(2**20, jnp.int32), WORLD.salt, 3)
    assert 0 < float(top.min()) < 1e-4
    assert 1 - 1e-4 < float(top.max()) < 1


def test_the_audio_cue_is_the_highlight_half_a_minute_ago_through_noise() -> None:
    cue, then = np.asarray(audio_cue(TIME, ROOM, WORLD))[:, 0], is_highlight(TIME - AUDIO_DELAY)
    standard = (then - 0.3) / math.sqrt(0.21)
    left = cue - standard
    assert scipy.stats.kstest(left / AUDIO_NOISE, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(left, then)[0, 1]) < 0.06
    now = is_highlight(TIME)
    assert (
        0.05 < (now != then).mean() < 0.25
    )  # a quarter of all times lie within 30 s of a new bin, 0.42 of which differ
    assert abs(np.corrcoef(left, now)[0, 1]) < 0.06, (
        "what is new within the last half minute cannot be heard"
    )


def test_there_is_no_sound_from_before_the_room() -> None:
    start = WORLD.schedule.start.reshape(-1)[ROOM[:, 0]]
    for since, heard in ((0, False), (AUDIO_DELAY - 1, False), (AUDIO_DELAY, True)):
        assert np.asarray(audio_cue(start + since, ROOM, WORLD)).any() == heard


def test_reactions_of_a_full_minute_are_expected_by_hand() -> None:
    law, s = WORLD.law, int(ROOM[0, 0]) // ROOMS
    minute = 14 * 60 + 7
    want = (
        math.exp(float(WORLD.streamers.popularity[s]))
        * 24
        * HOURLY_WATCH[14]
        * (0.0291 + 0.0265 + 0.0108)
    )
    got = float(expected_reactions(ROOM[0, 0], jnp.int32(minute + 3 * 1440), WORLD))
    assert got == pytest.approx(want, rel=1e-4)
    assert float(law.comment_rate + law.like_rate + law.gift_rate) == pytest.approx(
        0.0664, rel=1e-5
    )


@pytest.mark.slow
def test_recent_reactions_equal_a_count_minute_by_minute() -> None:
    """The twin counts with SciPy's Poisson quantiles of the same uniforms, in float64."""
    time, room = np.asarray(TIME[:200]), np.asarray(ROOM[:200, 0])
    got, off = np.asarray(recent_reactions(TIME[:200], ROOM[:200], WORLD))[:, 0], 0
    mean = 0.3 * math.exp(0.7 * 0.7) + 0.7 * math.exp(-0.7 * 0.3)
    for t, r, x in zip(time, room, got, strict=True):
        counted = awaited = 0.0
        for minute in range(t // 60 - 5, t // 60):
            hour = minute % 1440 // 60
            e = (
                math.exp(float(WORLD.streamers.popularity[r // ROOMS]))
                * 24
                * HOURLY_WATCH[hour]
                * 0.0664
            )
            h = float(highlight(jnp.int32(r), jnp.int32(60 * minute), WORLD.salt))
            u_hash = float(hash_uniform(jnp.int32(r), jnp.int32(minute), WORLD.salt, 0x51ED270B))
            counted += scipy.stats.poisson.ppf(u_hash, e * math.exp(0.7 * (h - 0.3)) / mean)
            awaited += e
        off += abs(x - math.log((counted + 0.5) / (awaited + 0.5))) > 1e-3
    assert off <= 2  # float32 at the edges of the steps


def test_reactions_tell_of_the_last_minutes_where_people_watch() -> None:
    crowd = WORLD._replace(streamers=WORLD.streamers._replace(popularity=jnp.full(301, 8.0)))
    sign = np.asarray(recent_reactions(TIME, ROOM, crowd))[:, 0]
    past = np.mean([is_highlight((TIME // 60 - back) * 60) for back in range(1, 6)], axis=0)
    assert np.corrcoef(sign, past)[0, 1] > 0.95
    nobody = WORLD._replace(streamers=WORLD.streamers._replace(popularity=jnp.full(301, -12.0)))
    assert np.abs(np.asarray(recent_reactions(TIME, ROOM, nobody))).max() < 0.01


@pytest.mark.slow
def test_what_is_seen_of_a_room_is_the_same_for_all_users() -> None:
    for signal in (recent_reactions, audio_cue):
        many = jax.jit(signal)(jnp.full(9, TIME[0]), jnp.broadcast_to(ROOM[0], (9, 3)), WORLD)
        np.testing.assert_allclose(
            many, np.asarray(signal(TIME[:1], ROOM[:1], WORLD))[0, 0], rtol=1e-6
        )


@pytest.mark.slow
def test_they_stand_behind_the_other_features_unless_off_and_are_noisy_too() -> None:
    config = {
        "off": {},
        "on": {"live_signals": True},
        "noisy": {"live_signals": True, "obs": "noisy", "obs_noise": 2.0},
    }
    reset = {
        name: jax.jit(make_live(live_config(**changes), 512).reset)
        for name, changes in config.items()
    }
    state, obs = {}, {}
    for name, begin in reset.items():
        state[name], obs[name] = begin(jax.random.key(0), WORLD)
    plain, more = obs["off"], obs["on"]
    assert (plain.features.shape[2], more.features.shape[2]) == (4, 6)
    np.testing.assert_array_equal(more.features[..., :4], plain.features)
    np.testing.assert_array_equal(more.candidates, plain.candidates)
    there = np.asarray(plain.mask & (plain.candidates != 300))
    for i, signal in enumerate((recent_reactions, audio_cue)):
        want = np.asarray(signal(state["on"].session.time, state["on"].candidates.room, WORLD))
        np.testing.assert_allclose(
            np.asarray(more.features[..., 4 + i])[there], want[there], atol=5e-3
        )
    assert not np.asarray(more.features)[~there].any()
    off = np.asarray(obs["noisy"].features.astype(jnp.float32) - more.features.astype(jnp.float32))
    np.testing.assert_allclose(
        off[there].std(axis=0), 2 * np.array([*NOISE, *SIGNAL_NOISE]), rtol=0.1
    )
