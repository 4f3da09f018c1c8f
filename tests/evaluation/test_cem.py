"""The cross-entropy method on functions with a known maximum."""

from __future__ import annotations

import numpy as np

from lrdqn.evaluation.cem import cross_entropy


def test_it_finds_the_top_of_a_hill_through_noise() -> None:
    top, rng = np.array([1.5, -2.0, 0.5]), np.random.default_rng(1)

    def evaluate(points: np.ndarray) -> np.ndarray:
        return -((points - top) ** 2).sum(axis=1) + 0.05 * rng.normal(size=len(points))

    found = cross_entropy(
        evaluate, np.zeros(3), np.full(3, 2.0), np.random.default_rng(0), generations=15
    )
    np.testing.assert_allclose(found.weights, top, atol=0.25)
    assert len(found.best_by_generation) == 15
    assert found.best_by_generation[-1] > found.best_by_generation[0]


def test_the_present_mean_is_tried_again_and_the_search_repeats() -> None:
    seen = []

    def evaluate(points: np.ndarray) -> np.ndarray:
        seen.append(points)
        return -np.abs(points).sum(axis=1)

    found = [
        cross_entropy(evaluate, np.ones(2), np.ones(2), np.random.default_rng(3), 8, 2, 3).weights
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*found)
    np.testing.assert_array_equal(seen[0][0], [1, 1])
    np.testing.assert_allclose(
        seen[1][0], seen[0][np.argsort(np.abs(seen[0]).sum(1), kind="stable")[:2]].mean(0)
    )
