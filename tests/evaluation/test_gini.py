"""Lorenz curves and Gini coefficients against closed forms."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from lrdqn.evaluation.gini import gini, lorenz


def test_ends_and_known_values() -> None:
    np.testing.assert_allclose(lorenz(np.array([3.0, 1.0, 0.0])), [0, 0, 0.25, 1])
    assert gini(np.ones(50)) == pytest.approx(0, abs=1e-12)
    assert gini(np.eye(50)[0]) == pytest.approx(1 - 1 / 50)
    assert gini(np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(0.25)
    assert np.isnan(gini(np.zeros(3)))


def test_a_lognormal_has_its_closed_form() -> None:
    """``2 Phi(sigma / sqrt 2) - 1``; sigma 2.68 gives 0.942, the coefficient published for
    KuaiLive's gifts."""
    for sigma, digits in ((0.5, 1e-3), (1.22, 3e-3)):
        x = np.exp(sigma * np.random.default_rng(0).normal(size=1_000_000))
        assert gini(x) == pytest.approx(2 * NormalDist().cdf(sigma / np.sqrt(2)) - 1, abs=digits)
    assert 2 * NormalDist().cdf(2.68 / np.sqrt(2)) - 1 == pytest.approx(0.942, abs=1e-3)
