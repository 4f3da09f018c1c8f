"""The live world with gymnax's interface: both forms of step, spaces, and agreement with
env=live."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn import build
from lrdqn.interop import flatten, live_gymnax_env
from lrdqn.interop.entry import live_config, live_params

SMALL = (
    "env.streamers=60",
    "env.users=30",
    "env.candidates=6",
    "env.familiar=1",
    "env.history=5",
    "env.horizon=4",
)


@pytest.mark.slow
def test_both_forms_tell_the_same_and_are_the_world_of_env_live() -> None:
    new, old = live_gymnax_env(*SMALL, seed=2), live_gymnax_env(*SMALL, seed=2, legacy=True)
    config = live_config(SMALL)
    own, world = build.build_env(config, 1), live_params(config, 2)
    params = new.default_params
    assert params.max_steps_in_episode == 4
    key = jax.random.key(0)
    obs, state = jax.jit(new.reset)(key, params)
    other_obs, other = jax.jit(old.reset)(key, params)
    inner, want = jax.jit(own.reset)(key, world)
    steps = jax.jit(new.step), jax.jit(old.step), jax.jit(own.step)
    assert new.observation_space(params).shape == obs.shape
    assert new.observation_space(params).dtype == obs.dtype == jnp.float32
    assert bool(new.observation_space(params).contains(obs))
    truncations = 0
    for i in range(9):
        np.testing.assert_allclose(
            obs, flatten(want, own.catalogue(world))[0], rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(obs, other_obs, rtol=1e-6)
        key = jax.random.fold_in(jax.random.key(1), i)
        action = jnp.int32(i % 6)
        obs, state, reward, terminated, truncated, info = steps[0](key, state, action, params)
        other_obs, other, other_reward, done, _ = steps[1](key, other, action, params)
        inner, t = steps[2](key, inner, action[None], world)
        want = t.obs
        np.testing.assert_allclose([reward, other_reward], t.reward[0], rtol=1e-5, atol=1e-6)
        assert bool(done) == bool(terminated | truncated) == bool(t.terminated[0] | t.truncated[0])
        final = flatten(t.final_obs, own.catalogue(world))[0]
        np.testing.assert_allclose(info["final_observation"], final, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(info["action_mask"], t.obs.mask[0])
        truncations += int(truncated)
        assert (reward.shape, terminated.shape, truncated.shape) == ((), (), ())
    assert truncations > 0


@pytest.mark.slow
def test_it_can_be_vmapped_and_shows_the_fields_where_asked() -> None:
    env = live_gymnax_env(*SMALL, flat=False)
    params = env.default_params
    keys = jax.random.split(jax.random.key(0), 3)
    obs, state = jax.vmap(env.reset, in_axes=(0, None))(keys, params)
    assert obs.candidates.shape == (3, 6)
    assert env.observation_space(params).candidates.shape == (6,)
    space = env.action_space(params)
    assert (space.n, env.num_actions) == (6, 6)
    actions = jax.vmap(space.sample)(keys)
    assert bool(jnp.all(space.contains(actions)))
    out = jax.vmap(env.step, in_axes=(0, 0, 0, None))(keys, state, actions, params)
    assert len(out) == 6
    assert out[2].shape == (3,)
