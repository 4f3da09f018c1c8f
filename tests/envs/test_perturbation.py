"""Perturbations of a world: each changes what it names and nothing else, and nothing at 0."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest
from envs.worlds import live_config

from lrdqn import build
from lrdqn.envs.live.config import PerturbConfig
from lrdqn.envs.live.perturbation import perturb
from lrdqn.envs.live.schedule import NEVER
from lrdqn.observations import UNKNOWN


def worlds(**changes: Any) -> Any:
    """Return one seed's world on the host, without the axis of seeds."""
    return jax.tree.map(
        lambda x: np.asarray(x)[0], build.build_worlds(live_config(perturb=changes), 3, 1)
    )


PLAIN = worlds()


def changed(world: Any) -> set[str]:
    """Return the names of the arrays that differ from the unperturbed world's."""
    differs = jax.tree.map(
        lambda a, b: a.shape != b.shape or not np.array_equal(a, b), PLAIN, world
    )
    return {
        jax.tree_util.keystr(path) for path, x in jax.tree_util.tree_leaves_with_path(differs) if x
    }


def test_nothing_asked_changes_nothing() -> None:
    assert changed(worlds()) == set()
    again = perturb(PLAIN, PerturbConfig(), np.random.default_rng(0))
    assert all(a is b for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(PLAIN), strict=True))


PAST = {
    f".users.{x}"
    for x in (
        "history",
        "history_watch",
        "history_reaction",
        "loyalty",
        "loyalty_strength",
        "loyalty_hours",
        "followed",
    )
}
ROOMS = {".schedule.start", ".schedule.end", ".schedule.on_air", ".schedule.count"}


@pytest.mark.parametrize(
    ("asked", "arrays"),
    [
        ({"taste_drift": 0.5}, {".users.interest"}),
        ({"hook_share": 0.2}, {".streamers.hook"}),
        ({"popularity_shock": 1.0}, {".streamers.popularity"}),
        ({"cold_users": 0.5}, PAST),
        ({"cold_streamers": 0.5}, {".catalogue.identity"}),
    ],
)
def test_a_change_touches_its_own_arrays_only(asked: dict[str, float], arrays: set[str]) -> None:
    assert changed(worlds(**asked)) == arrays


def test_each_change_has_a_random_stream_of_its_own() -> None:
    alone, together = (
        worlds(popularity_shock=1.0),
        worlds(popularity_shock=1.0, taste_drift=0.3, hook_share=0.5),
    )
    np.testing.assert_array_equal(alone.streamers.popularity, together.streamers.popularity)


def test_sizes_of_the_changes() -> None:
    turned = worlds(taste_drift=0.5).users.interest
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), 1, rtol=1e-5)
    cosine = np.sum(turned * PLAIN.users.interest, axis=1)
    assert 0.6 < cosine.mean() < 0.8  # two orthogonal halves: 1 / sqrt 2
    bait = worlds(hook_share=0.2, hook_shift=1.5).streamers.hook - PLAIN.streamers.hook
    assert set(np.round(bait, 4).tolist()) == {0.0, 1.5}
    assert 0.1 < (bait > 0).mean() < 0.3
    assert bait[-1] == 0
    shock = worlds(popularity_shock=2.0).streamers.popularity - PLAIN.streamers.popularity
    assert shock[:-1].std() == pytest.approx(2.0, rel=0.15)
    cold = worlds(cold_users=0.4, cold_streamers=0.3)
    gone = (cold.users.history == 300).all(axis=1) & (cold.users.loyalty_strength == 0).all(axis=1)
    assert 0.3 < gone.mean() < 0.55
    assert not cold.users.followed[gone].any()
    met = PLAIN.catalogue.identity != UNKNOWN
    assert 0.2 < (cold.catalogue.identity[met] == UNKNOWN).mean() < 0.4
    assert cold.catalogue.identity[-1] == 301


def test_an_outage_splits_rooms_and_keeps_them_in_order() -> None:
    hit = worlds(outage_share=1.0).schedule
    rooms = [(x.start[:-1], x.end[:-1]) for x in (PLAIN.schedule, hit)]
    whole = np.where(rooms[0][1] < NEVER, rooms[0][1], 0).max(axis=1) < int(
        hit.end_of_world
    )  # else a second half is lost
    assert whole.sum() > 50
    (start, end), (start_2, end_2) = ((begins[whole], ends[whole]) for begins, ends in rooms)
    there, there_2 = start < NEVER, start_2 < NEVER
    long = (end[there].astype(np.int64) - start[there]) > 3600
    assert there_2.sum() == there.sum() + long.sum()
    minutes = (
        (end[there] - start[there].astype(np.int64)).sum()
        - (end_2[there_2] - start_2[there_2].astype(np.int64)).sum()
    ) / 60
    assert minutes / long.sum() == pytest.approx(11, abs=0.7)  # U[2, 20]
    for begins, ends, exists in zip(start_2.astype(np.int64), end_2, there_2, strict=True):
        assert (ends[exists] > begins[exists]).all()
        assert (begins[exists][1:] >= ends[exists][:-1]).all()
        assert not exists[np.argmin(exists) :].any() or exists.all()
    # the table of who is on air still holds every room of a bin, once
    start_2, end_2 = rooms[1]
    seconds, width, there_2 = int(hit.bin_seconds), start_2.shape[1], start_2 < NEVER
    for at in (10, 300, 700):
        want = np.flatnonzero(
            (start_2.ravel() < (at + 1) * seconds)
            & (end_2.ravel() > at * seconds)
            & there_2.ravel()
        )
        got = np.sort(hit.on_air[at, : hit.count[at]])
        np.testing.assert_array_equal(got, want)
    assert width >= start.shape[1]


def test_every_named_perturbation_changes_the_world() -> None:
    from hydra import compose, initialize_config_dir

    from lrdqn.compose.freeze import freeze
    from lrdqn.compose.overrides import CONF
    from lrdqn.compose.roots import TrainRun, register_schemas

    register_schemas()
    names = sorted(p.stem for p in (CONF / "perturbation").glob("*.yaml"))
    assert names == [
        "clickbait",
        "cold_wave",
        "missing_views",
        "outage",
        "popularity_shock",
        "taste_drift",
    ]
    names.remove("missing_views")  # needs views: test_content
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for name in names:
            config = freeze(
                TrainRun, compose("train", overrides=[f"perturbation={name}"])
            ).env.perturb
            assert changed(worlds(**dataclasses.asdict(config)))
