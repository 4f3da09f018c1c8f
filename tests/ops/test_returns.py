"""Returns over several steps: recorded numbers, a walk forwards from each step, session ends, and
values that must not be read."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import returns as twin
from oracles.recorded import recorded

from lrdqn.config import InputError
from lrdqn.ops.returns import OpenTransitions, empty, extend, lambda_returns, weighted
from lrdqn.types import Transition

BAD = [np.inf, -np.inf, np.nan]


def f32(x: Any) -> Any:
    return np.asarray(x, np.float32)


class Stream(NamedTuple):
    """Steps of one session slot, ``[T]``: sessions follow each other."""

    r: Any
    discount: Any
    ended: Any
    value_t: Any


def random_stream(rng: np.random.Generator, steps: int) -> Stream:
    """Return sessions of a few steps that terminate, are truncated, or both at once; discounts
    differ from step to step."""
    terminated, truncated = rng.random(steps) < 0.15, rng.random(steps) < 0.15
    discount = np.where(terminated, 0, 0.9 ** rng.uniform(0.1, 3, steps))
    return Stream(
        f32(rng.normal(size=steps)),
        f32(discount),
        terminated | truncated,
        f32(rng.normal(size=steps)),
    )


def transitions(stream: Stream) -> Transition:
    """Return transitions: step t has action t and observations that record their step, in several
    leaves, shapes and types."""
    t: Any = np.arange(len(stream.r), dtype=np.int32)

    def obs(t: Any) -> Any:
        return {"at": t.astype(np.int16), "features": f32(np.stack([t, -t], 1)), "odd": t % 2 == 1}

    return Transition(obs(t), t, stream.r, stream.discount, obs(t + 1))


def start(t: Transition, n: int) -> OpenTransitions:
    return empty(jax.tree.map(lambda x: x[0], t), n)


@jax.jit
def play(pending: OpenTransitions, t: Transition, ended: Any) -> tuple[OpenTransitions, Transition]:
    return jax.lax.scan(lambda pending, step: extend(pending, *step), pending, (t, ended))


def targets(stream: Stream, n: int) -> np.ndarray:
    """Return ``reward + discount * value of the last observation`` of every step: first those of
    completed transitions, then those of pending ones."""
    t = transitions(stream)
    pending, out = play(start(t, n), t, stream.ended)
    out = jax.tree.map(lambda x, rest: np.concatenate([x, rest])[n - 1 :], out, pending.transition)
    np.testing.assert_array_equal(out.action, np.arange(len(stream.r)), "every step once, in order")
    return out.reward + out.discount * stream.value_t[out.next_obs["at"] - 1]


def recorded_stream(table: str) -> tuple[Stream, dict[str, Any]]:
    oracle = recorded("targets")
    given = oracle["inputs"]
    steps = np.arange(8)
    value = np.max(given[table], axis=1)[1:]
    value[given["truncated_step"]] = np.max(given[f"final_obs_{table}"])
    terminated = steps == given["terminal_step"]
    ended = terminated | (steps == given["truncated_step"])
    return Stream(
        f32(given["r"]), f32(np.where(terminated, 0, given["gamma"])), ended, f32(value)
    ), oracle


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_recorded_n_step(n: int) -> None:
    stream, oracle = recorded_stream("Q_target")
    np.testing.assert_allclose(targets(stream, n), oracle["n_step"][str(n)], rtol=0, atol=1e-6)


@pytest.mark.parametrize("trace", [0.0, 0.65, 1.0])
def test_recorded_lambda(trace: float) -> None:
    stream, oracle = recorded_stream("Q")
    found = lambda_returns(
        stream.r, stream.discount, stream.value_t, stream.ended, jnp.float32(trace)
    )
    np.testing.assert_allclose(found, oracle["lambda_return"][str(trace)], rtol=0, atol=1e-6)


def test_the_recorded_stream_with_auto_reset_does_not_leak() -> None:
    """If they leaked, steps 1 and 2 would be 41.24 and 60.61."""
    ended = np.arange(5) == 2
    stream = Stream(
        f32([1, 2, 4, 8, 16]), f32(np.where(ended, 0, 0.9)), ended, f32([10, 20, 30, 40, 50])
    )
    np.testing.assert_allclose(targets(stream, 3)[:3], [6.04, 5.6, 4.0], rtol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 40])
def test_n_step_equals_the_walk_forwards(n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(20):
        stream = random_stream(rng, 30)
        t = transitions(stream)
        pending, out = play(start(t, n), t, stream.ended)
        out = jax.tree.map(
            lambda x, rest: np.concatenate([x, rest])[n - 1 :], out, pending.transition
        )
        want = [twin.n_step(stream.r, stream.discount, stream.ended, k, n) for k in range(30)]
        reward, discount, last = (np.array(x) for x in zip(*want, strict=True))
        np.testing.assert_allclose(out.reward, reward, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(out.discount, discount, rtol=1e-5)
        jax.tree.map(np.testing.assert_array_equal, out.obs, t.obs)
        jax.tree.map(
            lambda got, all_, last=last: np.testing.assert_array_equal(got, all_[last]),
            out.next_obs,
            t.next_obs,
        )
        np.testing.assert_array_equal(out.action, t.action)


def test_sessions_side_by_side_are_sessions_alone() -> None:
    rng = np.random.default_rng(0)
    streams = [random_stream(rng, 20) for _ in range(5)]
    each = [transitions(s) for s in streams]
    together = jax.tree.map(lambda *x: np.stack(x), *each)
    ended = np.stack([s.ended for s in streams])
    pending = jax.tree.map(lambda x: np.stack([x] * 5), start(each[0], 3))
    found = jax.jit(jax.vmap(lambda *x: play(*x)))(pending, together, ended)
    for i, (t, s) in enumerate(zip(each, streams, strict=True)):
        alone = play(start(t, 3), t, s.ended)
        jax.tree.map(lambda a, b, i=i: np.testing.assert_array_equal(a[i], b), found, alone)


def test_one_step_passes_straight_through() -> None:
    stream = random_stream(np.random.default_rng(1), 10)
    t = transitions(stream)
    pending, out = play(start(t, 1), t, stream.ended)
    jax.tree.map(np.testing.assert_array_equal, out, t)
    assert pending.open.shape == (0,)


def test_the_first_ones_out_are_empty_and_types_are_kept() -> None:
    stream = random_stream(np.random.default_rng(2), 10)
    t = transitions(stream)
    pending, out = play(start(t, 4), t, stream.ended)
    jax.tree.map(lambda x: np.testing.assert_array_equal(x[:3], 0), out)
    for kept in (pending.transition, out):
        for x, like in zip(jax.tree.leaves(kept), jax.tree.leaves(t), strict=True):
            assert (x.dtype, x.shape[1:]) == (like.dtype, like.shape[1:])
    assert pending.open.shape == (3,)


def test_a_truncated_entry_takes_nothing_more() -> None:
    """Its discount is not 0, so that the discount alone cannot stop it."""
    stream = Stream(
        f32([1, 2, 100, 100]),
        f32([0.5, 0.5, 0.5, 0.5]),
        np.array([False, True, False, False]),
        f32([10, 20, 7, 7]),
    )
    np.testing.assert_allclose(targets(stream, 4)[:2], [1 + 0.5 * 2 + 0.25 * 20, 2 + 0.5 * 20])


def test_a_discount_of_zero_ends_nothing_but_stops_the_sum() -> None:
    """With gamma = 0 the session continues, and for every n the return is the reward alone."""
    stream = Stream(
        f32([1, 2, 3, 4]), np.zeros(4, np.float32), np.zeros(4, bool), f32([5, 6, 7, 8])
    )
    for n in (1, 2, 4):
        np.testing.assert_array_equal(targets(stream, n), stream.r)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("terminated", [True, False])
def test_n_step_reads_no_reward_of_another_session_nor_behind_a_discount_of_zero(
    bad: float, terminated: bool
) -> None:
    ended = np.array([False, True, False, False]) if terminated else np.zeros(4, bool)
    stream = Stream(f32([1, 2, bad, bad]), f32([0.5, 0, 0.5, 0.5]), ended, f32([1, 1, 1, 1]))
    np.testing.assert_array_equal(targets(stream, 3)[:2], [2.0, 2.0])
    cut = stream._replace(discount=f32([0.5] * 4), ended=np.array([False, True, False, False]))
    np.testing.assert_array_equal(targets(cut, 4)[:2], [2.25, 2.5])


def test_n_must_be_positive() -> None:
    with pytest.raises(InputError, match="n=0: must be at least 1"):
        empty(
            jax.tree.map(lambda x: x[0], transitions(random_stream(np.random.default_rng(3), 2))), 0
        )


def lambdas(stream: Stream, trace: float) -> np.ndarray:
    return np.asarray(
        jax.jit(lambda_returns)(stream.r, stream.discount, stream.value_t, stream.ended, f32(trace))
    )


@pytest.mark.parametrize("steps", [1, 2, 25])
@pytest.mark.parametrize("trace", [0.0, 0.3, 0.95, 1.0])
def test_lambda_equals_the_forward_view(steps: int, trace: float) -> None:
    rng = np.random.default_rng(steps)
    for _ in range(20):
        s = random_stream(rng, steps)
        want = [
            twin.lambda_return(s.r, s.discount, s.ended, s.value_t, k, trace) for k in range(steps)
        ]
        np.testing.assert_allclose(lambdas(s, trace), want, rtol=1e-5, atol=1e-5)


def test_lambda_zero_is_one_step_and_one_is_as_many_as_there_are() -> None:
    s = random_stream(np.random.default_rng(4), 25)
    # One rounding of the product may be fused away, so terms of size 1 that cancel agree to 1e-7
    # absolutely.
    np.testing.assert_allclose(lambdas(s, 0.0), s.r + s.discount * s.value_t, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(lambdas(s, 0.0), targets(s, 1), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(lambdas(s, 1.0), targets(s, 25), rtol=1e-5, atol=1e-6)


def test_lambda_one_of_a_whole_session_is_monte_carlo() -> None:
    steps = np.arange(6)
    s = Stream(f32(2.0**steps), f32(np.where(steps == 5, 0, 0.5)), steps == 5, f32(np.full(6, 1e6)))
    np.testing.assert_array_equal(lambdas(s, 1.0), [(6 - k) * 2.0**k for k in range(6)])


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("trace", [0.0, 0.5, 1.0])
def test_lambda_reads_no_value_behind_a_discount_of_zero(bad: float, trace: float) -> None:
    ended = np.array([False, True, False])
    s = Stream(f32([1, 2, 4]), f32([0.5, 0, 0.5]), ended, f32([8, bad, 16]))
    np.testing.assert_array_equal(
        lambdas(s, trace), [1 + 0.5 * ((1 - trace) * 8 + trace * 2), 2, 12]
    )


@pytest.mark.parametrize("bad", BAD)
def test_lambda_reads_nothing_of_the_next_session(bad: float) -> None:
    s = Stream(
        f32([1, 2, bad, 1]),
        f32([0.5] * 4),
        np.array([False, True, False, False]),
        f32([8, 4, bad, bad]),
    )
    np.testing.assert_array_equal(lambdas(s, 0.5)[:2], [1 + 0.5 * (4 + 2), 4])


@pytest.mark.parametrize("bad", BAD)
def test_lambda_at_its_ends_reads_only_what_it_weighs(bad: float) -> None:
    """Lambda 0 reads the next value and no later one; lambda 1 reads the last value and no earlier
    one."""
    s = Stream(f32([1, 2, 4]), f32([0.5] * 3), np.zeros(3, bool), f32([8, bad, 16]))
    one_step = lambdas(s, 0.0)
    np.testing.assert_array_equal(one_step[[0, 2]], [5, 12])
    assert not np.isfinite(one_step[1])
    np.testing.assert_array_equal(
        lambdas(s, 1.0), [1 + 0.5 * 2 + 0.25 * 4 + 0.125 * 16, 2 + 0.5 * 4 + 0.25 * 16, 12]
    )


def test_no_gradient_flows_through_a_lambda_return() -> None:
    s = random_stream(np.random.default_rng(5), 8)
    slopes = jax.grad(
        lambda r, d, v, trace: jnp.sum(lambda_returns(r, d, v, s.ended, trace)), (0, 1, 2, 3)
    )(*(jnp.asarray(x) for x in (s.r, s.discount, s.value_t)), jnp.float32(0.5))
    assert not any(np.any(x) for x in slopes)


def test_a_batch_is_refused() -> None:
    x = jnp.zeros((3, 2))
    with pytest.raises(AssertionError, match="rank"):
        lambda_returns(x, x, x, x > 0, jnp.float32(0.5))


@pytest.mark.parametrize("bad", BAD)
def test_a_weight_of_zero_is_blind_in_its_gradients_too(bad: float) -> None:
    value, slopes = jax.value_and_grad(weighted, (0, 1))(jnp.float32(0), jnp.float32(bad))
    assert (value, *slopes) == (0, 0, 0)
    assert not np.isfinite(weighted(jnp.float32(0.5), jnp.float32(bad)))
