"""Policies that targets assume, against closed forms, and their treatment of masks."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.ops.masking import MASKED, masked
from lrdqn.ops.policies import (
    discount_where_offered,
    epsilon_greedy_policy,
    log_softmax_policy,
    munchausen_bonus,
    policy_entropy,
)

Q = jnp.array([1.0, 3.0, 2.0, 9.0])
MASK = jnp.array([True, True, True, False])


def test_epsilon_greedy_by_hand() -> None:
    policy = epsilon_greedy_policy(Q, MASK, jnp.float32(0.3))
    np.testing.assert_allclose(policy, [0.1, 0.8, 0.1, 0.0], rtol=1e-6)


def test_softmax_by_hand() -> None:
    log_policy = log_softmax_policy(Q, MASK, jnp.float32(0.5))
    weights = np.exp([2.0, 6.0, 4.0])
    np.testing.assert_allclose(np.exp(log_policy[:3]), weights / weights.sum(), rtol=1e-6)
    p = weights / weights.sum()
    np.testing.assert_allclose(policy_entropy(log_policy, MASK), -(p * np.log(p)).sum(), rtol=1e-5)


def test_cold_softmax_is_greedy_and_finite() -> None:
    log_policy = log_softmax_policy(1e6 * Q, MASK, jnp.float32(1e-6))
    assert np.isfinite(np.asarray(log_policy)).all()
    np.testing.assert_array_equal(np.exp(log_policy)[:3], [0, 1, 0])


def test_ties_share_the_soft_policy_and_entropy_is_its_log() -> None:
    q, mask = jnp.zeros(5), jnp.array([True, True, False, True, True])
    log_policy = log_softmax_policy(q, mask, jnp.float32(0.03))
    assert policy_entropy(log_policy, mask) == pytest.approx(np.log(4))


def test_nothing_on_offer_is_finite() -> None:
    none = jnp.zeros(4, bool)
    assert not np.asarray(epsilon_greedy_policy(Q, none, jnp.float32(0.1))).any()
    assert not np.asarray(log_softmax_policy(Q, none, jnp.float32(0.1))).any()
    assert discount_where_offered(jnp.float32(0.9), none) == 0
    assert discount_where_offered(jnp.float32(0.9), MASK) == jnp.float32(0.9)


def test_munchausen_bonus_by_hand() -> None:
    args = jnp.float32(0.9), jnp.float32(0.03)
    assert munchausen_bonus(jnp.float32(-2.0), *args, -1.0) == pytest.approx(0.9 * 0.03 * -2.0)
    assert munchausen_bonus(jnp.float32(-200.0), *args, -1.0) == pytest.approx(-0.9)


def test_a_batch_is_refused() -> None:
    """Policies take one example, so that (B,) against (B, 1) cannot be broadcast by mistake."""
    q = jnp.zeros((2, 3))
    with pytest.raises(AssertionError, match="rank"):
        epsilon_greedy_policy(q, jnp.ones((2, 3), bool), jnp.float32(0.1))
    with pytest.raises(AssertionError, match="rank"):
        log_softmax_policy(q, jnp.ones((2, 3), bool), jnp.float32(0.1))


def test_masked_keeps_what_is_offered_above_what_is_not() -> None:
    q = jnp.array([-jnp.inf, MASKED, 5.0, -1.0])
    out = masked(q, jnp.array([False, True, False, True]))
    assert np.all(np.isfinite(out))
    np.testing.assert_array_equal(out, np.array([MASKED, MASKED / 2, MASKED, -1.0], np.float32))


def test_policies_sum_to_one() -> None:
    rng = np.random.default_rng(0)
    q, mask = (
        jnp.asarray(rng.normal(size=(200, 6)), jnp.float32),
        jnp.asarray(rng.random((200, 6)) < 0.5),
    )
    offered = np.asarray(mask).any(1)
    greedy = jax.vmap(epsilon_greedy_policy, in_axes=(0, 0, None))(q, mask, jnp.float32(0.2))
    soft = jnp.where(
        mask,
        jnp.exp(jax.vmap(log_softmax_policy, in_axes=(0, 0, None))(q, mask, jnp.float32(0.2))),
        0.0,
    )
    for policy in (greedy, soft):
        np.testing.assert_allclose(np.asarray(policy).sum(1), offered.astype(float), rtol=1e-5)
        assert not np.asarray(policy)[~np.asarray(mask)].any()
