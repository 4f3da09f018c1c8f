"""Scales of population fields: moments of affinity, normal scores, the tail of wealth."""

from __future__ import annotations

import numpy as np
import pytest

from lrdqn.calibration.scales import affinity_moments, normal_scores, wealth_by_spending


def test_affinity_moments_are_those_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(31, 5)) + 0.3, rng.normal(size=(17, 5)) + 0.2
    product = x @ y.T
    assert affinity_moments(x, y) == (pytest.approx(product.mean()), pytest.approx(product.std()))
    assert affinity_moments(np.ones((3, 1)), np.ones((2, 1))) == (1.0, 1.0)


def test_normal_scores() -> None:
    rng = np.random.default_rng(0)
    x = rng.exponential(size=4000)
    score = normal_scores(x)
    assert (score.mean(), score.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    assert np.array_equal(np.argsort(score), np.argsort(x))
    assert np.quantile(score, [0.1587, 0.9772]) == pytest.approx([-1, 2], abs=0.02)
    tied = normal_scores(np.array([1.0, 1.0, 2.0, 2.0]))
    np.testing.assert_allclose(tied, [-1, -1, 1, 1])
    np.testing.assert_array_equal(normal_scores(np.ones(3)), np.zeros(3))


def test_wealth_follows_spending_and_keeps_the_tail() -> None:
    rng = np.random.default_rng(0)
    spent, minutes = np.array([0.0, 10.0, 1000.0, 0.0]), np.array([60.0, 60.0, 60.0, 6000.0])
    wealth = wealth_by_spending(spent, minutes, 2.68, rng)
    assert np.argsort(wealth).tolist() == [3, 0, 1, 2]
    assert wealth.mean() == pytest.approx(1, rel=1e-6)
    many = wealth_by_spending(np.zeros(2000), np.ones(2000), 2.68, rng)
    assert np.log(many).std() == pytest.approx(2.68, rel=0.01)
    assert np.corrcoef(np.argsort(many), np.arange(2000))[0, 1] < 0.1, "equal ones are in no order"
