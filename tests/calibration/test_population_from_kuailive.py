"""A population fitted to a miniature KuaiLive: the cut, every field against a loop over the rows,
and vectors that separate the topics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.kuailive_mini import CATEGORIES, DAY, DAYS, PER_CLICK, SHIFT, START, Mini, make_mini
from hydra import compose, initialize_config_dir

from lrdqn.calibration.directions import Directions
from lrdqn.calibration.fit_log import complete_population
from lrdqn.calibration.population_from_kuailive import fit_kuailive, reaction_bits
from lrdqn.calibration.population_from_watches import Fit, watched_card
from lrdqn.compose.freeze import freeze
from lrdqn.compose.overrides import CONF
from lrdqn.compose.roots import CalibrateRun, register_schemas
from lrdqn.config import InputError
from lrdqn.envs.live.population_arrays import problem
from lrdqn.logs.kuailive import KuaiLive, read_kuailive
from lrdqn.observations import Reaction

SIZES = ["source=kuailive", "path=x", "out=y", "streamers=150", "users=60", "factors=8"]


def config_of(*more: str) -> CalibrateRun:
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return freeze(CalibrateRun, compose("calibrate", overrides=[*SIZES, *more]))


@pytest.fixture(scope="module")
def mini() -> Mini:
    return make_mini(users=80, streamers=300, rooms=900, seed=2, median_clicks=80.0, negatives=0)


@pytest.fixture(scope="module")
def log(mini: Mini, tmp_path_factory: pytest.TempPathFactory) -> KuaiLive:
    return read_kuailive(mini.write(tmp_path_factory.mktemp("kuailive")))


@pytest.fixture(scope="module")
def fitted(log: KuaiLive) -> tuple[Fit, Directions]:
    return fit_kuailive(log, config_of(), 2.68, np.random.default_rng(0))


def kept(mini: Mini) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of the streamers and users that a cut to 150 and 60 keeps."""
    click = mini.files["click"]
    ids, count = np.unique(click["streamer_id"], return_counts=True)
    streamers = ids[np.argsort(-count, kind="stable")[:150]]
    on = np.isin(click["streamer_id"], streamers)
    ids, count = np.unique(click["user_id"][on], return_counts=True)
    users = np.sort(ids[np.argsort(-count, kind="stable")[:60]])
    return np.unique(click["streamer_id"][on & np.isin(click["user_id"], users)]), users


def test_the_population_is_one_and_says_where_it_is_from(
    fitted: tuple[Fit, Directions], mini: Mini
) -> None:
    fit, found = fitted
    config = config_of()
    population = complete_population(fit.arrays, config, np.random.default_rng(0))
    assert problem(population._asdict()) is None
    for name, value in fit.arrays.items():
        # Wealth is scaled to mean 1 over sessions.
        scale = 1 / np.average(value, weights=fit.arrays["activity"]) if name == "wealth" else 1
        np.testing.assert_allclose(getattr(population, name), value * scale, rtol=1e-6)
    card = watched_card(fit, found, population)
    assert set(card["real"]) == set(fit.fields)
    assert set(card["real"]) | set(card["drawn"]) == set(population._fields)
    assert card["drawn"] == ["hook", "followed", "utility_mean", "utility_scale"]
    assert "CC BY-NC-SA" in card["licence"]
    assert set(card["categories"]) == set(CATEGORIES)
    assert card["rows_of_rooms_merged"] == len(mini.files["room"]["live_id"]) - 900


def test_fields_against_the_files(fitted: tuple[Fit, Directions], mini: Mini) -> None:
    fit, _ = fitted
    streamers, users = kept(mini)
    click, room = mini.files["click"], mini.files["room"]
    on = np.isin(click["streamer_id"], streamers) & np.isin(click["user_id"], users)
    assert len(fit.log.user) == on.sum()
    assert (fit.log.n_users, fit.log.n_items) == (60, len(streamers))
    count = np.array([np.sum(on & (click["streamer_id"] == s)) for s in streamers])
    expected = np.log1p(count)
    expected = 0.670 + 1.792 * (expected - expected.mean()) / expected.std()
    np.testing.assert_allclose(fit.arrays["log_popularity"], expected, rtol=1e-4)
    of_user = np.array([np.sum(on & (click["user_id"] == u)) for u in users])
    np.testing.assert_allclose(fit.arrays["activity"], of_user / of_user.mean(), rtol=1e-6)
    extra = [np.sum(mini.files[k]["user_id"][:, None] == users[None], axis=0) for k in PER_CLICK]
    assert fit.arrays["interactions"].tolist() == (of_user + sum(extra)).tolist()

    first = {live: i for i, live in reversed(list(enumerate(room["live_id"])))}
    owner = {live: room["streamer_id"][i] for live, i in first.items()}
    start = {live: min(room["start_timestamp"][room["live_id"] == live]) for live in first}
    for s in range(0, len(streamers), 17):
        own = [live for live in owner if owner[live] == streamers[s]]
        assert fit.arrays["room_rate"][s] == pytest.approx(len(own) / DAYS)
        angle = np.array([(start[live] + SHIFT) % DAY / 3.6e6 for live in own]) * 2 * np.pi / 24
        mean = np.arctan2(np.sin(angle).sum(), np.cos(angle).sum()) * 12 / np.pi % 24
        assert abs((fit.arrays["start_hour"][s] - mean + 12) % 24 - 12) < 1e-3
        topic = mini.topic_of_streamer[
            np.searchsorted(mini.files["streamer"]["streamer_id"], streamers[s])
        ]
        assert fit.arrays["category"][s].max() == 1
        assert fit.facts["categories"][int(fit.arrays["category"][s].argmax())] == CATEGORIES[topic]
    day = np.array(mini.files["streamer"]["first_live_timestamp"])
    new = streamers[
        day[np.searchsorted(mini.files["streamer"]["streamer_id"], streamers)] == "2025-05-10"
    ]
    debut = {
        s: (min(start[live] for live in owner if owner[live] == s) - START) / 3.6e6 for s in new
    }
    np.testing.assert_allclose(
        fit.arrays["debut"], [debut.get(s, 0.0) for s in streamers], rtol=1e-6
    )
    assert 0 < len(new) < len(streamers)


