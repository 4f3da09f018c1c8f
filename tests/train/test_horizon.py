"""Horizons: what replay is given of a rollout, against the recorded stream, forward loops and their
limits."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.train.horizon import Horizon, flat, lambda_return, n_step, one_step, with_next_action
from lrdqn.types import Hypers, Network, QOutput, Transition

N = 3


def network(mask_of: Any = None) -> Network:
    """``Q(s, .) = s * (1, -1)``: the value of a positive number is itself."""

    def apply(params: Any, obs: Any, catalogue: Any, key: Any) -> QOutput:
        q = obs[:, None] * jnp.array([[1.0, -1.0]])
        mask = jnp.ones(q.shape, bool) if mask_of is None else mask_of(obs)
        return QOutput(q, mask, q[..., None])

    return Network(lambda key: {}, apply, lambda *a: jnp.zeros((1, 1)))


def hypers(**changes: float) -> Hypers:
    return Hypers(
        **{k: jnp.float32(v) for k, v in (dict.fromkeys(Hypers._fields, 1.0) | changes).items()}
    )


def rollout(steps: int, seed: int = 0, gamma: float = 0.9) -> tuple[Transition, Any]:
    """Random rewards and ends; a next observation is 100 + its own number, so that it can be told
    from the next session's."""
    rng = np.random.default_rng(seed)
    terminated, truncated = rng.random((2, steps, N)) < 0.2
    number = np.arange(steps)[:, None] + 1000 * np.arange(N)[None]
    t = Transition(
        obs=jnp.asarray(number, jnp.float32),
        action=jnp.asarray(number, jnp.int32),
        reward=jnp.asarray(rng.normal(size=(steps, N)), jnp.float32),
        discount=jnp.asarray(gamma * ~terminated, jnp.float32),
        next_obs=jnp.asarray(number + 0.5, jnp.float32),
    )
    return t, jnp.asarray(terminated | truncated)


def play(horizon: Horizon, t: Transition, ended: Any, pieces: int, **of: float) -> Transition:
    """All rounds, in calls of as many as ``pieces`` divides them into."""
    example = jax.tree.map(lambda x: jnp.zeros_like(x[0, 0]), t)
    state, out = horizon.init(example, N), []
    extend = jax.jit(
        lambda state, t, ended, key: horizon.extend(state, t, ended, {}, (), hypers(**of), key)
    )
    for part in np.split(np.arange(ended.shape[0]), pieces):
        state, complete = extend(
            state, jax.tree.map(lambda x, part=part: x[part], t), ended[part], jax.random.key(0)
        )
        out.append(complete)
    return jax.tree.map(lambda *x: np.concatenate(x), *out)


def forward(t: Transition, ended: Any, n: int, start: int, i: int) -> tuple[float, float, float]:
    """Reward, discount and next observation of the n steps of session ``i`` from ``start``, walking
    forwards."""
    total, discount = 0.0, 1.0
    for k in range(start, start + n):
        total += discount * float(t.reward[k, i])
        discount *= float(t.discount[k, i])
        if bool(ended[k, i]):
            break
    return total, discount, float(t.next_obs[k, i])


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("pieces", [1, 6, 24])
def test_n_step_walks_forwards_and_stops_at_a_sessions_end(n: int, pieces: int) -> None:
    t, ended = rollout(24)
    out = play(n_step(n), t, ended, pieces)
    for row in range((n - 1) * N, 24 * N):  # the first n - 1 rounds are not complete
        start, i = row // N - (n - 1), row % N
        reward, discount, after = forward(t, ended, n, start, i)
        assert out.action[row] == start + 1000 * i
        np.testing.assert_allclose(
            [out.reward[row], out.discount[row]], [reward, discount], rtol=1e-5, atol=1e-6
        )
        assert out.next_obs[row] == after


def test_the_recorded_stream_does_not_leak() -> None:
    """Rewards 1, 2, 4, 8, 16, the session ends at step 2, n = 3, gamma .9: 6.04, 5.6, 4 (leaking:
    41.24, 60.61)."""
    step = np.arange(5)
    t = Transition(
        *(
            jnp.asarray(np.tile(x[:, None], N), d)
            for x, d in [
                (step, jnp.float32),
                (step, jnp.int32),
                (2.0**step, jnp.float32),
                (np.where(step == 2, 0.0, 0.9), jnp.float32),
                (step + 1, jnp.float32),
            ]
        )
    )
    out = play(n_step(3), t, jnp.asarray(np.tile((step == 2)[:, None], N)), 1)
    np.testing.assert_allclose(out.reward[2 * N :: N], [6.04, 5.6, 4.0], rtol=1e-6)
    np.testing.assert_array_equal(out.discount[2 * N :], 0)


