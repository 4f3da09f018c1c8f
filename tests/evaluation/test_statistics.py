"""Bootstrap intervals against SciPy, a binomial law, an exact enumeration, and NumPy means."""

import itertools

import numpy as np
import pytest
from scipy import stats

from lrdqn.config import InputError
from lrdqn.evaluation.statistics import bootstrap_mean, paired_difference

RNG = np.random.default_rng(7)
SKEWED = RNG.lognormal(1.0, 0.8, size=24)


def test_agrees_with_scipys_percentile_bootstrap():
    ours = bootstrap_mean(SKEWED, resamples=40_000, level=0.9)
    theirs = stats.bootstrap(
        (SKEWED,),
        np.mean,
        n_resamples=40_000,
        method="percentile",
        confidence_level=0.9,
        rng=np.random.default_rng(1),
    )
    # a 5 % quantile of 40,000 draws has a standard error of about 0.011 standard deviations of the
    # mean; 5 of them, twice
    tolerance = 0.08 * theirs.standard_error
    assert ours.mean == pytest.approx(SKEWED.mean(), rel=1e-12)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=tolerance)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=tolerance)


def test_zeros_and_ones_give_binomial_quantiles():
    # 8 ones of 20: a resampled mean is Binomial(20, 0.4) / 20, whose 2.5 % and 97.5 % quantiles are
    # 4 and 12
    values = np.array([1.0] * 8 + [0.0] * 12)
    assert bootstrap_mean(values, resamples=100_000) == (0.4, 4 / 20, 12 / 20)


def test_three_values_give_the_quantiles_of_all_27_resamples():
    values = np.array([0.0, 1.0, 10.0])
    every = np.sort([np.mean(draw) for draw in itertools.product(values, repeat=3)])
    # the 2nd to 4th smallest of 27 are all 1/3, and the 4th to 2nd largest all 7: quantiles well
    # inside these steps
    low, high = every[2], every[-3]
    assert (low, high) == (1 / 3, 7.0)
    interval = bootstrap_mean(values, resamples=50_000, level=1 - 2 * 2 / 27)
    assert interval == pytest.approx((11 / 3, 1 / 3, 7.0))


def test_pairs_are_resampled_together():
    # seeds differ by hundreds, the policies by exactly 2 on every seed: the difference is certain
    worlds = RNG.normal(0, 300, size=10)
    assert paired_difference(worlds + 2, worlds) == pytest.approx((2.0, 2.0, 2.0))
    a, b = RNG.normal(size=(2, 12)) + worlds[0]
    assert paired_difference(a, b, resamples=500, seed=3, level=0.8) == bootstrap_mean(
        a - b, 500, 3, 0.8
    )
    flipped = paired_difference(b, a, resamples=500, seed=3, level=0.8)
    assert flipped.mean == pytest.approx(np.mean(b - a))


def test_seed_fixes_the_resamples_and_the_level_widens_the_interval():
    assert bootstrap_mean(SKEWED, 300, seed=5) == bootstrap_mean(SKEWED, 300, seed=5)
    assert bootstrap_mean(SKEWED, 300, seed=5) != bootstrap_mean(SKEWED, 300, seed=6)
    narrow, wide = bootstrap_mean(SKEWED, 300, level=0.5), bootstrap_mean(SKEWED, 300, level=0.99)
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_one_seed_is_a_point_and_nan_is_not_left_out():
    assert bootstrap_mean(np.array([3.5])) == (3.5, 3.5, 3.5)
    assert all(np.isnan(bootstrap_mean(np.array([1.0, np.nan, 2.0]), 100)))


def test_float32_values_are_averaged_in_float64():
    values = np.array([1e8, 1.0, -1e8], np.float32)  # in float32 the sum loses the one
    assert bootstrap_mean(values, 100).mean == 1 / 3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bootstrap_mean(np.zeros(0)), r"shape \(0,\)"),
        (lambda: bootstrap_mean(np.zeros((2, 3))), r"shape \(2, 3\)"),
        (lambda: bootstrap_mean(np.zeros(2), resamples=0), "resamples=0"),
        (lambda: bootstrap_mean(np.zeros(2), level=1.0), "level=1.0"),
        (lambda: paired_difference(np.zeros(2), np.zeros(3)), r"\(2,\) and \(3,\)"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
