"""Delayed labels: follows and gifts are paid later, within the session, and in full."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, make_live, small_world

from lrdqn.envs.live.reward import DELAYS, RewardParts
from lrdqn.train.loop import random_action


def earned(follows: list[float], gifts: list[float]) -> RewardParts:
    zero = jnp.zeros(len(follows))
    return RewardParts(
        zero + 3.0, zero, zero, jnp.asarray(follows), jnp.asarray(gifts), zero, zero, zero
    )


def test_what_is_paid_when() -> None:
    """Four impressions of one session, the last of which ends it."""
    each = {
        "none": ([1, 0, 1, 1], [2, 5, 0, 7]),
        "tick": ([0, 1, 0, 2], [0, 2, 5, 7]),
        "end": ([0, 0, 0, 3], [0, 0, 0, 14]),
    }
    for name, (follows, gifts) in each.items():
        pending_reward, got = jnp.zeros((1, 2)), []
        for f, g, over in zip(
            [1.0, 0.0, 1.0, 1.0], [2.0, 5.0, 0.0, 7.0], [False, False, False, True], strict=True
        ):
            paid, pending_reward = DELAYS[name](earned([f], [g]), pending_reward, jnp.array([over]))
            got.append((float(paid.follows[0]), float(paid.gift_value[0])))
            assert float(paid.watch_minutes[0]) == 3.0, "what was watched is paid at once"
        assert got == [(float(f), float(g)) for f, g in zip(follows, gifts, strict=True)], name
        np.testing.assert_array_equal(pending_reward, 0)


@pytest.mark.slow
@pytest.mark.parametrize("episode", ["session", "user"])
def test_sessions_earn_the_same_whenever_it_is_paid(episode: str) -> None:
    totals = {}
    for delay in DELAYS:
        config = live_config(
            episode=episode,
            horizon=25,
            reward={"delay": delay},
            law={"gift_rate": 0.5, "follow_bias": 0.0},
        )
        world, env = small_world(config), make_live(config, 64)
        state, obs = env.reset(jax.random.key(0), world)
        alive, step = np.ones(64, bool), jax.jit(env.step)
        total, first = np.zeros(64), np.zeros(64)
        for i in range(25):
            state, t = step(
                jax.random.key(i), state, random_action(env, obs, jax.random.key(100 + i)), world
            )
            total += alive * np.asarray(t.info["reward/follows"] + t.info["reward/gift_value"])
            first += alive * np.asarray(t.info["reward/gift_value"]) * (i < 3)
            obs, alive = t.obs, alive & ~np.asarray(t.terminated | t.truncated)
        assert not alive.any()
        totals[delay] = (total, first.sum())
    np.testing.assert_allclose(totals["none"][0], totals["tick"][0], rtol=1e-5)
    np.testing.assert_allclose(totals["none"][0], totals["end"][0], rtol=1e-5)
    assert totals["none"][0].sum() > 0
    assert totals["none"][1] > totals["tick"][1] > totals["end"][1]
