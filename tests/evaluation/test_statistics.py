"""Intervals over seeds against SciPy, an exact enumeration, and NumPy means."""

import itertools

import numpy as np
import pytest
from scipy import stats

from lrdqn.config import InputError
from lrdqn.evaluation.statistics import bootstrap_mean, paired_difference

RNG = np.random.default_rng(7)
SKEWED = RNG.lognormal(1.0, 0.8, size=24)


def student(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    found = stats.ttest_1samp(values, 0).confidence_interval(level)
    return float(found.low), float(found.high)


def test_symmetric_values_give_at_least_students_interval():
    values = np.array([-3.0, -1.0, 0.0, 1.0, 3.0, -2.0, 2.0, -0.5, 0.5])
    interval, (low, high) = bootstrap_mean(values), student(values)
    assert interval.low <= low * (1 - 1e-12)
    assert interval.high >= high * (1 - 1e-12)
    assert interval.high < 1.25 * high


def test_a_long_tail_widens_its_side():
    """The end on the short side is Student's, the one on the long side that of bootstrap-t, for
    which SciPy's studentised resampling stands here."""
    interval, (low, high) = bootstrap_mean(SKEWED, resamples=40_000), student(SKEWED)
    rng, n = np.random.default_rng(3), len(SKEWED)
    drawn = rng.choice(SKEWED, size=(40_000, n))
    t = (drawn.mean(1) - SKEWED.mean()) / stats.sem(drawn, axis=1)
    want = SKEWED.mean() - np.quantile(t, 0.025) * stats.sem(SKEWED)
    assert interval.low == pytest.approx(low, rel=1e-9)
    assert interval.high == pytest.approx(want, rel=0.02)
    assert interval.high > 1.05 * high


def test_two_values_give_students_interval():
    """Resamples of two values either repeat one, which says nothing, or have t* = 0."""
    assert bootstrap_mean(np.array([1.0, 2.0])) == pytest.approx((1.5, *student([1.0, 2.0])))


def test_three_values_give_the_quantiles_of_all_27_resamples():
    values = np.array([0.0, 1.0, 10.0])
    every = np.array(list(itertools.product(values, repeat=3)))
    every = every[np.ptp(every, axis=1) > 0]
    t = np.sort((every.mean(1) - values.mean()) / stats.sem(every, axis=1))
    level = 1 - 2 * 2 / 24
    # the 1st to 3rd smallest of the 24 are equal, and so are the 1st to 3rd largest
    assert t[0] == t[2]
    assert t[-1] == t[-3]
    error, (low, high) = stats.sem(values), student(values, level)
    interval = bootstrap_mean(values, resamples=50_000, level=level)
    want = min(low, values.mean() - t[-1] * error), max(high, values.mean() - t[0] * error)
    assert interval == pytest.approx((values.mean(), *want))
    assert interval.high > high + 1


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
