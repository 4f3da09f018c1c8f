"""Laws of the live world against a NumPy twin, SciPy and the published fits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from envs.worlds import live_config, make_live, small_world
from oracles import live as twin

from lrdqn.envs.live.choice import CHOICE_MODELS, appeal, highlight, loyalty_kernel
from lrdqn.envs.live.engagement import Engagement, engage, poisson_quantile, watch_seconds
from lrdqn.envs.live.prices import PRICES
from lrdqn.envs.live.reward import reward_parts, scalarise
from lrdqn.envs.live.session import draw
from lrdqn.envs.live.user_dynamics import (
    next_fatigue,
    next_loyalty,
    next_patience,
    next_satisfaction,
    return_probability,
    update_user,
)
from lrdqn.ops.choice import choose

N = 64


@pytest.fixture(scope="module")
def scene() -> tuple:
    config = live_config()
    world, env = small_world(config), make_live(config, N)
    state, obs = jax.jit(env.reset)(jax.random.key(0), world)
    return world, state, obs


def test_utility_and_experience_equal_the_twin(scene: tuple) -> None:
    world, state, _ = scene
    session = state.session._replace(
        fatigue=jax.random.uniform(jax.random.key(1), state.session.fatigue.shape)
    )
    streamer, room = state.candidates.streamer, state.candidates.room
    stream_utility = appeal(session, streamer, room, world)
    s, u = jax.tree.map(np.asarray, (world.streamers, world.users))
    users, fatigue = np.asarray(session.user), np.asarray(session.fatigue)
    for n in range(0, N, 7):
        for c in range(streamer.shape[1]):
            i = int(streamer[n, c])
            dot = float(u.interest[users[n]].astype(np.float64) @ s.style[i])
            a = (dot - float(world.affinity_mean)) / float(world.affinity_scale)
            loyal = 0.0
            for slot in range(session.loyalty.shape[1]):
                if int(session.loyalty[n, slot]) == i:
                    gap = float(session.time[n] - session.loyalty_seen[n, slot])
                    loyal += twin.loyalty_pull(float(session.loyalty_strength[n, slot]), gap)
            is_highlight = float(stream_utility.highlight[n, c])
            bias = float(u.category_bias[users[n]] @ s.category[i])
            tired = float(fatigue[n] @ s.category[i])
            want = twin.utility(
                a,
                bias,
                float(s.popularity[i]),
                float(s.skill[i]),
                float(s.hook[i]),
                loyal,
                is_highlight,
                tired,
                float(world.utility_mean),
                float(world.utility_scale),
            )
            assert float(stream_utility.utility[n, c]) == pytest.approx(want, abs=2e-4)
            assert float(stream_utility.experience[n, c]) == pytest.approx(
                twin.experience(a, float(s.skill[i]), float(s.hook[i])), abs=2e-4
            )


U = (np.arange(50_000) + 0.5) / 50_000


def shares(model: str, utility: np.ndarray, shown: np.ndarray, law) -> np.ndarray:
    """Return the share of draws in which each place is watched, by the world's own inversion of the
    model's probabilities."""
    chances = CHOICE_MODELS[model](
        jnp.asarray(utility, jnp.float32)[None], jnp.asarray(shown)[None], law
    )
    clicked, place = choose(
        jnp.asarray(U, jnp.float32), jnp.broadcast_to(chances, (len(U), len(utility)))
    )
    return np.bincount(np.asarray(place)[np.asarray(clicked)], minlength=len(utility)) / len(U)


@pytest.mark.parametrize("model", list(CHOICE_MODELS))
@pytest.mark.parametrize("utility", [[-2.0], [1.5], [0.3, -1.0, 2.0], [-9.0, -9.0, 0.2, 4.0]])
def test_choices_equal_the_twin(scene: tuple, model: str, utility: list[float]) -> None:
    law, values = scene[0].law, np.array(utility)
    shown = np.ones(len(values), bool)
    np.testing.assert_allclose(
        shares(model, values, shown, law),
        twin.choice(model, utility, [True] * len(utility)),
        atol=1e-4,
    )
    assert shares(model, values, ~shown, law).sum() == 0
    if len(values) > 1:
        shown[1] = False
        got = shares(model, values, shown, law)
        np.testing.assert_allclose(got, twin.choice(model, utility, shown.tolist()), atol=1e-4)
        assert got[1] == 0


