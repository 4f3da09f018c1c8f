"""The laws of the tick clock against NumPy twins and closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, small_world
from oracles import tick as oracle
from scipy.special import ndtri as normal_quantile

from lrdqn.envs.live.choice import appeal, highlight
from lrdqn.envs.live.daily_patterns import HOURLY_WATCH
from lrdqn.envs.live.engagement import engage, watch_seconds
from lrdqn.envs.live.session import Draws
from lrdqn.envs.live.tick.arrivals import arrival_chance, starting_instant, who_comes
from lrdqn.envs.live.tick.audience import closes, crowding, next_content, next_highlight
from lrdqn.envs.live.tick.decision import look_at, segment
from lrdqn.envs.live.tick.env import make_tick_live
from lrdqn.envs.live.tick.queue import first_in_line, put_back, taken
from lrdqn.envs.live.tick.state import Watch
from lrdqn.envs.live.tick.watch import TickDraws, budget_of, leave, pace, play_tick

CONFIG = live_config(clock="tick")
LAW, TICK = CONFIG.law, 30
in_a_tick = jax.jit(
    lambda budget, watched, stayed, rate: leave(budget, watched, stayed, rate, float(TICK), LAW)
)


def test_content_drifts_as_specified_and_nobody_has_none() -> None:
    rng = np.random.default_rng(0)
    e = rng.normal(size=(5, 16))
    e /= np.linalg.norm(e, axis=1, keepdims=True)
    z = e[::-1] + 0.0
    xi = rng.normal(size=(5, 16))
    got = next_content(*(jnp.asarray(x, jnp.float32) for x in (z, e, xi)), 0.1, 0.1)
    np.testing.assert_allclose(got, oracle.content(z, e, xi, 0.1, 0.1), atol=1e-6)
    nothing = jnp.zeros((1, 16))
    np.testing.assert_array_equal(next_content(nothing, nothing, jnp.ones((1, 16)), 0.1, 0.1), 0)


def test_content_stays_near_the_style() -> None:
    """With pull and noise of 0.1, cos(z, e) is 0.97 to 0.98 on average."""
    e = jnp.eye(16)[jnp.arange(400) % 16]

    def one(z: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
        return next_content(z, e, jax.random.normal(key, z.shape), 0.1, 0.1), None

    z, _ = jax.lax.scan(one, e, jax.random.split(jax.random.key(0), 100))
    assert 0.965 < float(jnp.mean(jnp.sum(z * e, axis=1))) < 0.985


def test_highlights_take_thirty_percent_of_the_time_and_two_minutes_each() -> None:
    u = jnp.array([0.1, 0.11, 0.74, 0.76])
    np.testing.assert_array_equal(
        next_highlight(jnp.array([0.0, 0.0, 1.0, 1.0]), u, 0.1071, 0.25), [1, 0, 1, 0]
    )

    def one(is_highlight: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        is_highlight = next_highlight(
            is_highlight, jax.random.uniform(key, is_highlight.shape), 0.1071, 0.25
        )
        return is_highlight, is_highlight

    _, path = jax.lax.scan(one, jnp.zeros(2000), jax.random.split(jax.random.key(0), 500))
    path = np.asarray(path)[50:]
    assert abs(path.mean() - 0.30) < 0.006
    begins = (path[1:] > path[:-1]).sum()
    assert abs(path.sum() / begins - 4.0) < 0.1


@pytest.mark.parametrize("stayed", [False, True])
@pytest.mark.parametrize("rate", [0.61, 1.0, 1.3])
def test_a_user_leaves_with_the_specified_chance_at_the_specified_second(
    stayed: bool, rate: float
) -> None:
    median, sigma = (216.0, 1.43) if stayed else (4.04, 1.0)
    u = np.linspace(0.01, 0.99, 25)
    for watched in (0.0, 30.0, 90.0, 900.0):
        chance = oracle.leave_chance(watched, TICK, rate, median, sigma)
        n = len(u)
        given = (
            jnp.asarray(-np.log1p(-u), jnp.float32),
            jnp.full(n, watched),
            jnp.full(n, stayed),
            jnp.full(n, rate),
        )
        wished, budget = in_a_tick(*given)
        np.testing.assert_array_equal(np.isfinite(wished), u < chance)
        for i in np.flatnonzero(u < chance):
            want = oracle.leaving_second(u[i], watched, TICK, rate, median, sigma)
            assert abs(float(wished[i]) - want) < 2e-3 * max(want, 1.0)
        # the remaining budget of a user who stays is an exponential less the hazard used
        np.testing.assert_allclose(
            budget[u >= chance], (-np.log1p(-u) + np.log1p(-chance))[u >= chance], atol=2e-4
        )


def test_without_effects_a_watch_is_the_decision_clocks_to_the_second() -> None:
    """For the same random number, length and cut are equal in both clocks; the decision clock's are
    those of ``engage``."""
    world, n = small_world(CONFIG), 400
    rng = np.random.default_rng(1)
    state, _ = jax.jit(make_tick_live(CONFIG, n).reset)(jax.random.key(0), world)
    z = jnp.asarray(normal_quantile(rng.uniform(0.001, 0.999, n)), jnp.float32)
    stayed = jnp.asarray(rng.random(n) < 0.5)
    left, free = (jnp.asarray(rng.integers(1, 3000, n), jnp.int32) for _ in range(2))
    session = state.session._replace(until=state.session.time + free)
    watch = state.watch._replace(
        clicked=jnp.ones(n, bool),
        stayed=stayed,
        ends=session.time + left,
        budget=budget_of(z),
        streamer=jnp.zeros(n, jnp.int32),
    )

    def one(carry: tuple, k: jax.Array) -> tuple:
        watch, watching = carry
        still = TickDraws(jnp.full((3, n), 1e-7), jnp.full(n, 0.5))
        rate, dark = jnp.ones(n), jnp.zeros(n)
        watch, event = play_tick(
            still, watch, session, watching, state.now + TICK * k, rate, dark, TICK, world
        )
        return (watch, watching & ~event.finished), event.seconds

    (watch, watching), seconds = jax.jit(
        lambda w: jax.lax.scan(one, (w, jnp.ones(n, bool)), jnp.arange(110))
    )(watch)
    assert not bool(watching.any())
    half, zero = jnp.full(n, 0.5), jnp.zeros(n)
    draws = Draws(
        half * 0, jnp.where(stayed, 0.0, 1.0), jnp.full((3, n), 0.5), half, half, half, half, z
    )
    no, caps = jnp.zeros(n, bool), (left.astype(jnp.float32), free.astype(jnp.float32))
    want = jax.jit(engage)(draws, ~no, zero, zero, zero, zero, half, no, *caps, world.law)
    np.testing.assert_allclose(watch.seconds, want.seconds, rtol=2e-3, atol=1e-3)
    np.testing.assert_allclose(seconds.sum(axis=0), watch.seconds, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(watch.cut, want.cut)
    assert 0.05 < float(want.cut.mean()) < 0.6


@pytest.mark.slow
def test_highlights_lower_the_leaving_rate() -> None:
    """The leaving rate in highlights is about 0.62 times that outside, and the mean watch about 3 %
    shorter than without them."""
    n, ticks = 100_000, 240
    u = (np.arange(n) + 0.5) / n
    z = jnp.asarray(normal_quantile(np.random.default_rng(0).permutation(u)), jnp.float32)
    stayed = jnp.arange(n) % 100 < 13
    most = float(ticks * TICK)

    def one(carry: tuple, key: jax.Array) -> tuple:
        budget, seconds, watching, is_highlight, watched = carry
        at = jnp.where(watching, seconds, 0.0)
        out, budget = leave(
            budget, at, stayed, pace(is_highlight, jnp.zeros(n), 0.5, 0.5), float(TICK), LAW
        )
        left = watching & jnp.isfinite(out)
        counts = [
            (left & (is_highlight == b)).sum()
            / jnp.maximum((watching & (is_highlight == b)).sum(), 1)
            for b in (1.0, 0.0)
        ]
        seconds = jnp.where(watching, jnp.minimum(out, at + TICK), seconds)
        is_highlight = next_highlight(is_highlight, jax.random.uniform(key, (n,)), 0.1071, 0.25)
        return (budget, seconds, watching & ~left, is_highlight, watched), jnp.stack(counts)

    start = (
        budget_of(z),
        jnp.zeros(n),
        jnp.ones(n, bool),
        (jax.random.uniform(jax.random.key(9), (n,)) < 0.3) * 1.0,
        0.0,
    )
    run = jax.jit(lambda s: jax.lax.scan(one, s, jax.random.split(jax.random.key(0), ticks)))
    (_, seconds, _, _, _), rates = run(start)
    plain = jnp.minimum(watch_seconds(z, stayed, LAW), most)
    assert -0.05 < float(seconds.mean() / plain.mean()) - 1 < -0.01
    rates = np.asarray(rates)[2:40]
    assert 0.58 < (rates[:, 0] / rates[:, 1]).mean() < 0.66


def test_appeal_is_the_decision_clocks_with_the_moments_content_light_and_crowd() -> None:
    world, n = small_world(CONFIG), 32
    state, _ = jax.jit(make_tick_live(CONFIG, n).reset)(jax.random.key(0), world)
    session, offered = state.session, state.candidates
    lit = jnp.asarray(highlight(offered.room, session.time[:, None], world.salt))
    of_room = (
        jnp.zeros(CONFIG.streamers + 1).at[offered.streamer].set(lit)
    )  # a streamer has one room at a time
    look = jax.jit(
        lambda audience: look_at(session, offered.streamer, audience, world, CONFIG.tick)
    )
    still = state.audience._replace(
        content=world.streamers.style, is_highlight=of_room, viewers=jnp.zeros_like(of_room)
    )
    there = np.asarray(offered.mask & (offered.streamer != CONFIG.streamers))
    want = jax.jit(appeal)(session, offered.streamer, offered.room, world)
    for got, decision in zip(look(still), want, strict=True):
        np.testing.assert_allclose(
            np.asarray(got)[there], np.asarray(decision)[there], rtol=1e-5, atol=1e-5
        )
    full = look(still._replace(viewers=jnp.full_like(of_room, 300.0)))
    np.testing.assert_allclose((full.utility - want.utility)[there], -0.8, atol=1e-5)
    turned = look(still._replace(content=-world.streamers.style))
    both = np.asarray(turned.affinity + want.affinity)[there]
    np.testing.assert_allclose(
        both, -2 * float(world.affinity_mean / world.affinity_scale), atol=1e-5
    )


def test_content_nearer_to_the_interest_holds_too() -> None:
    np.testing.assert_allclose(
        pace(jnp.array([0.3, 1.0, 0.3]), jnp.array([0.0, 0.0, 2.0]), 0.5, 0.25),
        [1.0, np.exp(-0.35), np.exp(-0.5)],
        rtol=1e-6,
    )


def test_rooms_without_viewers_close_and_full_ones_please_less() -> None:
    tick = CONFIG.tick
    chance = -np.expm1(-0.1 / 120 * np.exp(-np.array([0.0, 2.0])))
    on_air, viewers = jnp.array([True, True, False]), jnp.array([0.0, 2.0, 0.0])
    for factor, want in ((0.99, [True, True, False]), (1.01, [False, False, False])):
        u = jnp.asarray(np.append(chance * factor, 0.0), jnp.float32)
        np.testing.assert_array_equal(closes(on_air, viewers, u, tick), want)
    np.testing.assert_allclose(
        crowding(jnp.array([0.0, 100.0, 250.0]), tick), [0, 0, -0.4 * 1.5], rtol=1e-6
    )
    keen = live_config(clock="tick", tick={"viewers": 0.2}).tick
    np.testing.assert_allclose(crowding(jnp.array([9.0]), keen), [0.2 * np.log(10)], rtol=1e-6)


@pytest.mark.parametrize("size", [1, 5, 40])
def test_the_longest_waiting_are_served_first(size: int) -> None:
    rng = np.random.default_rng(size)
    for _ in range(20):
        waiting, waited = rng.random(40) < 0.4, rng.integers(0, 6, 40)
        batch = first_in_line(jnp.asarray(waiting), jnp.asarray(waited), size)
        want = oracle.in_line(waiting, waited, size)
        np.testing.assert_array_equal(np.flatnonzero(batch.chosen), sorted(want))
        np.testing.assert_array_equal(batch.slot[: len(want)], want)
        x = jnp.arange(80.0).reshape(40, 2)
        np.testing.assert_array_equal(put_back(x, taken(x, batch), batch), x)
        changed = put_back(x, -taken(x, batch), batch)
        np.testing.assert_array_equal(
            changed, np.where(np.isin(np.arange(40), want)[:, None], -x, x)
        )


def test_sums_by_streamer() -> None:
    rng = np.random.default_rng(0)
    values, streamer = rng.normal(size=(50, 3)), rng.integers(0, 7, 50)
    want = np.zeros((7, 3))
    for v, s in zip(values, streamer, strict=True):
        want[s] += v
    np.testing.assert_allclose(
        segment(jnp.asarray(values, jnp.float32), jnp.asarray(streamer), 7), want, atol=1e-5
    )


def test_arrivals_follow_the_hours_and_the_users_habits() -> None:
    share = HOURLY_WATCH / HOURLY_WATCH.sum()
    for hour in (3, 20):
        chance = arrival_chance(jnp.int32(86_400 * 4 + 3600 * hour + 17), 0.05)
        np.testing.assert_allclose(chance, 0.05 * 24 * share[hour], rtol=1e-5)
    assert float(arrival_chance(jnp.int32(20 * 3600), 1.0)) == 1.0
    world = small_world(CONFIG)
    u = jax.random.uniform(jax.random.key(0), (4000, 9))
    came = who_comes(u, jnp.int32(86_400 + 20 * 3600), world)
    hours = np.asarray(world.users.active_hour)

    def off(x: np.ndarray) -> np.ndarray:
        return np.abs((x - 20 + 12) % 24 - 12)

    assert off(hours[np.asarray(came)]).mean() < 0.6 * off(hours).mean()
    reach = np.asarray(world.users.reach)
    called = np.minimum(np.searchsorted(reach, np.asarray(u)[:, :8]), len(hours) - 1)
    fits = np.exp(-0.5 * (off(hours[called]) / 2.0) ** 2) + 1e-6
    for row, (ids, weight) in enumerate(zip(called[:200], fits[:200], strict=True)):
        place = np.searchsorted(np.cumsum(weight), np.asarray(u)[row, 8] * weight.sum())
        assert came[row] == ids[place]


def test_a_world_begins_at_an_hour_when_people_watch() -> None:
    u = jax.random.uniform(jax.random.key(0), (20_000, 2))
    time = np.asarray(jax.vmap(lambda x: starting_instant(x, 9, TICK))(u))
    assert (time % TICK == 0).all()
    assert set(time // 86_400) == set(range(1, 10))
    found = np.bincount(time % 86_400 // 3600, minlength=24) / len(time)
    np.testing.assert_allclose(found, HOURLY_WATCH / HOURLY_WATCH.sum(), atol=0.008)


def test_a_blank_watch_has_the_shapes_of_a_real_one() -> None:
    world, env = small_world(CONFIG), make_tick_live(CONFIG, 4)
    state, _ = jax.eval_shape(env.reset, jax.random.key(0), world)
    after, _ = jax.eval_shape(env.step, jax.random.key(0), state, jnp.zeros(4, jnp.int32), world)
    for name in Watch._fields:
        a, b = getattr(state.watch, name), getattr(after.watch, name)
        assert (a.shape, a.dtype) == (b.shape, b.dtype), name
