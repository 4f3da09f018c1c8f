"""Coverage of the 95 % intervals over few seeds, by simulation."""

import numpy as np
import pytest

from lrdqn.evaluation.statistics import bootstrap_mean, paired_difference

LAWS = {
    "normal": (lambda rng, n: rng.normal(3.0, 2.0, n), 3.0),
    "skewed": (lambda rng, n: rng.gamma(4.0, 1.0, n), 4.0),
    "skewed to the left": (lambda rng, n: -rng.gamma(4.0, 1.0, n), -4.0),
}
SAMPLES = 3000
"""The standard error of a coverage of 0.95 is 0.004."""


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize("law", LAWS)
def test_intervals_of_95_percent_cover_the_mean_in_94_of_100_samples(law: str, n: int) -> None:
    draw, mean = LAWS[law]
    rng, hits = np.random.default_rng(0), 0
    for _ in range(SAMPLES):
        interval = bootstrap_mean(draw(rng, n), resamples=1000)
        hits += interval.low < mean < interval.high
    assert hits / SAMPLES >= 0.94


@pytest.mark.slow
def test_so_do_those_of_differences() -> None:
    rng, hits = np.random.default_rng(1), 0
    for _ in range(SAMPLES):
        shared = rng.normal(0, 50, 10)
        a, b = shared + rng.normal(1, 1, 10), shared + rng.normal(0, 1, 10)
        interval = paired_difference(a, b, resamples=1000)
        hits += interval.low < 1 < interval.high
    assert 0.94 <= hits / SAMPLES <= 0.985


@pytest.mark.parametrize("n", [5, 10, 20])
def test_a_few_hundred_samples_are_covered(n: int) -> None:
    """The same, coarsely: the percentile bootstrap covers 0.85 to 0.92 here."""
    rng = np.random.default_rng(2)
    found = [bootstrap_mean(rng.normal(size=n), resamples=300) for _ in range(600)]
    assert np.mean([x.low < 0 < x.high for x in found]) >= 0.935
