"""Laws that every value representation obeys, and each representation against loops in float64."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import distributions

from lrdqn.config import InputError
from lrdqn.ops.losses import huber, mse
from lrdqn.ops.values import Values, make_categorical, make_expected, make_quantile

ATOMS, V_MIN, V_MAX = 11, -2.0, 3.0
KINDS = {
    "expected": make_expected(mse),
    "huber": make_expected(huber),
    "categorical": make_categorical(ATOMS, V_MIN, V_MAX),
    "quantile": make_quantile(7, 1.0),
    "plain": make_quantile(7, 0.0),
}
BAD = [np.inf, -np.inf, np.nan]
each = pytest.mark.parametrize("values", KINDS.values(), ids=KINDS)
Z = distributions.grid(ATOMS, V_MIN, V_MAX)


def f32(x: Any) -> Any:
    return np.asarray(x, np.float32)


def draw(values: Values, seed: int, *shape: int, scale: float = 1.0) -> Any:
    return f32(scale * np.random.default_rng(seed).normal(size=(*shape, values.outputs)))


def slope(values: Values, raw: Any, *rest: Any) -> Any:
    return jax.grad(values.loss, has_aux=True)(jnp.asarray(raw), *rest)[0]


def categorical_target(*rest: Any) -> np.ndarray:
    """Return the target that the loss received, recovered from its gradient at an even prediction,
    ``1 / K - m``."""
    return np.asarray(
        1 / ATOMS - slope(KINDS["categorical"], np.zeros(ATOMS, np.float32), *rest), np.float64
    )


@each
@pytest.mark.parametrize("lead", [(), (4,), (2, 3)])
def test_mean_and_lift_take_any_leading_axes(values: Values, lead: tuple[int, ...]) -> None:
    raw, x = (
        jnp.asarray(draw(values, 0, *lead)),
        jnp.asarray(f32(np.random.default_rng(1).normal(size=lead))),
    )
    mean, lifted = values.mean(raw), values.lift(raw, x)
    assert mean.shape == lead
    assert lifted.shape == raw.shape
    alone, rows = raw.reshape(-1, values.outputs), x.reshape(-1)
    np.testing.assert_allclose(mean.reshape(-1), [values.mean(row) for row in alone], rtol=1e-6)
    np.testing.assert_array_equal(
        lifted.reshape(alone.shape), [values.lift(row, rows[i]) for i, row in enumerate(alone)]
    )


@pytest.mark.parametrize("outputs", [ATOMS - 1, ATOMS + 1])
@each
def test_another_k_is_refused(values: Values, outputs: int) -> None:
    with pytest.raises(AssertionError):
        values.mean(jnp.zeros((3, outputs)))
    with pytest.raises(AssertionError):
        values.loss(jnp.zeros(outputs), jnp.float32(0), jnp.float32(0), jnp.zeros(outputs))


def test_means_by_hand() -> None:
    assert KINDS["expected"].mean(jnp.array([2.5])) == 2.5
    assert KINDS["quantile"].mean(jnp.arange(7.0)) == pytest.approx(3)
    assert KINDS["categorical"].mean(jnp.zeros(ATOMS)) == pytest.approx(0.5)
    certain = jnp.where(jnp.arange(ATOMS) == 4, 50.0, 0.0)
    assert KINDS["categorical"].mean(certain) == pytest.approx(Z[4], abs=1e-6)


@each
def test_lift_is_monotone_and_nothing_at_zero(values: Values) -> None:
    raw = jnp.asarray(draw(values, 2, 50, scale=2))
    np.testing.assert_array_equal(values.lift(raw, jnp.zeros(50)), raw)
    xs = np.linspace(-2, 2, 21)
    means = np.stack([values.mean(values.lift(raw, jnp.full(50, f32(x)))) for x in xs])
    assert (np.diff(means, axis=0) > 0).all()


@each
def test_lift_moves_the_mean_by_x_to_first_order(values: Values) -> None:
    raw = jnp.zeros(values.outputs)
    rate = jax.grad(lambda x: values.mean(values.lift(raw, x)))(jnp.float32(0))
    assert rate == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("name", ["expected", "quantile"])
def test_lift_of_numbers_is_exact(name: str) -> None:
    values = KINDS[name]
    raw = jnp.asarray(draw(values, 3, 20))
    x = jnp.linspace(-100, 100, 20)
    np.testing.assert_allclose(
        values.mean(values.lift(raw, x)) - values.mean(raw), x, rtol=1e-5, atol=1e-5
    )


@each
def test_mean_of_the_mixture_is_the_mixture_of_the_means(values: Values) -> None:
    rng = np.random.default_rng(4)
    raw, policy = (
        draw(values, 5, 50, 6, scale=3),
        f32(rng.dirichlet(np.ones(6), 50) * (rng.random((50, 6)) < 0.7)),
    )
    policy = f32(policy / np.maximum(policy.sum(1, keepdims=True), 1e-6))
    policy[0] = np.eye(6)[3]
    mixed = jax.vmap(values.mix)(policy, raw)
    held = policy.sum(1) > 0.5
    np.testing.assert_allclose(
        values.mean(mixed)[held],
        np.sum(policy * values.mean(jnp.asarray(raw)), 1)[held],
        rtol=1e-5,
        atol=1e-5,
    )
    np.testing.assert_allclose(values.mean(mixed[0]), values.mean(raw[0, 3]), rtol=1e-5, atol=1e-6)
    order = rng.permutation(6)
    np.testing.assert_allclose(
        jax.vmap(values.mix)(policy[:, order], raw[:, order]), mixed, rtol=1e-5, atol=1e-5
    )


def test_categorical_mixture_is_that_of_the_probabilities() -> None:
    values = KINDS["categorical"]
    raw, policy = draw(values, 6, 4, scale=3), f32([0.5, 0.2, 0.3, 0.0])
    want = sum(
        float(p) * np.array(distributions.softmax(row)) for p, row in zip(policy, raw, strict=True)
    )
    np.testing.assert_allclose(np.exp(values.mix(policy, raw)), want, rtol=1e-5)


@each
@pytest.mark.parametrize("bad", BAD)
def test_mix_does_not_read_actions_of_probability_zero(values: Values, bad: float) -> None:
    raw, policy = draw(values, 7, 4), f32([0.25, 0.0, 0.75, 0.0])
    spoilt = np.where(policy[:, None] > 0, raw, f32(bad))
    np.testing.assert_array_equal(values.mix(policy, spoilt), values.mix(policy, raw))
    slopes = jax.grad(lambda p, x: jnp.sum(values.mix(p, x)), (0, 1))(
        jnp.asarray(policy), jnp.asarray(spoilt)
    )
    assert all(np.isfinite(s).all() for s in slopes)
    nothing = values.mix(np.zeros_like(policy), np.full_like(raw, bad))
    assert np.isfinite(nothing).all()


@each
def test_mix_of_huge_numbers_is_finite(values: Values) -> None:
    raw = draw(values, 8, 3, scale=1e5)
    mixed = values.mix(f32([1e-30, 0.5, 0.5]), raw)
    assert np.isfinite(mixed).all()
    assert np.isfinite(values.mean(mixed))


@each
def test_loss_and_td_error_equal_the_loops(values: Values) -> None:
    rng = np.random.default_rng(9)
    raw_tm1, raw_t = draw(values, 10, 100), draw(values, 11, 100, scale=2)
    r, discount = f32(rng.normal(0, 2, 100)), f32(rng.choice([0, 0.5, 0.99], 100))
    loss, td = jax.jit(jax.vmap(values.loss))(raw_tm1, r, discount, raw_t)

    def one(a: Any, r: float, d: float, b: Any) -> tuple[float, float]:
        a, b = a.astype(np.float64), b.astype(np.float64)
        if values is KINDS["categorical"]:
            return distributions.categorical_loss(a, distributions.categorical_target(r, d, b, Z))
        error = r + d * b.mean() - a.mean()
        if values.outputs == 1:
            return (
                abs(error) - 0.5 if values is KINDS["huber"] and abs(error) > 1 else error**2 / 2
            ), error
        return distributions.quantile_loss(
            a, r + d * b, 0 if values is KINDS["plain"] else 1
        ), error

    want = np.array(
        [one(*row) for row in zip(raw_tm1, r.tolist(), discount.tolist(), raw_t, strict=True)]
    )
    np.testing.assert_allclose(loss, want[:, 0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(td, want[:, 1], rtol=1e-5, atol=1e-5)


@each
def test_no_gradient_flows_into_the_target(values: Values) -> None:
    args = jnp.float32(0.3), jnp.float32(0.9), jnp.asarray(draw(values, 12))
    for output in (0, 1):
        slopes = jax.grad(
            lambda *rest, o=output: values.loss(jnp.zeros(values.outputs), *rest)[o], (0, 1, 2)
        )(*args)
        assert not any(np.any(s) for s in slopes)
    assert np.any(slope(values, draw(values, 13), *args)), "while the prediction is moved"


@each
@pytest.mark.parametrize("bad", [*BAD, 3e38])
def test_discount_zero_is_the_reward_alone(values: Values, bad: float) -> None:
    raw, r, zero = draw(values, 14), f32(0.3), f32(0)
    spoilt = [np.full(values.outputs, bad, np.float32)]
    spoilt += [np.where(np.arange(values.outputs) == 0, f32(bad), f32(1.0))]
    clean = jax.value_and_grad(values.loss, has_aux=True)(
        jnp.asarray(raw), r, zero, jnp.zeros(values.outputs)
    )
    for raw_t in spoilt:
        found = jax.value_and_grad(values.loss, has_aux=True)(
            jnp.asarray(raw), r, zero, jnp.asarray(raw_t)
        )
        jax.tree.map(np.testing.assert_array_equal, found, clean)
        rest = jax.grad(lambda *rest: values.loss(jnp.asarray(raw), *rest)[0], (0, 1, 2))(
            r, zero, jnp.asarray(raw_t)
        )
        assert not any(np.any(s) for s in rest), "NaN would be any"
    assert np.isfinite(clean[1]).all()
    if values is KINDS["categorical"]:
        np.testing.assert_allclose(
            categorical_target(r, zero, jnp.asarray(raw)) @ Z, 0.3, rtol=1e-5
        )
    else:
        np.testing.assert_array_equal(
            values.loss(jnp.zeros(values.outputs), r, zero, jnp.asarray(raw))[1], f32(0.3)
        )


@each
@pytest.mark.parametrize("bad", BAD)
def test_a_broken_reward_or_value_is_seen_in_the_td_error(values: Values, bad: float) -> None:
    """The update masks and counts examples whose TD error is not finite: a broken input must give
    such an error, and not be hidden by clipping."""
    raw = jnp.zeros(values.outputs)
    assert not np.isfinite(values.loss(raw, f32(bad), f32(0.9), raw)[1])
    assert not np.isfinite(values.loss(raw, f32(bad), f32(0), raw)[1])
    if not (
        values is KINDS["categorical"] and bad == -np.inf
    ):  # a logit of minus infinity is a probability of 0
        assert not np.isfinite(values.loss(raw, f32(0), f32(0.9), raw.at[0].set(bad))[1])


@each
def test_a_small_step_against_the_gradient_lowers_the_loss(values: Values) -> None:
    raw_tm1, raw_t = draw(values, 15, 30), draw(values, 16, 30)
    rest = f32(np.random.default_rng(17).normal(size=30)), jnp.full(30, 0.9), raw_t
    before, _ = jax.vmap(values.loss)(raw_tm1, *rest)
    steps = jax.vmap(lambda *x: slope(values, *x))(raw_tm1, *rest)
    after, _ = jax.vmap(values.loss)(raw_tm1 - 0.01 * steps, *rest)
    assert (np.asarray(after) < np.asarray(before)).all()


@each
def test_the_prediction_that_is_its_own_target_has_no_td_error(values: Values) -> None:
    raw = jnp.asarray(draw(values, 18))
    loss, td = values.loss(raw, f32(0), f32(1), raw)
    assert abs(float(td)) < 1e-6
    if values is KINDS["categorical"]:
        np.testing.assert_allclose(slope(values, raw, f32(0), f32(1), raw), 0, atol=1e-6)
        np.testing.assert_allclose(
            loss, -(jax.nn.softmax(raw) * jax.nn.log_softmax(raw)).sum(), rtol=1e-5
        )


@each
def test_a_batch_is_refused(values: Values) -> None:
    raw, x = jnp.zeros((2, values.outputs)), jnp.zeros(2)
    with pytest.raises(AssertionError):
        values.loss(raw, x, x, raw)
    with pytest.raises(AssertionError):
        values.loss(raw[0], x, x, raw[0])
    with pytest.raises(AssertionError):
        values.mix(jnp.ones((2, 3)) / 3, jnp.zeros((2, 3, values.outputs)))


def test_categorical_point_mass_is_the_scalar_target() -> None:
    """With value and reward on the grid, the target is one atom, at the scalar TD target."""
    for v in (2, 4, 8):
        for r, discount in (
            (0.5, 1.0),
            (-1.0, 1.0),
            (1.5, 0.0),
            (0.0, 0.5),
            (9.0, 1.0),
            (-9.0, 0.0),
        ):
            raw_t = jnp.where(jnp.arange(ATOMS) == v, 0.0, -jnp.inf)
            y = np.clip(r + discount * Z[v], V_MIN, V_MAX)
            m = categorical_target(f32(r), f32(discount), raw_t)
            np.testing.assert_allclose(m @ Z, y, atol=1e-5)
            if y in Z:
                np.testing.assert_allclose(m, np.equal(Z, y), atol=1e-6)
                raw = jnp.arange(ATOMS) / 7
                loss, td = KINDS["categorical"].loss(raw, f32(r), f32(discount), raw_t)
                np.testing.assert_allclose(
                    [loss, td], -jax.nn.log_softmax(raw)[Z.index(y)], rtol=1e-5
                )


def test_categorical_priority_is_never_negative() -> None:
    values = KINDS["categorical"]
    raw = draw(values, 19, 300, scale=3)
    same, other = (
        jax.vmap(values.loss)(raw, jnp.zeros(300), jnp.ones(300), raw_t)[1]
        for raw_t in (raw, raw[::-1])
    )
    assert np.all(same >= 0)
    assert np.all(same < 1e-5)
    assert np.all(other >= 0)
    assert np.max(other) > 1


@pytest.mark.parametrize("given", [(0, 1.0), (5, -0.1), (5, np.nan), (5, np.inf)])
def test_quantile_refuses(given: tuple[int, float]) -> None:
    with pytest.raises(InputError, match=r"quantile values: (atoms|kappa)="):
        make_quantile(*given)


def test_categorical_refuses() -> None:
    with pytest.raises(InputError, match="v_min=1"):
        make_categorical(5, 1.0, 1.0)
