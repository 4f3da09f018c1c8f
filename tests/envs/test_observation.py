"""Levels of observation: what each shows and must not show."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, make_live, small_world

from lrdqn.envs.live.choice import appeal
from lrdqn.envs.live.observation import NOISE

N = 256


def first(**changes: object) -> tuple:
    config = live_config(**changes)
    world, env = small_world(config), make_live(config, N)
    return world, env, *jax.jit(env.reset)(jax.random.key(0), world)


def test_the_full_observation_has_the_truth_behind_what_is_observable() -> None:
    world, _, _, plain = first()
    _, _, state, seen = first(obs="full")
    width = plain.features.shape[2]
    np.testing.assert_array_equal(seen.features[..., :width], plain.features)
    np.testing.assert_array_equal(seen.context[:, : plain.context.shape[1]], plain.context)
    stream_utility = appeal(state.session, state.candidates.streamer, state.candidates.room, world)
    there = np.asarray(plain.mask & (plain.candidates != 300))
    for i, x in enumerate(
        (
            stream_utility.utility,
            stream_utility.experience,
            stream_utility.affinity,
            stream_utility.highlight,
        )
    ):
        np.testing.assert_allclose(
            np.asarray(seen.features[..., width + i])[there],
            np.asarray(x)[there],
            rtol=2e-3,
            atol=2e-3,
        )
    assert not np.asarray(seen.features[..., width:])[~there].any()
    np.testing.assert_allclose(seen.context[:, -3], state.session.patience, rtol=1e-3)


def test_the_noisy_observation_has_noise_of_the_stated_scale() -> None:
    _, _, _, plain = first()
    _, _, _, twice = first(obs="noisy", obs_noise=2.0)
    for name in (
        "user",
        "context",
        "history",
        "history_watch",
        "history_reaction",
        "candidates",
        "mask",
    ):
        np.testing.assert_array_equal(getattr(twice, name), getattr(plain, name))
    off = np.asarray(twice.features.astype(jnp.float32) - plain.features.astype(jnp.float32))
    there = np.asarray(plain.mask & (plain.candidates != 300))
    np.testing.assert_allclose(off[there].std(axis=0), 2 * np.array(NOISE[:4]), rtol=0.1)
    np.testing.assert_allclose(off[there].mean(axis=0), 0, atol=0.2)
    assert not off[~there].any()


@pytest.mark.parametrize("level", ["noisy", "full"])
def test_a_request_is_seen_once_and_stays_so(level: str) -> None:
    """Where no session ended, the observation and the last one before any reset are the same."""
    world, env, state, _ = first(obs=level)
    _, t = jax.jit(env.step)(jax.random.key(1), state, jnp.zeros(N, jnp.int32), world)
    going_on = ~np.asarray(t.terminated | t.truncated)
    assert going_on.mean() > 0.5
    jax.tree.map(
        lambda a, b: np.testing.assert_array_equal(
            np.asarray(a)[going_on], np.asarray(b)[going_on]
        ),
        t.obs,
        t.final_obs,
    )
