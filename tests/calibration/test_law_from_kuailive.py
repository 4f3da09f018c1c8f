"""Constants of the world's laws recovered from draws of these laws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.kuailive_mini import START, make_mini

from lrdqn.calibration.law_from_kuailive import (
    ENGAGED_SHARE,
    fitted_law,
    logit,
    room_lengths,
    start_habits,
    watch_mixture,
)
from lrdqn.envs.live.config import ScheduleConfig, UserLawConfig
from lrdqn.logs.kuailive import read_kuailive


@pytest.mark.parametrize("true", [(0.13, 4.04, 1.0, 216.0, 1.43), (0.3, 6.0, 0.7, 400.0, 1.0)])
def test_bounces_and_engaged_watches_are_told_apart(true: tuple[float, ...]) -> None:
    rng = np.random.default_rng(1)
    share, bounce, bounce_sd, dwell, dwell_sd = true
    n, z = 60_000, rng.normal(size=60_000)
    seconds = np.where(
        rng.random(n) < share, dwell * np.exp(dwell_sd * z), bounce * np.exp(bounce_sd * z)
    )
    seconds[:100] = 0
    np.testing.assert_allclose(watch_mixture(seconds), true, rtol=0.06)


def test_too_few_watches_leave_the_defaults() -> None:
    law = UserLawConfig()
    expected = (
        ENGAGED_SHARE,
        law.bounce_median,
        law.bounce_sigma,
        law.dwell_median,
        law.dwell_sigma,
    )
    assert watch_mixture(np.array([1.0, 2.0, 3.0])) == expected
    assert watch_mixture(np.zeros(20)) == expected


def test_cut_rooms_do_not_shorten_the_fit() -> None:
    rng = np.random.default_rng(2)
    length, limit = np.exp(np.log(2) + 0.9 * rng.normal(size=40_000)), rng.uniform(0, 6, 40_000)
    mean, sigma = room_lengths(np.minimum(length, limit), length > limit)
    assert mean == pytest.approx(2 * np.exp(0.405), rel=0.03)
    assert sigma == pytest.approx(0.9, rel=0.03)
    naive = np.log(np.minimum(length, limit))
    assert np.exp(naive.mean() + naive.var() / 2) < 0.9 * mean, (
        "or the test would pass without the correction"
    )
    plain, log_sd = room_lengths(length, np.zeros(len(length), bool))
    x = np.log(length)
    assert (plain, log_sd) == pytest.approx((np.exp(x.mean() + x.var() / 2), x.std()))


@pytest.mark.parametrize(
    ("habit", "amplitude", "peak"), [(0.6, 0.8, 20.0), (0.0, 0.5, 3.0), (0.9, 0.3, 12.0)]
)
def test_habits_and_hours_of_starts(habit: float, amplitude: float, peak: float) -> None:
    rng = np.random.default_rng(3)

    def hours(n: int) -> np.ndarray:
        h = rng.uniform(0, 24, 3 * n)
        kept = h[
            rng.uniform(0, 1 + amplitude, 3 * n)
            < 1 + amplitude * np.cos(2 * np.pi * (h - peak) / 24)
        ]
        return rng.permutation(kept)[:n]

    owner = rng.integers(4000, size=40_000)
    start = (
        np.where(
            rng.random(40_000) < habit, hours(4000)[owner] + rng.normal(0, 1, 40_000), hours(40_000)
        )
        % 24
    )
    got = start_habits(owner, start)
    assert got[0] == pytest.approx(amplitude, abs=0.05)
    assert got[1] == pytest.approx(peak, abs=0.4)
    assert got[2] == pytest.approx(habit, abs=0.02)


def test_one_room_each_leaves_the_habit_alone() -> None:
    amplitude, peak, habit = start_habits(np.arange(4), np.array([19.0, 20.0, 20.0, 21.0]))
    assert (amplitude, habit) == (1.0, ScheduleConfig().habit)
    assert peak == pytest.approx(20)


def test_the_law_of_a_whole_log_is_the_generators(tmp_path: Path) -> None:
    mini = make_mini(median_clicks=200.0, streamers=1000, seed=4, midnights=1)
    log = read_kuailive(mini.write(tmp_path, titles="none"))
    law = fitted_law(log)
    click = mini.files["click"]
    minutes = click["watch_live_time"].sum() / 60_000
    expected = {
        "bounce_median": 4.04,
        "bounce_sigma": 1.0,
        "dwell_median": 216,
        "dwell_sigma": 1.43,
    }
    for name, value in expected.items():
        assert law[f"env.law.{name}"] == pytest.approx(value, rel=0.08), name
    for name in ("comment", "like", "gift"):
        count = len(mini.files[name]["user_id"])
        assert law[f"env.law.{name}_rate"] == pytest.approx(count / minutes, rel=1e-3)
    assert law["env.law.engage_bias"] == pytest.approx(UserLawConfig().engage_bias, abs=0.1)
    shift = logit(1 / 6) - logit(0.52)
    assert law["env.law.click_bias"] == pytest.approx(UserLawConfig().click_bias + shift, abs=1e-3)
    assert law["env.schedule.room_hours"] == pytest.approx(2 * np.exp(0.405), rel=0.05)
    assert law["env.schedule.room_sigma"] == pytest.approx(0.9, rel=0.05)
    assert law["env.schedule.rooms_per_day"] == pytest.approx(
        1.27 / 1.22 * 6000 / 1000 / 21, rel=0.01
    )
    assert law["env.schedule.habit"] == pytest.approx(0.6, abs=0.08)
    assert law["env.schedule.amplitude"] == pytest.approx(0.8, abs=0.1)
    assert law["env.schedule.peak_hour"] == pytest.approx(20, abs=0.5)
    assert log.rooms.start.min() >= START


def test_without_impressions_the_click_bias_is_left_alone(tmp_path: Path) -> None:
    log = read_kuailive(make_mini(users=20, streamers=50, rooms=100, negatives=0).write(tmp_path))
    assert log.negatives is None
    assert "env.law.click_bias" not in fitted_law(log)