def test_poisson_quantile_equals_scipys() -> None:
    rng = np.random.default_rng(0)
    u, rate = (
        rng.uniform(0.001, 0.999, 4000).astype(np.float32),
        rng.uniform(0, 9.9, 4000).astype(np.float32),
    )
    got = np.asarray(poisson_quantile(jnp.asarray(u), jnp.asarray(rate)))
    want = scipy.stats.poisson.ppf(u.astype(np.float64), rate.astype(np.float64))
    assert (got != want).mean() < 2e-3  # float32 at the edges of the steps
    assert np.abs(got - want).max() <= 1
    u, rate = (np.arange(200_000) + 0.5) / 200_000, 40.0
    high = np.asarray(poisson_quantile(jnp.asarray(u, jnp.float32), jnp.full(200_000, rate)))
    assert high.mean() == pytest.approx(rate, rel=2e-3)
    assert high.var() == pytest.approx(rate, rel=2e-2)
    assert float(poisson_quantile(jnp.float32(0.9999), jnp.float32(0.0))) == 0


def test_poisson_quantile_in_the_tail() -> None:
    """Up to a probability of one in a million, and no runaway count where float32 cannot tell u
    from 1."""
    rng = np.random.default_rng(1)
    u = (1 - 10 ** rng.uniform(-6, -3, 20_000)).astype(np.float32)
    rate = rng.uniform(0.01, 10, 20_000).astype(np.float32)
    got = np.asarray(poisson_quantile(jnp.asarray(u), jnp.asarray(rate)))
    want = scipy.stats.poisson.ppf(u.astype(np.float64), rate.astype(np.float64))
    assert np.abs(got - want).max() <= 1
    assert (got != want).mean() < 0.02  # float32 at the edges of the steps
    assert float(poisson_quantile(jnp.float32(0.999999), jnp.float32(10.0))) == 28
    last = np.asarray(poisson_quantile(jnp.full(100, 1 - 1e-7), jnp.linspace(0.01, 10, 100)))
    exact = scipy.stats.poisson.ppf(np.float64(np.float32(1 - 1e-7)), np.linspace(0.01, 10, 100))
    assert np.abs(last - exact).max() <= 2


def test_watch_times_follow_the_published_mixture() -> None:
    """At an engaged share of 0.13 the mixture has mean 83.9 s, median 4.87 s, P(< 3 s) = 0.333 and
    P(> 600 s) = 0.031."""
    law = small_world(live_config()).law
    n = 400_000
    z = jnp.asarray(scipy.stats.norm.ppf((np.arange(n) + 0.5) / n), jnp.float32)
    stayed = jnp.asarray(np.random.default_rng(0).random(n) < 0.13)
    w = np.asarray(watch_seconds(z, stayed, law))
    assert w.mean() == pytest.approx(83.9, rel=0.03)
    assert np.median(w) == pytest.approx(4.87, rel=0.01)
    assert (w < 3).mean() == pytest.approx(0.333, abs=0.004)
    assert (w > 600).mean() == pytest.approx(0.031, abs=0.001)


def _engagement(spent: float = 0.0, **changes: object) -> Engagement:
    """Return an engagement of one session; ``spent`` must be a price of the ladder."""
    flag, zero = jnp.zeros(1, bool), jnp.zeros(1)
    blank = Engagement(
        flag,
        flag,
        zero,
        flag,
        zero,
        zero,
        flag,
        zero,
        jnp.asarray(spent == PRICES, jnp.float32)[None],
    )
    return blank._replace(**{k: jnp.asarray([v]) for k, v in changes.items()})


