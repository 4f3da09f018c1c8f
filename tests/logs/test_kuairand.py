"""KuaiRand: logs and rates of a miniature, their comparison with the published ones, and one line
for what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data.kuairand_mini import LOG, SIGNALS, Mini, make_mini
from hydra import compose, initialize_config_dir

from lrdqn.calibration.fit_log import complete_population
from lrdqn.calibration.kuairand_metrics import kuairand_rows
from lrdqn.calibration.population_from_kuairand import (
    beta_moments,
    duration_bands,
    fit_kuairand,
    hooks,
)
from lrdqn.calibration.population_from_watches import watched_card
from lrdqn.calibration.text_columns import tag_shares
from lrdqn.compose.freeze import freeze
from lrdqn.compose.overrides import CONF
from lrdqn.compose.roots import CalibrateRun, register_schemas
from lrdqn.config import InputError
from lrdqn.envs.live.population_arrays import Population, problem
from lrdqn.logs.csv import Text
from lrdqn.logs.kuairand import KuaiRand, read_kuairand
from lrdqn.observations import Reaction


@pytest.fixture(scope="module")
def mini() -> Mini:
    return make_mini()


def config_of(*more: str) -> CalibrateRun:
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return freeze(
            CalibrateRun,
            compose(
                "calibrate", overrides=["source=kuairand", "path=x", "out=y", "factors=8", *more]
            ),
        )


def population_of(log: KuaiRand, *more: str) -> tuple[Population, dict]:
    config, rng = config_of(*more), np.random.default_rng(0)
    fit, found = fit_kuairand(log, config, rng)
    population = complete_population(fit.arrays, config, rng)
    assert problem(population._asdict()) is None
    for name, value in fit.arrays.items():
        np.testing.assert_array_equal(getattr(population, name), value)
    card = watched_card(fit, found, population)
    assert set(card["real"]) | set(card["drawn"]) == set(Population._fields)
    assert "CC BY-SA" in card["licence"]
    return population, card


PUBLISHED = {
    "user": "user_id user_active_degree is_lowactive_period is_live_streamer is_video_author"
    " follow_user_num follow_user_num_range fans_user_num fans_user_num_range friend_user_num"
    " friend_user_num_range register_days register_days_range "
    + " ".join(f"onehot_feat{i}" for i in range(18)),
    "video": "video_id author_id video_type upload_dt upload_type visible_status video_duration"
    " server_width server_height music_id music_type tag",
    "log": "user_id video_id date hourmin time_ms is_click is_like is_follow is_comment is_forward"
    " is_hate long_view play_time_ms duration_ms profile_stay_time comment_stay_time"
    " is_profile_enter is_rand tab",
}
"""Columns of the published tables (kuairand.com)."""


def test_the_miniature_has_the_published_columns(mini: Mini) -> None:
    assert " ".join(mini.users) == PUBLISHED["user"]
    assert " ".join(mini.videos) == PUBLISHED["video"]
    for columns in mini.logs.values():
        assert " ".join(columns) == PUBLISHED["log"]


@pytest.mark.parametrize("place", ["", "data"])
def test_rates_counted_from_the_logs_are_those_of_the_standard_policy(
    mini: Mini, tmp_path: Path, place: str
) -> None:
    mini.write(tmp_path / place)
    log = read_kuairand(tmp_path)
    assert log.log is not None
    assert len(log.log.user) == 6000
    assert log.log.random.sum() == 3000
    np.testing.assert_allclose(log.user_rate, mini.rates["user_rate"], rtol=1e-6)
    np.testing.assert_allclose(log.video_rate, mini.rates["item_rate"], rtol=1e-6)
    standard = mini.logs["log_standard_4_08_to_4_21_pure"]
    np.testing.assert_array_equal(log.user_count, np.bincount(standard["user_id"], minlength=60))
    assert np.isnan(log.duration).sum() == mini.videos["video_duration"].count("") > 0


def test_published_rates_are_read_by_the_rows_of_the_ids(mini: Mini, tmp_path: Path) -> None:
    back = {k: (v if k == "signals" else v[:, ::-1]) for k, v in mini.rates.items()} | {
        "signals": np.array(SIGNALS[::-1])
    }
    log = read_kuairand(mini._replace(rates=back).write(tmp_path, logs=False))
    assert log.log is None
    assert log.user_count is None
    np.testing.assert_array_equal(log.user_rate, mini.rates["user_rate"])
    np.testing.assert_array_equal(log.video_rate, mini.rates["item_rate"])


def test_a_population_of_the_logs(mini: Mini, tmp_path: Path) -> None:
    log = read_kuairand(mini.write(tmp_path))
    population, card = population_of(log, "streamers=40", "users=50")
    assert population.style.shape == (40, 8)
    assert {"hook", "style", "history", "loyalty", "followed", "active_hour", "profile"} <= set(
        card["real"]
    )
    assert set(card["drawn"]) == {
        "room_rate",
        "start_hour",
        "phase",
        "wealth",
        "utility_mean",
        "utility_scale",
    }
    assert card["fit"]["recall"]["factors"] is not None
    # the newest click of one user, from the files
    whole = {k: np.concatenate([part[k] for part in mini.logs.values()]) for k in LOG}
    whole["is_rand"][:3000] = 0
    clicked = whole["is_click"] > 0
    ids, count = np.unique(whole["video_id"][clicked], return_counts=True)
    videos = np.sort(ids[np.argsort(-count, kind="stable")[:40]])
    rows = clicked & np.isin(whole["video_id"], videos)
    ids, count = np.unique(whole["user_id"][rows], return_counts=True)
    users = np.sort(ids[np.argsort(-count, kind="stable")[:50]])
    for place, user in enumerate(users[::7]):
        mine = np.flatnonzero(rows & (whole["user_id"] == user))
        last = mine[np.argmax(whole["time_ms"][mine])]
        assert videos[population.history[7 * place, 0]] == whole["video_id"][last]
        assert population.history_watch[7 * place, 0] == pytest.approx(
            whole["play_time_ms"][last] / 1000
        )
        bits = (
            Reaction.LIKE * whole["is_like"]
            + Reaction.COMMENT * whole["is_comment"]
            + Reaction.FOLLOW * whole["is_follow"]
        )
        assert population.history_reaction[7 * place, 0] == bits[last]


def test_a_population_of_the_rates(mini: Mini, tmp_path: Path) -> None:
    log = read_kuairand(mini.write(tmp_path, logs=False))
    population, card = population_of(log, "streamers=1000", "users=1000")
    assert population.style.shape == (int(np.any(mini.rates["item_rate"] > 0, axis=1).sum()), 8)
    assert {"style", "interest", "history", "loyalty", "log_popularity", "wealth"} <= set(
        card["drawn"]
    )
    assert "fit" not in card
    users = np.flatnonzero(mini.rates["user_rate"].any(axis=1))
    order = np.argsort(mini.rates["user_rate"][users, 0], kind="stable")
    assert np.all(np.diff(population.category_bias[order, 0]) >= 0)
    assert np.all(population.category_bias == population.category_bias[:, :1])
    assert population.category_bias.std() == pytest.approx(0.5, rel=1e-4)
    assert population.affinity_mean == pytest.approx(
        np.mean(population.interest @ population.style.T), abs=1e-5
    )
    user, place = np.nonzero(population.history < len(population.hook))
    near = np.sum(
        population.interest[user] * population.style[population.history[user, place]], axis=1
    )
    assert near.mean() > population.affinity_mean + 0.5 * population.affinity_scale, (
        "the past was lived in this population"
    )
    # videos of one author and one tag stand at one place
    author, tag = np.array(mini.videos["author_id"]), np.array(mini.videos["tag"])
    kept = np.flatnonzero(mini.rates["item_rate"].any(axis=1))
    near = population.style @ population.style.T
    same = (author[kept][:, None] == author[kept][None]) & (tag[kept][:, None] == tag[kept][None])
    np.testing.assert_allclose(near[same], 1, rtol=1e-5)
    assert near[~same].mean() < 0.8


def test_tags_are_shared_out() -> None:
    shares, names = tag_shares(
        Text(np.array([0, 1, 2, 0, 3]), ("39", "39,8", "", "8, 8")), np.arange(5)
    )
    assert names == ("39", "8", "unknown")
    assert shares.tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]
    many = Text(np.arange(50), tuple(str(i) for i in range(50)))
    shares, names = tag_shares(many, np.arange(50))
    assert len(names) == 32
    assert names[-1] == "other"
    assert shares[:, -1].sum() == 19


def test_durations_fall_into_bands() -> None:
    bands, names = duration_bands(np.array([3.0, 15.0, np.nan, 1e4]), 16)
    assert names[:2] == ("0-15 s", "15-30 s")
    assert names[-1] == "240 s or more"
    assert bands.argmax(axis=1).tolist() == [0, 1, 0, 5]
    assert bands.sum(axis=1).tolist() == [1, 1, 0, 1]
    assert duration_bands(np.array([3.0, 1e4]), 3)[0].tolist() == [[1, 0, 0], [0, 0, 0]]


def test_a_hook_is_what_draws_clicks_beyond_holding(mini: Mini, tmp_path: Path) -> None:
    log = read_kuairand(mini.write(tmp_path, logs=False))
    rate = np.zeros((4, 7))
    rate[:, 0], rate[:, 1] = (
        [0.2, 0.8, 0.2, 0.8],
        [0.1, 0.4, 0.1, 0.4],
    )  # all hold half of their clicks
    hook = hooks(log._replace(video_rate=rate), np.arange(4))
    np.testing.assert_allclose(hook, [-1, 1, -1, 1], atol=1e-6)
    few = log._replace(video_rate=rate, video_count=np.array([1000, 1000, 0, 0]))
    hook = hooks(few, np.arange(4))
    assert hook[0] < hook[2] == hook[3] < hook[1], "what was never shown stands at the average"


def test_beta_by_moments() -> None:
    rng = np.random.default_rng(0)
    mean, sd, a, b = beta_moments(rng.beta(1.8, 1.84, 200_000))
    assert (mean, sd, a, b) == pytest.approx((0.4945, 0.232, 1.8, 1.84), rel=0.02)
    assert np.isnan(beta_moments(np.full(5, 0.3))[2])


def test_rates_are_compared_with_the_published_ones(mini: Mini, tmp_path: Path) -> None:
    log = read_kuairand(mini.write(tmp_path))
    rows = {row.target.name: row for row in kuairand_rows(log)}
    assert len(rows) == 35
    assert rows["user is_click, mean"].value == pytest.approx(log.user_rate[:, 0].mean())
    assert rows["video long_view, sd"].value == pytest.approx(log.video_rate[:, 1].std())
    for policy, name in (("standard", "4_08_to_4_21"), ("random", "4_22_to_5_08")):
        clicks = mini.logs[f"log_{policy}_{name}_pure"]["is_click"]
        assert rows[f"{policy} policy, is_click"].value == pytest.approx(clicks.mean())
    of_rates = kuairand_rows(log._replace(log=None))
    assert len(of_rates) == 31
    assert not [row for row in of_rates if "policy" in row.target.name]


def test_impressions_are_joined_to_the_tables_by_id(mini: Mini, tmp_path: Path) -> None:
    """Ids with gaps, tables in another order than the ids, and two impressions by a user and of a
    video that no table has."""
    user, video = mini.users["user_id"], mini.videos["video_id"]
    tables = {
        "users": {name: x[::-1] for name, x in mini.users.items()} | {"user_id": 7 * user[::-1]},
        "videos": {name: x[::-1] for name, x in mini.videos.items()}
        | {"video_id": 3 * video[::-1]},
    }
    name = "log_random_4_22_to_5_08_pure"
    rows = {column: x[:70].copy() for column, x in mini.logs[name].items()}
    rows["user_id"], rows["video_id"] = 7 * rows["user_id"], 3 * rows["video_id"]
    rows["user_id"][0], rows["video_id"][1] = 1, 1
    log = read_kuairand(mini._replace(**tables, logs={name: rows}).write(tmp_path))
    assert log.log is not None
    assert (len(log.log.user), log.log.random.sum()) == (70, 70)
    np.testing.assert_array_equal(log.user_id, 7 * user)
    np.testing.assert_array_equal(log.video_id, 3 * video)
    at, shown = rows["user_id"][1:] // 7, np.append(rows["video_id"][:1], rows["video_id"][2:]) // 3
    np.testing.assert_array_equal(log.user_count, np.bincount(at, minlength=len(user)))
    np.testing.assert_array_equal(log.video_count, np.bincount(shown, minlength=len(video)))


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert re.search(old, text)
        (folder / name).write_text(re.sub(old, new, text, count=1))

    return change


def save(**arrays: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: np.savez(folder / "kuairand_pure_rates.npz", **arrays)


STANDARD = "log_standard_4_08_to_4_21_pure.csv"
GOOD = {
    "signals": np.array(SIGNALS),
    "user_rate": np.zeros((60, 7)),
    "item_rate": np.zeros((90, 7)),
}


@pytest.mark.parametrize(
    ("logs", "change", "message"),
    [
        (
            True,
            lambda folder: (folder / "user_features_pure.csv").unlink(),
            "has no user_features_*.csv; must be",
        ),
        (
            True,
            lambda folder: (folder / "user_features_1k.csv").write_text("x"),
            "must hold one version of KuaiRand",
        ),
        (
            False,
            lambda folder: (folder / "kuairand_pure_rates.npz").unlink(),
            "has no kuairand_pure_rates.npz; must be",
        ),
        (True, edit(STANDARD, "is_like", "liked"), f"{STANDARD}:1: column is_like is missing"),
        (
            True,
            edit(STANDARD, r"\n(\d+),(\d+),0,0,\d+", r"\n\1,\2,0,0,16493"),
            f"{STANDARD}:2: time_ms=16493: must be",
        ),
        (
            True,
            edit(STANDARD, r"(\n\d+,\d+,0,0,\d+),\d", r"\1,2"),
            f"{STANDARD}:2: is_click=2: must be 0 or 1",
        ),
        (
            True,
            edit("user_features_pure.csv", r"\n1,", r"\n0,"),
            "user_features_pure.csv:3: user_id=0: must be there once",
        ),
        (
            True,
            edit("user_features_pure.csv", r"\n[\s\S]*", "\n"),
            "user_features_pure.csv: has no rows",
        ),
        (True, edit(STANDARD, r"\n[\s\S]*", "\n"), "no impressions"),
        (
            False,
            save(**(GOOD | {"user_rate": np.zeros((59, 7))})),
            "user_rate has shape [59, 7]; must be [60 or more, 7]",
        ),
        (
            False,
            save(**(GOOD | {"item_rate": np.full((90, 7), 2.0)})),
            "item_rate has 2; must lie in [0, 1]",
        ),
        (False, save(**(GOOD | {"signals": np.array(["x"] * 7)})), "signals lack is_click"),
        (
            False,
            save(user_rate=np.zeros(3)),
            "has no signals; must have signals, user_rate and item_rate",
        ),
        (
            False,
            lambda folder: (folder / "kuairand_pure_rates.npz").write_bytes(b"no"),
            "cannot be read",
        ),
    ],
)
def test_what_is_wrong_is_named(
    mini: Mini, tmp_path: Path, logs: bool, change: Callable[[Path], None], message: str
) -> None:
    change(mini.write(tmp_path, logs))
    if message == "no impressions":
        (tmp_path / "log_random_4_22_to_5_08_pure.csv").unlink()
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_kuairand(tmp_path)
    assert "\n" not in str(caught.value)


def test_nothing_to_fit_is_refused(mini: Mini, tmp_path: Path) -> None:
    log = read_kuairand(mini.write(tmp_path, logs=False))
    empty = log._replace(user_rate=np.zeros((60, 7)))
    with pytest.raises(InputError, match="the rates are all 0"):
        fit_kuairand(empty, config_of(), np.random.default_rng(0))
    with pytest.raises(InputError, match="no such folder; must be a KuaiRand folder"):
        read_kuairand(tmp_path / "nowhere")
