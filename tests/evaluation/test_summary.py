"""Blocks of ``summary.json`` from per-seed values."""

import numpy as np
import pytest

from lrdqn.config import InputError
from lrdqn.evaluation.statistics import bootstrap_mean, paired_difference
from lrdqn.evaluation.summary import summarise

LEARNED = {
    "return": np.array([5.0, 7.0, 9.0], np.float32),
    "clicks": np.array([1.0, 2.0, 3.0]),
    "censored": np.zeros(3),
}
RANDOM = {
    "return": np.array([4.0, 4.0, 4.0], np.float32),
    "clicks": np.array([2.0, 2.0, 2.0]),
    "censored": np.ones(3),
}


def test_blocks_hold_interval_and_every_seed():
    policies, differences = summarise({"random": RANDOM, "learned": LEARNED}, resamples=400)
    assert list(policies) == ["random", "learned"]
    assert list(policies["learned"]) == [
        "return",
        "clicks",
    ]  # the censored share qualifies the results and is not one
    interval = bootstrap_mean(np.array([5.0, 7.0, 9.0]), 400)
    assert policies["learned"]["return"] == {
        "mean": 7.0,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "per_seed": [5.0, 7.0, 9.0],
    }
    assert list(differences) == ["random"]
    paired = paired_difference(LEARNED["clicks"], RANDOM["clicks"], 400)
    assert differences["random"]["clicks"] == {
        "mean": 0.0,
        "ci_low": paired.low,
        "ci_high": paired.high,
        "per_seed": [-1.0, 0.0, 1.0],
    }


def test_another_reference():
    _, differences = summarise(
        {"random": RANDOM, "learned": LEARNED}, reference="random", resamples=100
    )
    assert list(differences) == ["learned"]
    assert differences["learned"]["return"]["mean"] == -3.0


def test_missing_reference_metric_or_seed_is_named():
    with pytest.raises(InputError, match="policy learned: has no values; there are random"):
        summarise({"random": RANDOM})
    with pytest.raises(
        InputError, match=r"policy random: has metrics return; must be return, clicks"
    ):
        summarise({"learned": LEARNED, "random": {"return": RANDOM["return"]}})
    with pytest.raises(InputError, match=r"pairs of shapes \(3,\) and \(2,\)"):
        summarise({"learned": {"return": np.zeros(3)}, "random": {"return": np.zeros(2)}})
