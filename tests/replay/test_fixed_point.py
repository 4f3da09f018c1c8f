"""Effect of replay on learning where the result has a closed form: one value, two outcomes."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from oracles.replay import two_outcome_fixed_point

from lrdqn.config import ReplayConfig
from lrdqn.replay import make_prioritized
from lrdqn.types import Hypers, Replay, Transition

P, HIGH, STORED, STEP, STEPS = 0.1, 10.0, 1000, 0.01, 30_000


def settle(replay: Replay, hypers: Hypers) -> jax.Array:
    """Return the value after ``STEPS`` updates from 5, averaged over the second half, and the mean
    of weighted squared errors."""
    zero = jnp.zeros((), jnp.int32)
    state = replay.init(Transition((), zero, jnp.float32(0), jnp.float32(0), ()))
    reward = jnp.where(jnp.arange(STORED) < round(P * STORED), HIGH, 0.0)
    batch = Transition((), jnp.zeros(STORED, jnp.int32), reward, jnp.zeros(STORED), ())
    state = replay.add(state, batch, hypers)

    def one(
        carry: tuple[object, jax.Array], key: jax.Array
    ) -> tuple[tuple[object, jax.Array], jax.Array]:
        state, q = carry
        sample = replay.sample(state, key, hypers)
        td = sample.transition.reward - q
        state = replay.update_priorities(state, sample.indices, td, hypers)
        q = q + STEP * jnp.mean(sample.weights * td)
        return (state, q), q

    _, path = jax.lax.scan(one, (state, jnp.float32(5)), jax.random.split(jax.random.key(0), STEPS))
    return jnp.mean(path[STEPS // 2 :])


def test_prioritized_replay_moves_the_fixed_point_as_the_formula_says(
    make_hypers: Callable[..., Hypers],
) -> None:
    """Five pairs of exponents are one vmapped axis, as hyper-parameters of a sweep are; with alpha
    0 the result is the mean for every beta, as in uniform replay."""
    replay = make_prioritized(
        ReplayConfig(name="prioritized", capacity=STORED, batch_size=32, epsilon=0.01)
    )
    alpha, beta = np.array([1.0, 0.6, 0.6, 1.0, 0.0]), np.array([0.0, 0.0, 0.4, 1.0, 0.4])
    hypers = make_hypers(alpha, beta)
    axes = Hypers(*(0 if name in ("alpha", "beta") else None for name in Hypers._fields))
    got = jax.jit(jax.vmap(lambda h: settle(replay, h), in_axes=(axes,)))(hypers)
    theory = [two_outcome_fixed_point(P, HIGH, a, b) for a, b in zip(alpha, beta, strict=True)]
    np.testing.assert_allclose(theory, [2.5, 2.0209, 1.6581, 1.0, 1.0], rtol=1e-4)
    np.testing.assert_allclose(got, theory, rtol=0.03)
