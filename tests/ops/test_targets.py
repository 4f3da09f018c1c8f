"""Target rules against the definition in loops, a worked trajectory, and the promises about masks and discount 0."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles.targets import TWINS

from lrdqn.ops.masking import MASKED, masked
from lrdqn.ops.targets import TARGETS

RULES = sorted(TARGETS)


def batch(rule: str) -> jax.stages.Wrapped:
    return jax.jit(jax.vmap(TARGETS[rule]))


@pytest.mark.parametrize(("rule", "row"), [("max", "dqn"), ("double", "double_dqn")])
def test_worked_trajectory(rule: str, row: str, shared_dir: Path) -> None:
    """Termination and truncation reach the rule as a discount of 0 and as the final observation's values."""
    oracle = json.loads((shared_dir / "data" / "oracles" / "targets.json").read_text())
    given = oracle["inputs"]
    q_online, q_target = np.array(given["Q"][1:], np.float32), np.array(given["Q_target"][1:], np.float32)
    q_online[given["truncated_step"]] = given["final_obs_Q"]
    q_target[given["truncated_step"]] = given["final_obs_Q_target"]
    discount = np.full(8, given["gamma"], np.float32)
    discount[given["terminal_step"]] = 0
    y = batch(rule)(np.array(given["r"], np.float32), discount, q_online, q_target, np.ones((8, 3), bool))
    np.testing.assert_allclose(y, oracle[row], rtol=0, atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_equals_the_definition(rule: str) -> None:
    rng = np.random.default_rng(0)
    n, actions = 500, 7
    # Integers, so that ties are frequent.
    q_online, q_target = (rng.integers(-3, 4, (n, actions)).astype(np.float32) for _ in range(2))
    mask = rng.random((n, actions)) < 0.5
    mask[:20] = False
    r = rng.normal(size=n).astype(np.float32)
    discount = rng.choice(np.array([0, 0.5, 0.99], np.float32), n)
    twin = [TWINS[rule](*row) for row in zip(r, discount, q_online, q_target, mask, strict=True)]
    np.testing.assert_allclose(batch(rule)(r, discount, q_online, q_target, mask), twin, rtol=1e-6, atol=1e-6)


def test_double_with_one_network_is_max() -> None:
    rng = np.random.default_rng(1)
    q = rng.normal(size=(100, 5)).astype(np.float32)
    mask = rng.random((100, 5)) < 0.6
    rest = rng.normal(size=100).astype(np.float32), np.full(100, 0.9, np.float32)
    np.testing.assert_array_equal(batch("max")(*rest, q, q, mask), batch("double")(*rest, q, q, mask))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("value", [1.0, 3e38, -3e38, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("offered", [True, False])
def test_discount_zero_is_the_reward_alone(rule: str, value: float, offered: bool) -> None:
    q = jnp.full(4, value, jnp.float32)
    y = jax.jit(TARGETS[rule])(jnp.float32(0.3), jnp.float32(0), q, q, jnp.full(4, offered))
    assert y == jnp.float32(0.3)


@pytest.mark.parametrize("rule", RULES)
def test_nothing_on_offer_is_the_reward_alone(rule: str) -> None:
    q = jnp.arange(4.0)
    assert jax.jit(TARGETS[rule])(jnp.float32(0.3), jnp.float32(0.9), q, q, jnp.zeros(4, bool)) == jnp.float32(0.3)


@pytest.mark.parametrize("rule", RULES)
def test_masked_actions_cannot_be_seen(rule: str) -> None:
    """Whatever stands at an action that is not on offer, the target is the same."""
    mask = jnp.array([True, False, True, False])
    q = jnp.array([1.0, 0.0, 2.0, 0.0])
    clean = TARGETS[rule](jnp.float32(1), jnp.float32(0.5), q, q, mask)
    assert clean == 2.0
    for value in (1e9, -1e9, np.nan, np.inf):
        spoilt = jnp.where(mask, q, value)
        assert TARGETS[rule](jnp.float32(1), jnp.float32(0.5), spoilt, spoilt, mask) == clean


@pytest.mark.parametrize("rule", RULES)
def test_no_gradient_flows_through_a_target(rule: str) -> None:
    args = jnp.float32(1), jnp.float32(0.9), jnp.arange(3.0), jnp.arange(3.0), jnp.ones(3, bool)
    for position, grad in enumerate(jax.grad(TARGETS[rule], argnums=(0, 1, 2, 3))(*args)):
        np.testing.assert_array_equal(grad, np.zeros_like(args[position]))


@pytest.mark.parametrize("rule", RULES)
def test_a_batch_is_refused(rule: str) -> None:
    """The (B,) against (B, 1) mistake cannot happen: rules take one example."""
    q = jnp.zeros((2, 3))
    with pytest.raises(AssertionError, match="rank"):
        TARGETS[rule](jnp.zeros(2), jnp.zeros(2), q, q, jnp.ones((2, 3), bool))


def test_masked_keeps_what_is_offered_above_what_is_not() -> None:
    q = jnp.array([-jnp.inf, MASKED, 5.0, -1.0])
    out = masked(q, jnp.array([False, True, False, True]))
    assert np.all(np.isfinite(out))
    np.testing.assert_array_equal(out, np.array([MASKED, MASKED / 2, MASKED, -1.0], np.float32))
