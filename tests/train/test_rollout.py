"""What becomes of one round: discounts, ends, observations before auto-reset, rewards that are not
finite, random numbers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lrdqn.train.rollout import play_round, to_transition
from lrdqn.types import Env, EnvSpec, Hypers, TimeStep


def hypers(**changes: float) -> Hypers:
    values = (
        dict.fromkeys(Hypers._fields, float("nan")) | {"gamma": 0.9, "reward_scale": 1.0} | changes
    )
    return Hypers(**{k: jnp.float32(v) for k, v in values.items()})


def step(reward: Any, terminated: Any, truncated: Any, elapsed: Any) -> TimeStep:
    n = len(reward)
    ends = (jnp.asarray(terminated), jnp.asarray(truncated))
    return TimeStep(
        jnp.full(n, 7.0), jnp.asarray(reward), *ends, jnp.arange(n) + 0.5, jnp.asarray(elapsed), {}
    )


def test_ends_and_time_reach_replay_as_a_discount() -> None:
    """Going on, cut, ended, both; a session that is cut bootstraps from the observation before its
    reset."""
    t = to_transition(
        jnp.zeros(4),
        jnp.arange(4),
        step(
            [1.0, 2.0, 3.0, 4.0],
            [False, False, True, True],
            [False, True, False, True],
            [1.0, 1.0, 1.0, 1.0],
        ),
        hypers(),
    )
    np.testing.assert_allclose(t.discount, [0.9, 0.9, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(t.next_obs, np.arange(4) + 0.5)
    np.testing.assert_array_equal(t.reward, [1, 2, 3, 4])


def test_the_discount_is_a_power_of_the_time_that_passed() -> None:
    t = to_transition(
        jnp.zeros(3),
        jnp.arange(3),
        step([0.0] * 3, [False] * 3, [False] * 3, [0.5, 1.0, 3.0]),
        hypers(),
    )
    np.testing.assert_allclose(t.discount, [0.9**0.5, 0.9, 0.9**3], rtol=1e-6)
    none = to_transition(
        jnp.zeros(1), jnp.arange(1), step([0.0], [False], [False], [0.3]), hypers(gamma=0.0)
    )
    assert float(none.discount[0]) == 0


def test_rewards_are_scaled_once_and_stored_finite() -> None:
    reward = [1.0, np.nan, np.inf, -2.0]
    t = to_transition(
        jnp.zeros(4),
        jnp.arange(4),
        step(reward, [False] * 4, [False] * 4, [1.0] * 4),
        hypers(reward_scale=0.1),
    )
    np.testing.assert_allclose(t.reward, [0.1, 0, 0, -0.2], rtol=1e-6)


def test_acting_and_the_world_draw_numbers_of_their_own() -> None:
    """A policy that is told the world's key could foresee it."""
    seen: dict[str, Any] = {}

    def env_step(key: Any, state: Any, action: Any, params: Any) -> tuple[Any, TimeStep]:
        seen["env"] = jax.random.key_data(key)
        return state, step([0.0], [False], [False], [1.0])

    def act(obs: Any, key: Any) -> Any:
        seen["act"] = jax.random.key_data(key)
        return jnp.zeros(1, jnp.int32)

    env = Env(EnvSpec("x", 1, 1, 1, "vector", 1, (1,)), lambda *a: None, env_step, lambda p: ())  # type: ignore[arg-type]
    play_round(env, act, (), jnp.zeros(1), (), hypers(), (jax.random.key(0), jax.random.key(1)))
    assert not np.array_equal(seen["act"], seen["env"])
    np.testing.assert_array_equal(seen["act"], jax.random.key_data(jax.random.key(0)))
