"""The tick clock as an environment: its contract, conservation of gifts and seconds, the queue, and
the shared clock."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.checker import check_env
from envs.worlds import live_config, small_world

from lrdqn.envs.live.engagement import PRICES
from lrdqn.envs.live.reward import RewardParts
from lrdqn.envs.live.tick.audience import (
    AudienceDraws,
    Tally,
    empty_audience,
    next_audience,
    opened,
)
from lrdqn.envs.live.tick.env import make_tick_live
from lrdqn.envs.live.tick.state import Slot
from lrdqn.evaluation.streamers import streamer_report
from lrdqn.train.loop import random_action

N, STEPS = 96, 150
IN_SESSION = (Slot.READY, Slot.WATCHING, Slot.QUEUED)
CONFIG = live_config(
    clock="tick",
    obs="full",
    horizon=30,
    discount_unit="minutes:10",
    schedule={"room_hours": 0.6, "rooms_per_day": 8.0, "gap_hours": 0.5, "days": 8},
    tick={"session_ticks": 60, "served_share": 0.3, "weight": 2.0, "quit_rate": 20.0},
)
"""Short rooms that close early and sessions that are cut, so that every event occurs."""


@pytest.fixture(scope="module")
def world() -> Any:
    return small_world(CONFIG)


@pytest.fixture(scope="module")
def env() -> Any:
    return make_tick_live(CONFIG, N)


@pytest.fixture(scope="module")
def walk(world: Any, env: Any) -> list[tuple[Any, Any, Any]]:
    """Return the states before and after and the time steps of a random policy, on the host."""
    step, (state, obs) = jax.jit(env.step), jax.jit(env.reset)(jax.random.key(0), world)
    act = jax.jit(lambda obs, key: random_action(env, obs, key))
    steps = []
    for i in range(STEPS):
        after, t = step(jax.random.key(i), state, act(obs, jax.random.key(1000 + i)), world)
        steps.append(jax.device_get((state, after, t)))
        state, obs = after, t.obs
    return steps


def test_it_keeps_the_contract(world: Any, env: Any) -> None:
    seen = check_env(env, world, steps=90)
    assert seen["terminated"] > 0
    assert seen["truncated"] > 0


def test_viewers_are_those_who_watch_and_the_background(world: Any, walk: list) -> None:
    for _, after, _ in walk:
        a = after.audience
        watching = after.slot == Slot.WATCHING
        by_hand = np.bincount(after.watch.streamer[watching], minlength=len(a.viewers))
        np.testing.assert_array_equal(a.watching, by_hand)
        share = a.viewers - CONFIG.tick.weight * a.watching
        assert (share[~a.on_air] == 0).all()
        quiet = share[a.on_air] / np.exp(np.asarray(world.streamers.popularity)[a.on_air])
        np.testing.assert_allclose(quiet, quiet[0], rtol=1e-4)
        assert a.viewers[-1] == 0


def test_what_sessions_give_is_what_streamers_get(walk: list) -> None:
    """Gifts and seconds are counted in complete decisions and in watches that go on or wait in the
    queue."""
    sent = {"gifts": 0.0, "spent": 0.0, "seconds": 0.0}
    impressions = 0
    for before, after, t in walk:
        for name in sent:
            sent[name] += t.info[name].sum()
        shown = np.take_along_axis(
            before.candidates.streamer, np.asarray(after.watch.action)[:, None], axis=1
        )[:, 0]
        impressions += int(((before.slot == Slot.READY) & (shown != CONFIG.streamers)).sum())
    last = walk[-1][1]
    under_way = np.isin(last.slot, (Slot.WATCHING, Slot.QUEUED))
    by_price = last.watch.by_price[under_way]
    sent["gifts"] += by_price.sum()
    sent["spent"] += (by_price @ PRICES).sum()
    sent["seconds"] += last.watch.seconds[under_way].sum()
    a = last.audience
    assert sent["gifts"] > 0
    for name, got in (("gifts", a.gifts), ("spent", a.spent), ("seconds", a.viewer_seconds)):
        np.testing.assert_allclose(got.sum(), sent[name], rtol=1e-5, err_msg=name)
    nobody = a.impressions[-1]
    np.testing.assert_allclose(a.impressions.sum() - nobody, impressions)
    assert a.viewer_seconds[-1] == a.gifts[-1] == 0


def test_rewards_of_whole_decisions_are_the_sum_of_their_parts(world: Any, walk: list) -> None:
    weights = world.weights
    names = dict(
        zip(
            RewardParts._fields,
            ("watch", "comment", "like", "follow", "gift", "bounce", "no_click", "comeback"),
            strict=True,
        )
    )
    for _, _, t in walk:
        want = sum(
            float(getattr(weights, w)) * t.info[f"reward/{part}"] for part, w in names.items()
        )
        np.testing.assert_allclose(t.reward, want, rtol=1e-4, atol=1e-4)
        assert not np.any(t.reward[~t.pending.complete])
        np.testing.assert_array_equal(t.info["decisions"], t.pending.complete)
        np.testing.assert_array_equal(t.terminated, t.info["left"])


def test_time_goes_on_and_nobody_watches_an_empty_stage(world: Any, walk: list) -> None:
    starts, ends = (np.asarray(x).ravel() for x in (world.schedule.start, world.schedule.end))
    for before, after, t in walk:
        assert after.now == before.now + CONFIG.tick.seconds
        stayed = np.isin(before.slot, IN_SESSION)
        assert (after.session.time[stayed] >= before.session.time[stayed]).all()
        served = after.slot == Slot.READY
        np.testing.assert_array_equal(after.session.time[served], after.now)
        watching = after.slot == Slot.WATCHING
        streamer, a = after.watch.streamer[watching], after.audience
        assert a.on_air[streamer].all()
        assert (after.watch.ends[watching] > after.now).all()
        room = a.room[streamer]
        assert (starts[room] <= after.now).all()
        assert (after.now < ends[room]).all()
        fresh = served & (before.slot != Slot.READY)
        room, mask = after.candidates.room[fresh], after.candidates.mask[fresh]
        shown = after.candidates.streamer[fresh]
        offered = mask & (shown != CONFIG.streamers)
        assert a.on_air[shown[offered]].all()
        np.testing.assert_array_equal(a.room[shown[offered]], room[offered])
        np.testing.assert_array_equal(t.info["ticks"], stayed)
        np.testing.assert_array_equal(t.info["waiting"], served)


def test_rooms_close_and_their_viewers_are_cut(walk: list) -> None:
    last = walk[-1][1].audience
    assert (last.ended >= 0).sum() > 3
    assert sum(t.info["stream_ended"].sum() for _, _, t in walk) > 5


def test_a_streamer_whom_nobody_watches_stops(world: Any) -> None:
    n, now = CONFIG.streamers + 1, jnp.int32(3 * 86_400 + 20 * 3600)
    a = empty_audience(world, jnp.zeros(n), now, CONFIG.tick)
    a = a._replace(met=jnp.arange(n) % 3 == 0, empty_rooms=jnp.arange(n) % 2)
    zero = jnp.zeros(n)
    tick = live_config(clock="tick", tick={"churn_rooms": 2, "churn_rate": 0.5}).tick
    draws = AudienceDraws(
        zero, jnp.where(jnp.arange(n) % 5 == 0, 0.9, 0.1), zero, jnp.zeros((n, 16))
    )
    after = next_audience(a, Tally(*[zero] * 6), a.on_air, draws, now + 30, world, tick)
    met, first, kept = (np.arange(n) % k for k in (3, 2, 5))
    on_air = np.asarray(a.on_air)
    np.testing.assert_array_equal(
        after.empty_rooms, np.where(on_air, np.where(met == 0, 0, first + 1), first)
    )
    gone = on_air & (met != 0) & (first == 1) & (kept != 0)
    np.testing.assert_array_equal(after.gone, gone)
    assert gone.sum() > 5
    assert not np.asarray(after.on_air)[on_air].any()
    later = next_audience(after, Tally(*[zero] * 6), zero > 0, draws, now + 86_400, world, tick)
    assert not np.asarray(later.on_air)[gone].any()
    assert np.asarray(opened(world, zero > 0, after.ended, now + 86_400)[1])[gone].any(), (
        "they would have come"
    )


def test_no_more_are_served_than_there_is_room_for_and_nobody_is_forgotten(walk: list) -> None:
    rows = int(np.ceil(CONFIG.tick.served_share * N))
    lines = [
        (np.isin(b.slot, (Slot.QUEUED, Slot.ARRIVING)) & (a.slot == Slot.READY)).sum()
        for b, a, _ in walk
    ]
    assert max(lines) <= rows
    assert max(after.waited.max() for _, after, _ in walk) in range(1, 8)
    ended = sum(int((t.terminated | t.truncated).sum()) for _, _, t in walk)
    assert ended > N
    assert sum(int(t.truncated.sum()) for _, _, t in walk) > 0
    long = max(
        (after.now - after.session.started[np.isin(after.slot, IN_SESSION)]).max()
        for _, after, _ in walk
    )
    assert long <= (CONFIG.tick.session_ticks + 8) * CONFIG.tick.seconds


def test_the_actions_of_those_who_are_not_asked_are_not_read(
    world: Any, env: Any, walk: list
) -> None:
    state = jax.tree.map(jnp.asarray, walk[60][0])
    ready = state.slot == Slot.READY
    assert 0 < int(ready.sum()) < N
    one = jnp.argmax(state.candidates.mask, axis=1)
    other = jnp.where(ready, one, 7 - one)
    key = jax.random.key(3)
    for a, b in zip(
        *(jax.tree.leaves(jax.jit(env.step)(key, state, x, world)) for x in (one, other)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_the_world_begins_again_after_its_last_day(world: Any, env: Any) -> None:
    step, (state, obs) = jax.jit(env.step), jax.jit(env.reset)(jax.random.key(0), world)
    end = int(world.schedule.end_of_world)
    gap = end - 90 - state.now
    session = state.session
    session = session._replace(
        time=session.time + gap, started=session.started + gap, until=session.until + gap
    )
    state = state._replace(now=state.now + gap, session=session)
    ended = np.zeros(N, bool)
    for i in range(12):
        state, t = step(
            jax.random.key(i), state, random_action(env, obs, jax.random.key(99 + i)), world
        )
        obs, ended = t.obs, ended | np.asarray(t.terminated | t.truncated)
        assert int(state.now) == (end - 90 + 30 * (i + 1) if i < 2 else 86_400 + 30 * (i - 2))
    assert ended.all()
    there = np.isin(np.asarray(state.slot), IN_SESSION)
    assert (np.asarray(state.session.started)[there] < 2 * 86_400).all()


def test_the_discount_is_of_the_whole_watch(walk: list) -> None:
    for _, _, t in walk:
        seconds = t.info["seconds"] + CONFIG.law.decision_seconds
        np.testing.assert_allclose(
            t.elapsed, np.where(t.pending.complete, seconds / 600, 1.0), rtol=1e-6
        )


def test_how_streamers_fare(world: Any, walk: list) -> None:
    state = walk[-1][1]
    nobody = CONFIG.streamers
    a = state.audience._replace(
        viewer_seconds=np.append(np.r_[np.zeros(nobody - 1), 5.0], 9.0),
        impressions=np.ones(nobody + 1),
        gone=np.arange(nobody + 1) < 12,
    )
    report = streamer_report(state._replace(audience=a), world)
    np.testing.assert_allclose(report["audience_gini"], 1 - 1 / nobody)
    np.testing.assert_allclose(report["exposure_gini"], 0, atol=1e-12)
    assert (report["without_viewers"], report["churned"]) == ((nobody - 1) / nobody, 12 / nobody)
    first = np.asarray(world.schedule.start)[:nobody, 0]
    new = (first <= state.now) & (state.now - first < 86_400)
    np.testing.assert_allclose([report["newcomers"], report["newcomers_exposure"]], new.mean())