def test_tags_and_answers_are_those_of_the_tables(
    fitted: tuple[Fit, Directions], mini: Mini
) -> None:
    fit, _ = fitted
    streamers, users = kept(mini)
    row = np.searchsorted(mini.files["streamer"]["streamer_id"], streamers)
    said = np.array(mini.files["streamer"]["live_operation_tag"])[row]
    for column, tag in enumerate(fit.facts["tags"]):
        np.testing.assert_array_equal(fit.arrays["tags"][:, column], said == tag)
    row = np.searchsorted(mini.files["user"]["user_id"], users)
    for column, answer in enumerate(fit.facts["profile"]):
        name, _, value = answer.partition("=")
        np.testing.assert_array_equal(
            fit.arrays["profile"][:, column], mini.files["user"][name][row] == value
        )


def test_reactions_are_on_the_watch_they_were_given_in(log: KuaiLive) -> None:
    bits, lost = reaction_bits(log.clicks, (log.comments, log.likes, log.gifts))
    assert lost.tolist() == [0, 0, 0]
    for bit, events in (
        (Reaction.COMMENT, log.comments),
        (Reaction.LIKE, log.likes),
        (Reaction.GIFT, log.gifts),
    ):
        expected = np.zeros(log.clicks.size, bool)
        for user, live, time in zip(events.user, events.live, events.time, strict=True):
            rows = np.flatnonzero((log.clicks.user == user) & (log.clicks.live == live))
            begun = rows[log.clicks.time[rows] <= time]
            expected[begun[np.argmax(log.clicks.time[begun])]] = True
        np.testing.assert_array_equal((bits & bit) > 0, expected)
    strange = log.comments._replace(user=log.comments.user + 10_000)
    assert reaction_bits(log.clicks, (strange, log.likes, log.gifts))[1].tolist() == [
        log.comments.size,
        0,
        0,
    ]


def test_titles_are_chosen_where_they_predict_better(log: KuaiLive, tmp_path: Path) -> None:
    """Title embeddings that tell which streamers a user watches beat factors; noise does not."""
    rng = np.random.default_rng(5)
    size = int(log.rooms.title.max()) + 1
    np.save(tmp_path / "noise.npy", rng.normal(size=(size, 40)).astype(np.float32))
    _, found = fit_kuailive(log._replace(embeddings=tmp_path / "noise.npy"), config_of(), 2.68, rng)
    assert found.origin == "factors of co-watching"
    # In 40 dimensions of noise, a user's late favourites would be found if they were not held out.
    _, found = fit_kuailive(
        log._replace(embeddings=tmp_path / "noise.npy"), config_of("factors=40"), 2.68, rng
    )
    noise = found.recall["titles_as_unit_vectors"]
    assert noise is not None
    assert noise < 0.3
    # Each streamer has a title of their own, which tells who watches them.
    ids, column = np.unique(log.rooms.streamer, return_inverse=True)
    told = np.zeros((len(ids) + 1, 80), np.float32)
    people = np.unique(log.clicks.user, return_inverse=True)[1]
    np.add.at(told, (1 + np.searchsorted(ids, log.clicks.streamer), people), 1)
    told[1:] /= np.maximum(np.linalg.norm(told[1:], axis=1, keepdims=True), 1)
    np.save(tmp_path / "told.npy", told)
    knowing = log._replace(
        embeddings=tmp_path / "told.npy", rooms=log.rooms._replace(title=column + 1)
    )
    fit, found = fit_kuailive(knowing, config_of("factors=40"), 2.68, rng)
    titles = found.recall["titles_as_unit_vectors"]
    assert found.origin == "title embeddings"
    assert titles is not None
    assert titles > found.recall["factors_as_unit_vectors"]
    assert fit.arrays["style"].shape[1] == fit.arrays["interest"].shape[1] == 40
    assert fit.fields["style"].provenance == "title embeddings, length 1"


def test_factors_know_the_topics(fitted: tuple[Fit, Directions], mini: Mini) -> None:
    """Users lie nearer to streamers of their own topic, which half of their clicks go to."""
    fit, _ = fitted
    streamers, users = kept(mini)
    topic = mini.topic_of_streamer[
        np.searchsorted(mini.files["streamer"]["streamer_id"], streamers)
    ]
    taste = mini.topic_of_user[np.searchsorted(mini.files["user"]["user_id"], users)]
    near = fit.arrays["interest"] @ fit.arrays["style"].T
    same = taste[:, None] == topic[None]
    assert near[same].mean() > near[~same].mean() + 0.1


def test_a_cut_too_small_for_the_factors_is_refused(log: KuaiLive) -> None:
    with pytest.raises(InputError, match=r"factors=8: must lie in \[2, 5\]"):
        fit_kuailive(log, config_of("users=5"), 2.68, np.random.default_rng(0))
