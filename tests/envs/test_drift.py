"""Drift of interests against a twin, and RecSim's rule against RecSim's own numbers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, make_live, small_world

from lrdqn.envs.live.drift import one_topic, towards
from lrdqn.envs.live.engagement import Engagement
from lrdqn.train.loop import random_action

LAW = small_world(live_config()).law


def watches() -> Engagement:
    """Return five sessions: engaged for over ten minutes and for one, bounced, cut at once, no
    click."""
    flag = jnp.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [0, 0, 0, 1, 0]], bool)
    zero = jnp.zeros(5)
    seconds = jnp.array([700.0, 60.0, 30.0, 3.0, 0.0])
    return Engagement(
        flag[0], flag[1], seconds, flag[2], zero, zero, flag[2], zero, jnp.zeros((5, 14))
    )


def test_interests_turn_to_what_was_watched_and_from_a_bounce() -> None:
    rng = np.random.default_rng(0)
    interest, style = (
        x / np.linalg.norm(x, axis=1, keepdims=True) for x in rng.normal(size=(2, 5, 16))
    )
    got = np.asarray(towards(jnp.asarray(interest), jnp.asarray(style), watches(), LAW))
    for n, rate in enumerate([0.05, 0.05 * 0.1, -0.025 * 0.05, 0.0, 0.0]):
        moved = interest[n] + rate * (style[n] - interest[n])
        np.testing.assert_allclose(got[n], moved / np.linalg.norm(moved), atol=2e-6)
    nearer = np.sum(got * style, axis=1) - np.sum(interest * style, axis=1)
    assert nearer[0] > nearer[1] > 0 > nearer[2]


@pytest.mark.parametrize(
    ("interest", "up", "down"),
    [
        (0.5, 0.575, 0.425),
        (-0.25, 0.03125, -0.53125),
        (0.9, 0.903, 0.897),
        (-1.0, -1.0, -1.0),
        (0.0, 0.3, -0.3),
    ],
)
def test_recsims_rule_gives_recsims_numbers(interest: float, up: float, down: float) -> None:
    bias = jnp.array([[0.2, interest, -0.7]])
    topic = jnp.array([[0.0, 1.0, 0.0]])
    chance = (interest + 1) / 2
    for u, want in ((chance - 1e-4, up), (chance + 1e-4, down)):
        got = np.asarray(one_topic(bias, topic, jnp.ones((1, 1)), jnp.array([u])))[0]
        np.testing.assert_allclose(got, [0.2, want, -0.7], atol=1e-6)
    np.testing.assert_array_equal(one_topic(bias, topic, jnp.zeros((1, 1)), jnp.array([0.0])), bias)


@pytest.mark.parametrize("drift", ["none", "smooth", "recsim"])
def test_only_what_drifts_moves_within_a_session(drift: str) -> None:
    config = live_config(drift=drift)
    world, env = small_world(config), make_live(config, 64)
    state, obs = env.reset(jax.random.key(0), world)
    first, alive, step = state.session, np.ones(64, bool), jax.jit(env.step)
    for i in range(8):
        state, t = step(
            jax.random.key(i), state, random_action(env, obs, jax.random.key(100 + i)), world
        )
        obs, alive = t.obs, alive & ~np.asarray(t.terminated | t.truncated)
    turned = np.abs(np.asarray(state.session.interest - first.interest)).max(axis=1)[alive]
    leant = np.abs(
        np.asarray(state.session.category_bias - np.clip(first.category_bias, -1, 1))
    ).max(axis=1)[alive]
    assert (turned > 1e-4).mean() == pytest.approx(float(drift == "smooth"), abs=0.3)
    assert (drift == "smooth") == bool((turned > 1e-4).any())
    if drift == "recsim":
        assert (leant > 0.01).mean() > 0.5
    else:
        np.testing.assert_array_equal(
            np.asarray(state.session.category_bias)[alive], np.asarray(first.category_bias)[alive]
        )
    np.testing.assert_allclose(np.linalg.norm(state.session.interest, axis=1), 1.0, atol=1e-5)