CASES = [
    {"clicked": False, "stayed": False, "cut": False, "seconds": 0.0},
    {"clicked": True, "stayed": False, "cut": False, "seconds": 4.0},
    {"clicked": True, "stayed": False, "cut": True, "seconds": 2.0},
    {"clicked": True, "stayed": True, "cut": False, "seconds": 200.0},
    {"clicked": True, "stayed": True, "cut": True, "seconds": 900.0},
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("q", [-12.0, -0.4, 1.3])
def test_patience_and_satisfaction_equal_the_twin(case: dict, q: float) -> None:
    law, e = small_world(live_config()).law, _engagement(**case)
    w = case["seconds"]
    args = (case["clicked"], case["stayed"], case["cut"], w, q)
    got = next_patience(jnp.array([9.0]), jnp.array([10.0]), e, jnp.array([q]), law)
    assert float(got[0]) == pytest.approx(twin.patience(9.0, 10.0, *args), abs=1e-5)
    got = next_satisfaction(jnp.array([0.1]), e, jnp.array([q]), law)
    assert float(got[0]) == pytest.approx(twin.satisfaction(0.1, *args), abs=1e-6)


def test_fatigue_equals_the_twin_and_is_bounded() -> None:
    law, f = small_world(live_config()).law, jnp.array([[0.5, 0.0]])
    got = next_fatigue(f, jnp.array([[0.7, 0.3]]), jnp.array([400.0]), jnp.array([403.0]), law)
    want = [twin.fatigue(0.5, 0.7, 400, 403), twin.fatigue(0.0, 0.3, 400, 403)]
    np.testing.assert_allclose(got[0], want, rtol=1e-5)
    for _ in range(50):
        f = next_fatigue(f, jnp.array([[1.0, 0.0]]), jnp.array([3600.0]), jnp.array([3603.0]), law)
    assert float(f[0, 0]) < 3.5


def test_return_probability() -> None:
    law = small_world(live_config()).law
    assert float(return_probability(jnp.float32(0.015), law)) == pytest.approx(
        twin.sigmoid(2.98), abs=1e-6
    )
    assert float(return_probability(jnp.float32(0.215), law)) == pytest.approx(
        twin.sigmoid(2.98 + 1.2), abs=1e-6
    )


def test_loyalty_kernel_is_zero_at_once_and_one_after_a_day() -> None:
    seconds = jnp.array([0.0, 43_200.0, 86_400.0])
    np.testing.assert_allclose(loyalty_kernel(seconds), [0, 0, 1], atol=1e-6)


def test_loyalty_grows_from_its_decayed_value_and_a_newcomer_takes_the_weakest_slot(
    scene: tuple,
) -> None:
    world, state, _ = scene
    session = jax.tree.map(lambda x: x[:1], state.session)
    slots = session.loyalty.shape[1]
    session = session._replace(
        loyalty=jnp.arange(slots, dtype=jnp.int32)[None],
        loyalty_strength=jnp.full((1, slots), 0.5).at[0, 3].set(0.05),
        loyalty_seen=jnp.broadcast_to(session.time[:, None] - 86_400, (1, slots)),
        followed=jnp.zeros((1, slots), bool).at[0, 3].set(True),
    )
    e = _engagement(clicked=True, stayed=True, seconds=600.0)
    old = 0.5 * np.exp(-1 / 7)
    after = session.time + 603
    known = next_loyalty(session, jnp.array([2]), e, after, world.law)
    assert float(known.loyalty_strength[0, 2]) == pytest.approx(old + 0.3 * (1 - old), abs=1e-5)
    assert int(known.loyalty_seen[0, 2]) == int(after[0]), (
        "a visit ends when it ends: an instant repeat meets kernel 0"
    )
    new = next_loyalty(session, jnp.array([200]), e, after, world.law)
    assert int(new.loyalty[0, 3]) == 200
    assert float(new.loyalty_strength[0, 3]) == pytest.approx(0.3, abs=1e-6)
    assert not bool(new.followed[0, 3])  # a follow goes with its slot
    short = next_loyalty(
        session, jnp.array([200]), _engagement(clicked=True, seconds=20.0), after, world.law
    )
    np.testing.assert_array_equal(short.loyalty, session.loyalty)
    fan = next_loyalty(
        session,
        jnp.array([200]),
        _engagement(clicked=True, seconds=61.0, followed=True),
        after,
        world.law,
    )
    assert bool(fan.followed[0][np.asarray(fan.loyalty[0]) == 200].all()), (
        "a follow is remembered, so that it fires once"
    )


def test_a_watch_is_cut_by_the_room_and_by_the_viewers_time() -> None:
    law = small_world(live_config()).law
    draws, _, _ = draw(jax.random.key(0), 3, 1)
    draws = draws._replace(
        stay=jnp.zeros(3), watch=jnp.zeros(3)
    )  # stays, and would watch the median, 216 s
    left, free = jnp.array([50.0, 500.0, 500.0]), jnp.array([500.0, 80.0, 500.0])
    e = engage(
        draws,
        jnp.ones(3, bool),
        jnp.zeros(3),
        jnp.zeros(3),
        jnp.zeros(3),
        jnp.ones(3),
        jnp.ones(3),
        jnp.zeros(3, bool),
        left,
        free,
        law,
    )
    np.testing.assert_allclose(e.seconds, [50, 80, 216], rtol=1e-4)
    np.testing.assert_array_equal(e.cut, [True, False, False])


def test_highlights_are_three_in_ten_and_agree_across_sessions() -> None:
    room, time = jnp.arange(2000)[:, None], (jnp.arange(200) * 120)[None]
    is_highlight = np.asarray(highlight(room, time, jnp.uint32(7)))
    assert is_highlight.mean() == pytest.approx(0.3, abs=0.004)
    np.testing.assert_array_equal(is_highlight, highlight(room, time + 119, jnp.uint32(7)))
    assert np.abs(np.corrcoef(is_highlight[:, 0], is_highlight[:, 1])[0, 1]) < 0.08
    assert (
        np.asarray(highlight(room, time, jnp.uint32(8))) != is_highlight
    ).mean() == pytest.approx(0.42, abs=0.02)


def test_reward_is_the_weighted_sum_of_its_parts() -> None:
    weights = small_world(live_config()).weights
    e = _engagement(
        clicked=True,
        stayed=True,
        seconds=7200.0,
        comments=2.0,
        likes=1.0,
        followed=True,
        gifts=1.0,
        spent=10.0,
    )
    parts = reward_parts(e, jnp.array([1.0]), weights)
    assert float(scalarise(parts, weights)[0]) == pytest.approx(
        10 + 2 * 0.5 + 0.3 + 2.0 + np.log(11.0) + 5.0, abs=1e-4
    )
    quick = reward_parts(_engagement(clicked=True, seconds=2.0), jnp.array([0.0]), weights)
    assert float(scalarise(quick, weights)[0]) == pytest.approx(2 / 60 - 0.1, abs=1e-6)
    over = reward_parts(_engagement(clicked=True, seconds=2.0, cut=True), jnp.array([0.0]), weights)
    assert float(scalarise(over, weights)[0]) == pytest.approx(
        2 / 60, abs=1e-6
    )  # the room ended, nobody bounced


def test_living_through_a_watch_dates_the_visit_by_its_end(scene: tuple) -> None:
    world, state, _ = scene
    session = jax.tree.map(lambda x: x[:1], state.session)
    session = session._replace(
        loyalty=session.loyalty.at[0, 0].set(5),
        loyalty_strength=session.loyalty_strength.at[0, 0].set(0.5),
    )
    e = _engagement(clicked=True, stayed=True, seconds=600.0)
    after = update_user(session, jnp.array([5]), e, jnp.array([0.2]), world)
    assert (
        int(after.time[0] - session.time[0]) == 603
    )  # the watch and the three seconds of a decision
    assert int(after.loyalty_seen[0, 0]) == int(after.time[0])
    assert int(after.history[0, 0]) == 5
