"""Expected outcomes of an impression against means of many impressions of the world itself."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, make_live, small_world

from lrdqn.envs.live.expected_outcome import (
    GIFT_RATES,
    RANKS,
    ExpectedOutcome,
    interpolate,
    make_expected_outcome,
    mean_gift_value,
)
from lrdqn.envs.live.prices import PRICES, gifts_by_price, price_shares

SESSIONS, TIMES = 32, 6_000


@pytest.mark.slow
@pytest.mark.parametrize("episode", ["session", "user"])
@pytest.mark.parametrize("model", ["mnl", "proportional", "pbm"])
def test_the_mean_reward_is_that_of_many_steps(episode: str, model: str) -> None:
    config = live_config(
        episode=episode, choice_model=model, law={"patience_median": 2.0}
    )  # sessions end often
    world, env = small_world(config), make_live(config, SESSIONS)
    state, obs = jax.jit(env.reset)(jax.random.key(3), world)
    told = jax.jit(make_expected_outcome(config))(state, world)
    for place in (0, 5):
        action = jnp.full(SESSIONS, place)

        def rewards(key: jax.Array, action: jax.Array = action) -> jax.Array:
            return env.step(key, state, action, world)[1].reward

        seen = np.asarray(
            jax.jit(jax.vmap(rewards))(jax.random.split(jax.random.key(1), TIMES)), np.float64
        )
        error = seen.std(0) / np.sqrt(TIMES) + 0.004  # of the sixteen quantiles
        there = np.asarray(obs.mask[:, place] & (obs.candidates[:, place] != config.streamers))
        assert there.sum() > SESSIONS // 3
        off = (np.asarray(told.reward[:, place]) - seen.mean(0)) / error
        assert np.abs(off[there]).max() < 4.5
        assert abs(off[there].mean()) < 4 / np.sqrt(there.sum())


def test_the_other_means_are_those_of_many_steps() -> None:
    """With long sessions of ``episode=user`` no user leaves at once, so that the state after a step
    can be compared."""
    config = live_config(episode="user", law={"patience_median": 40.0, "session_hours": 24.0})
    world, env = small_world(config), make_live(config, SESSIONS)
    state, obs = jax.jit(env.reset)(jax.random.key(0), world)
    told = jax.jit(make_expected_outcome(config))(state, world)
    before, place = state.session, 5
    streamer = state.candidates.streamer[:, place]

    def changes(key: jax.Array) -> dict[str, jax.Array]:
        after, t = env.step(key, state, jnp.full(SESSIONS, place), world)

        def loyalty(session):
            return jnp.sum(
                jnp.where(session.loyalty == streamer[:, None], session.loyalty_strength, 0.0),
                axis=1,
            )

        return {
            "patience": after.session.patience - before.patience,
            "satisfaction": after.session.satisfaction - before.satisfaction,
            "loyalty": loyalty(after.session) - loyalty(before),
            "minutes": t.info["seconds"] / 60,
            "left": t.info["left"].astype(jnp.float32),
        }

    seen = jax.device_get(jax.jit(jax.vmap(changes))(jax.random.split(jax.random.key(1), TIMES)))
    stayed = (seen.pop("left").mean(0) == 0) & np.asarray(obs.mask[:, place])
    known = np.asarray(
        jnp.any((before.loyalty == streamer[:, None]) & (before.loyalty_strength > 0), axis=1)
    )
    assert stayed.sum() > SESSIONS // 2
    for name, x in seen.items():
        rows = (
            stayed & known if name == "loyalty" else stayed
        )  # a newcomer needs a free slot and a minute
        if not rows.any():
            continue
        error = x.std(0) / np.sqrt(TIMES) + 0.02 * np.abs(x.mean(0)) + 1e-4
        off = (np.asarray(getattr(told, name)[:, place]) - x.mean(0)) / error
        assert np.abs(off[rows]).max() < 5, name
    np.testing.assert_allclose(told.fatigue, told.minutes / 10, rtol=1e-5)


def test_the_mean_of_the_log_of_gifts() -> None:
    rng = np.random.default_rng(0)
    for rate, rank in ((0.01, 1.0), (0.7, 0.2), (30.0, 0.9)):
        share = np.asarray(price_shares(jnp.float32(rank), 0.3))
        gifts, u = rng.poisson(rate, 400_000), rng.random(400_000)
        shares = jnp.broadcast_to(jnp.asarray(share), (len(u), len(share)))
        counts = gifts_by_price(
            jnp.asarray(u, jnp.float32), jnp.asarray(gifts, jnp.float32), shares
        )
        drawn = np.log1p(np.asarray(counts) @ PRICES.astype(float))
        [got] = mean_gift_value(np.array([rate]), share)
        assert got == pytest.approx(drawn.mean(), abs=4 * drawn.std() / np.sqrt(len(drawn)))


def test_between_knots_the_table_is_linear_in_rank_and_log_rate() -> None:
    table = (
        RANKS[:, None] * 3
        + np.log(GIFT_RATES)[None] * 2
        + RANKS[:, None] * np.log(GIFT_RATES)[None]
    )
    rank, rate = np.array([0.0, 0.31, 0.999, 1.0, 0.5]), np.array([1e-6, 0.003, 77.0, 1e4, 1e-9])
    got = interpolate(
        jnp.asarray(table, jnp.float32),
        jnp.asarray(rank, jnp.float32),
        jnp.asarray(rate, jnp.float32),
    )
    inside = np.maximum(rate, GIFT_RATES[0])
    want = (rank * 3 + np.log(inside) * 2 + rank * np.log(inside)) * np.minimum(
        rate / GIFT_RATES[0], 1.0
    )
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-3)


def test_nothing_to_offer_means_nothing_but_time() -> None:
    config = live_config()
    world, env = small_world(config), make_live(config, SESSIONS)
    state, _ = jax.jit(env.reset)(jax.random.key(0), world)
    candidates = state.candidates
    nobody = candidates._replace(
        streamer=jnp.full_like(candidates.streamer, config.streamers),
        mask=jnp.zeros_like(candidates.mask).at[:, 0].set(True),
    )
    told: ExpectedOutcome = jax.jit(make_expected_outcome(config))(
        state._replace(candidates=nobody), world
    )
    assert float(jnp.abs(told.minutes).max()) == 0.0
    assert float(jnp.abs(told.loyalty).max()) == 0.0
    np.testing.assert_allclose(told.patience[:, 0], -config.law.patience_no_click, atol=1e-6)
    assert float(jnp.abs(told.patience[:, 1:]).max()) == 0.0
