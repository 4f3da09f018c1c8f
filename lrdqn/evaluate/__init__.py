"""Evaluation: a fixed cohort of session starts (``cohort``), intervals over seeds, the blocks of a summary.

Only what needs no jax is handed on here, so that a report opens at once; take the cohort from ``lrdqn.evaluate.cohort``.
"""

from lrdqn.evaluate.statistics import Interval, bootstrap_mean, paired_difference
from lrdqn.evaluate.summary import LEARNED, summarise

__all__ = ["LEARNED", "Interval", "bootstrap_mean", "paired_difference", "summarise"]
