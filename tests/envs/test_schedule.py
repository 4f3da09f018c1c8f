"""Schedule: the closed form of liveness against a walk through the rooms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, make_live, small_world

from lrdqn import build
from lrdqn.config import ConfigError
from lrdqn.envs.live.candidates import Recall, draw_candidates
from lrdqn.envs.live.schedule import NEVER, is_live, room_at, widen


def test_room_at_finds_the_room_that_a_walk_finds() -> None:
    schedule = small_world(live_config()).schedule
    start, end = np.asarray(schedule.start), np.asarray(schedule.end)
    rng = np.random.default_rng(0)
    streamer = rng.integers(0, 300, 3000)
    time = rng.integers(0, 14 * 86_400, 3000)
    naive = [((start[s] <= t) & (t < end[s])).any() for s, t in zip(streamer, time, strict=True)]
    room = room_at(schedule, jnp.asarray(streamer), jnp.asarray(time))
    np.testing.assert_array_equal(is_live(schedule, room, jnp.asarray(time)), naive)
    assert 0.08 < np.mean(naive) < 0.35


def test_rooms_do_not_overlap_and_are_sorted() -> None:
    schedule = small_world(live_config()).schedule
    start, end = np.asarray(schedule.start, np.int64), np.asarray(schedule.end, np.int64)
    there = start < NEVER
    assert (end[there] > start[there]).all()
    follows = there[:, 1:]
    assert (start[:, 1:][follows] >= end[:, :-1][follows]).all()
    assert not there[-1].any()  # the empty streamer is never on air


def test_table_of_bins_holds_every_live_room() -> None:
    schedule = small_world(live_config()).schedule
    start, end, width = (
        np.asarray(schedule.start).ravel(),
        np.asarray(schedule.end).ravel(),
        int(schedule.bin_seconds),
    )
    table, count = np.asarray(schedule.on_air), np.asarray(schedule.count)
    for b in (0, 100, 777, 1343):
        inside = np.flatnonzero((start < (b + 1) * width) & (end > b * width))
        assert sorted(table[b, : count[b]]) == inside.tolist()


@pytest.mark.slow
def test_candidates_are_on_air_distinct_and_all_equally_likely() -> None:
    config = live_config(candidates=8, familiar=2)
    world, env = small_world(config), make_live(config, 4096)
    state, obs = jax.jit(env.reset)(jax.random.key(0), world)
    ids, mask, time = (
        np.asarray(obs.candidates),
        np.asarray(obs.mask),
        np.asarray(state.session.time),
    )
    room = np.asarray(state.candidates.room)
    live = np.asarray(is_live(world.schedule, jnp.asarray(room), jnp.asarray(time)[:, None]))
    assert live[mask & (ids < 300)].all()
    for row, on in zip(ids[:500], mask[:500], strict=True):
        offered = row[on]
        assert len(set(offered)) == len(offered)
    known = mask[:, :2].mean()
    assert known > 0.05
    # Of the streams on air at one time, each is offered at the same rate: draw many times at the
    # same second.
    frozen = jax.tree.map(lambda x: jnp.broadcast_to(x[:1], x.shape), state.session)
    frozen = frozen._replace(loyalty_strength=jnp.zeros_like(frozen.loyalty_strength))
    u = jax.random.uniform(jax.random.key(4), (4096, 6))
    drawn = draw_candidates(frozen, u, world, Recall(0, 0, 0, 0, 6))
    counts = np.bincount(np.asarray(drawn.streamer)[np.asarray(drawn.mask)], minlength=300)
    begins, ends = np.asarray(world.schedule.start)[:300], np.asarray(world.schedule.end)[:300]
    on_air = ((begins <= time[0]) & (time[0] < ends)).any(axis=1)
    assert (counts[on_air] > 0).all()
    assert (counts[~on_air] == 0).all()
    expected = counts[on_air].mean()
    assert np.abs(counts[on_air] - expected).max() < 6 * np.sqrt(expected)


def test_mixed_recall_offers_what_each_way_finds() -> None:
    config = live_config(candidates=14, familiar=2, popular=3, fresh=2, similar=3)
    [world] = [jax.tree.map(lambda x: jnp.asarray(x[0]), build.build_worlds(config, 0, 1))]
    env = make_live(config, 512)
    state, obs = jax.jit(env.reset)(jax.random.key(0), world)
    room, mask, time = (
        np.asarray(x) for x in (state.candidates.room, obs.mask, state.session.time)
    )
    ids = np.asarray(obs.candidates)
    begins, ends = (
        np.asarray(x)[:300].astype(np.int64) for x in (world.schedule.start, world.schedule.end)
    )
    popularity = np.asarray(world.streamers.popularity)
    style, history = np.asarray(world.catalogue.style), np.asarray(obs.history)
    weights = np.log1p(np.expm1(np.asarray(obs.history_watch, np.float64)))
    nearness: dict[str, list[float]] = {"similar": [], "uniform": []}
    for n in range(512):
        offered = ids[n][mask[n]]
        assert len(set(offered)) == len(offered)
        live = ((begins <= time[n]) & (time[n] < ends)).any(axis=1)
        assert live[offered].all()
        known = set(ids[n, :2][mask[n, :2]])
        # lists are made as a bin begins
        listed = ((begins <= time[n] // 900 * 900) & (time[n] < ends)).any(axis=1)
        best = np.flatnonzero(listed)[np.argsort(-popularity[:300][listed], kind="stable")][:3]
        assert {int(i) for i in best} == {int(i) for i in ids[n, 2:5][mask[n, 2:5]]} | (
            known & set(best.tolist())
        )
        newest = np.where((begins <= time[n] // 900 * 900) & (time[n] < ends), begins, -1).max(
            axis=1
        )
        latest = np.sort(newest[listed])[::-1][:2]
        shown = {int(i) for i in ids[n, 5:7][mask[n, 5:7]]} | known | set(best.tolist())
        assert {int(i) for i in np.flatnonzero(listed & (newest > latest[-1]))} <= shown
        profile = (style[history[n]] * weights[n][:, None]).sum(axis=0)
        if np.linalg.norm(profile) > 0:
            for name, places in (("similar", slice(7, 10)), ("uniform", slice(10, 14))):
                of = ids[n, places][mask[n, places]]
                nearness[name] += (style[of] @ profile / np.linalg.norm(profile)).tolist()
    assert np.mean(nearness["similar"]) > np.mean(nearness["uniform"]) + 0.1
    assert room.shape == (512, 14)


@pytest.mark.parametrize("wrong", [{"popular": 8}, {"popular": 4, "fresh": 3}, {"similar": 9}])
def test_more_places_than_there_are_is_refused_by_key(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"env\.(popular|similar|candidates)="):
        live_config(candidates=8, familiar=2, **wrong)


def test_no_room_is_dropped_and_the_rate_holds_to_the_last_day() -> None:
    config = live_config(new_streamers=0.0, schedule={"days": 28})
    start = np.asarray(small_world(config).schedule.start, np.int64)[:300]
    per_day = np.bincount((start[start < NEVER] // 86_400), minlength=28) / 300
    assert per_day[14:].mean() == pytest.approx(per_day[3:14].mean(), rel=0.06)
    assert per_day[3:].mean() == pytest.approx(1.22, rel=0.1)


def test_padding_of_stacked_worlds_changes_nobodys_rooms() -> None:
    schedule = small_world(live_config()).schedule
    rooms = schedule.start.shape[1]
    wide = widen(jax.tree.map(np.asarray, schedule), rooms + 5, schedule.on_air.shape[1] + 3)
    streamer, time = jnp.arange(300), jnp.full(300, 5 * 86_400 + 70_000)
    for s in (schedule, jax.tree.map(jnp.asarray, wide)):
        room = room_at(s, streamer, time)
        live = np.asarray(is_live(s, room, time))
        if s is schedule:
            before = live
    np.testing.assert_array_equal(live, before)
    np.testing.assert_array_equal(
        wide.on_air[:, : schedule.on_air.shape[1]] // (rooms + 5),
        np.asarray(schedule.on_air) // rooms,
    )


def test_worlds_of_different_seeds_differ() -> None:
    a, b = small_world(live_config(), 0), small_world(live_config(), 1)
    assert np.any(np.asarray(a.schedule.start)[:, 0] != np.asarray(b.schedule.start)[:, 0])
