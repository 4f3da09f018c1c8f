"""Metrics of a KuaiLive log against loops over its rows, and their comparison with targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.kuailive_mini import DAY, HOURLY, SHIFT, START, make_mini

from lrdqn.calibration.kuailive_metrics import (
    hourly_watch,
    kuailive_metrics,
    lognormal_sd,
    next_day_return,
)
from lrdqn.calibration.targets import LOG_TARGETS, compare_log
from lrdqn.evaluation.gini import gini
from lrdqn.logs.kuailive import KuaiLive, read_kuailive


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> KuaiLive:
    return read_kuailive(
        make_mini(users=40, streamers=100, rooms=400, seed=6).write(
            tmp_path_factory.mktemp("kuailive")
        )
    )


def test_metrics_against_loops(log: KuaiLive) -> None:
    got = kuailive_metrics(log)
    click, seconds = log.clicks, np.asarray(log.clicks.amount) / 1000
    assert got["watch per click, mean (s)"] == pytest.approx(seconds.mean())
    assert got["share of watches < 3 s"] == np.mean(seconds < 3)
    assert got["gifts per click"] == log.gifts.size / click.size
    assert got["likes per viewer-minute"] == pytest.approx(log.likes.size / (seconds.sum() / 60))
    assert got["click per impression"] == pytest.approx(1 / 6)
    assert got["gift price mean"] == np.mean(log.gifts.amount)

    by_hour = np.zeros(24)
    for time, w in zip(click.time, seconds, strict=True):
        by_hour[(time - START) // 3_600_000 % 24] += w
    np.testing.assert_allclose(hourly_watch(log), by_hour / by_hour.sum())
    expected = np.abs(by_hour / by_hour.sum() - HOURLY / HOURLY.sum()).sum()
    assert got["hourly watch shares, L1 distance"] == pytest.approx(expected)

    known, familiar, watched = set(), 0, {}
    for user, streamer, w in zip(click.user, click.streamer, seconds, strict=True):
        familiar += (user, streamer) in known
        known.add((user, streamer))
        watched.setdefault(user, {}).setdefault(streamer, 0.0)
        watched[user][streamer] += w
    assert got["clicks on familiar streamers"] == pytest.approx(familiar / click.size)
    top = [max(of.values()) / sum(of.values()) for of in watched.values()]
    assert got["top streamer's share of a user, p50"] == pytest.approx(np.median(top))
    assert got["top streamer's share of a user, p90"] == pytest.approx(np.quantile(top, 0.9))
    total = np.array([sum(of.values()) for of in watched.values()])
    assert got["watch time of a user, log-sd"] == pytest.approx(
        np.log(np.quantile(total, 0.9) / np.median(total)) / 1.2816
    )

    count = dict.fromkeys(log.streamer_id, 0)
    for events in (click, log.comments, log.likes, log.gifts):
        for streamer in events.streamer:
            count[streamer] += 1
    assert got["streamers with < 5 interactions"] == np.mean([n < 5 for n in count.values()])
    assert got["streamers with > 40 interactions"] == np.mean([n > 40 for n in count.values()])
    spent = {}
    for user, price in zip(log.gifts.user, np.asarray(log.gifts.amount), strict=True):
        spent[user] = spent.get(user, 0) + price
    assert got["Gini of gifts, users"] == pytest.approx(gini(np.array(list(spent.values()))))


def test_rooms_on_air(log: KuaiLive) -> None:
    got = kuailive_metrics(log)
    assert got["rooms per streamer-day"] == pytest.approx(400 / 100 / 21)
    live = [
        int(np.sum((log.rooms.start <= t) & (t < log.rooms.end)))
        for t in range(START + DAY, START + 21 * DAY, 900_000)
    ]
    assert got["live set p90 / p10"] == pytest.approx(
        np.percentile(live, 90) / max(np.percentile(live, 10), 1)
    )
    late = np.repeat(np.flatnonzero(log.rooms.start >= START + DAY), 20)
    shift = np.random.default_rng(0).integers(0, DAY, len(late))
    later = log.rooms._replace(
        **{k: v[late] for k, v in log.rooms._asdict().items() if isinstance(v, np.ndarray)}
    )
    later = later._replace(start=later.start + shift, end=later.end + shift)
    live = [
        int(np.sum((later.start <= t) & (t < later.end)))
        for t in range(START + DAY, START + 21 * DAY, 900_000)
    ]
    whole = [
        int(np.sum((later.start <= t) & (t < later.end)))
        for t in range(START, START + 21 * DAY, 900_000)
    ]
    spread, with_first = (
        np.percentile(x, 90) / max(np.percentile(x, 10), 1) for x in (live, whole)
    )
    assert kuailive_metrics(log._replace(rooms=later))["live set p90 / p10"] == pytest.approx(
        spread
    )
    assert spread != with_first, "or the first day would not tell"
    assert got["hour with most room starts"] == pytest.approx(20, abs=2.5)


def test_days_followed_by_another() -> None:
    def at(day: int, hour: float) -> int:
        return START + day * DAY + int(hour * 3_600_000)

    # user 1 comes on days 0, 1, 3 and 4; user 2 on day 0 alone; day 4 is the last
    time = np.array([at(0, 0.1), at(0, 23.9), at(1, 5), at(3, 5), at(4, 5), at(0, 12)])
    assert next_day_return(np.array([1, 1, 1, 1, 1, 2]), time) == pytest.approx(2 / 4)
    assert np.isnan(next_day_return(np.array([1]), np.array([START])))
    assert (START + SHIFT) % DAY == 0


def test_published_metrics_meet_their_own_targets() -> None:
    rows = compare_log({t.name: t.value for t in LOG_TARGETS})
    assert len(rows) == len(LOG_TARGETS)
    assert all(row.within is not False for row in rows)
    off = compare_log(
        {
            "gift price mean": 120.0,
            "next-day return": 0.93,
            "gift price p50": float("nan"),
            "unknown": 1.0,
        }
    )
    assert {row.target.name: row.within for row in off} == {
        "gift price p50": None,
        "gift price mean": False,
        "next-day return": False,
    }


def test_names_of_targets_are_those_of_the_metrics(log: KuaiLive) -> None:
    assert {t.name for t in LOG_TARGETS} == set(kuailive_metrics(log))


def test_the_log_sd_of_an_inequality() -> None:
    assert lognormal_sd(0.942) == pytest.approx(2.68, abs=0.01)
    quantiles = np.exp(1.3 * np.random.default_rng(0).normal(size=400_000))
    assert lognormal_sd(gini(quantiles)) == pytest.approx(1.3, rel=0.01)


def test_a_log_without_gifts_or_impressions(log: KuaiLive, tmp_path: Path) -> None:
    none = log.gifts._replace(**{k: v[:0] for k, v in log.gifts._asdict().items()})
    got = kuailive_metrics(log._replace(gifts=none, negatives=None))
    assert not {"gift price mean", "Gini of gifts, users", "click per impression"} & set(got)
    assert got["gifts per click"] == 0