def test_one_step_hands_on_what_it_is_given() -> None:
    t, ended = rollout(7)
    jax.tree.map(np.testing.assert_array_equal, play(one_step(), t, ended, 1), flat(t))


def lambda_forward(t: Transition, ended: Any, trace: float, i: int) -> np.ndarray:
    """The mixture of n-step returns by its definition: ``sum_m (1 - trace) trace^(m-1) G_m``, the
    last one whole."""
    steps = ended.shape[0]
    out = []
    for start in range(steps):
        stop = next((k for k in range(start, steps) if ended[k, i]), steps - 1)
        returns = []
        for m in range(1, stop - start + 2):
            reward, discount, after = forward(t, ended, m, start, i)
            returns.append(reward + discount * abs(after))
        weights = [(1 - trace) * trace ** (m - 1) for m in range(1, len(returns))] + [
            trace ** (len(returns) - 1)
        ]
        out.append(np.dot(weights, returns))
    return np.array(out)


@pytest.mark.parametrize("trace", [0.0, 0.65, 1.0])
def test_lambda_return_is_the_mixture_of_n_step_returns(trace: float) -> None:
    t, ended = rollout(12)
    t = t._replace(next_obs=jnp.asarray(np.random.default_rng(5).normal(size=(12, N)), jnp.float32))
    out = play(lambda_return(network(), 1), t, ended, 1, trace=trace)
    want = np.stack([lambda_forward(t, np.asarray(ended), trace, i) for i in range(N)], axis=1)
    found = {int(a): r for a, r in zip(out.action, out.reward, strict=True)}
    assert len(found) == 12 * N, "every transition once"
    got = np.array([[found[k + 1000 * i] for i in range(N)] for k in range(12)])
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    assert not out.discount.any(), "what is left is a regression"


def test_lambda_return_of_nothing_on_offer_is_the_reward() -> None:
    t, ended = rollout(4)
    nothing = network(lambda obs: jnp.zeros((obs.shape[0], 2), bool))
    out = play(lambda_return(nothing, 1), t, ended, 1, trace=0.0)
    found = {int(a): r for a, r in zip(out.action, out.reward, strict=True)}
    for k in range(4):
        for i in range(N):
            assert found[k + 1000 * i] == float(t.reward[k, i])


def test_passes_are_epochs_in_different_orders() -> None:
    t, ended = rollout(20)
    out = play(lambda_return(network(), 3), t, ended, 1)
    epochs = np.asarray(out.action).reshape(3, 20 * N)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.sort(np.asarray(t.action).ravel()))
    assert not (epochs[0] == epochs[1]).all()
    assert not (epochs[0] == np.asarray(t.action).ravel()).all()


@pytest.mark.parametrize("pieces", [1, 4])
@pytest.mark.parametrize("n", [1, 3])
def test_what_was_done_next_comes_with_each_transition(n: int, pieces: int) -> None:
    """The action in the state that the transition ends in, of the same session; -1 where the
    session had ended."""
    t, ended = rollout(24)
    plain = one_step() if n == 1 else n_step(n)
    got = play(with_next_action(plain), t, ended, pieces)
    assert plain.fill + 1 == with_next_action(plain).fill == n
    before = play(plain, t, ended, pieces)
    dropped = N * n
    for name in ("obs", "reward", "discount", "next_obs", "action"):
        np.testing.assert_array_equal(
            getattr(got, name)[dropped:], getattr(before, name)[dropped - N : -N]
        )
    last = np.asarray(got.next_obs)[dropped:] - 0.5  # number of the last step taken in
    step, session = (last % 1000).astype(int), (last // 1000).astype(int)
    wanted = np.where(np.asarray(ended)[step, session], -1, last + 1)
    np.testing.assert_array_equal(got.next_action[dropped:], wanted)
    slates = t._replace(action=jnp.stack([t.action, -2 * t.action], axis=-1))
    of_slates = play(with_next_action(plain), slates, ended, pieces).next_action[dropped:]
    np.testing.assert_array_equal(
        of_slates, np.where(wanted[:, None] < 0, -1, wanted[:, None] * np.array([[1, -2]]))
    )
