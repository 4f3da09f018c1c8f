"""Statistics of a log on the scales that the world's laws assume: popularity, skill, category bias,
wealth, affinity."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from lrdqn.logs.rating_log import RatingLog

POPULARITY_MEAN, POPULARITY_SD = 0.670, 1.792
"""Mean and sd of log popularity in the world's law (envs/live/README.md, section 2)."""
BIAS_SD = 0.5
"""Sd of the category bias in the world's law (envs/live/README.md, section 2)."""
ITEM_PRIOR, CATEGORY_PRIOR = 10.0, 5.0
"""Ratings at the mean that an item's mean is shrunk with, and ratings without deviation that a
user's category is shrunk with."""
GIFT_PRIOR = 60.0
"""Viewer-minutes at the average spending that a user's spending is shrunk with."""


def affinity_moments(
    interest: Float[np.ndarray, "U d"], style: Float[np.ndarray, "S d"]
) -> tuple[float, float]:
    """Return the mean and the sd of ``interest . style`` over all pairs:
    ``E[x . y] = E[x] . E[y]``, ``E[(x . y)^2] = tr(E[xx'] E[yy'])``."""
    x, y = interest.astype(np.float64), style.astype(np.float64)
    mean = float(x.mean(axis=0) @ y.mean(axis=0))
    square = float(np.sum((x.T @ x / len(x)) * (y.T @ y / len(y))))
    spread = np.sqrt(max(square - mean**2, 0.0))
    return mean, float(spread) if spread > 0 else 1.0


def shrunk_mean(log: RatingLog) -> Float[np.ndarray, "S"]:
    """Return the Bayesian mean rating of each item: ``(sum r + k m) / (n + k)``, m the mean of all
    ratings, k = ``ITEM_PRIOR``."""
    rating = log.rating.astype(np.float64)
    count = np.bincount(log.item, minlength=log.n_items)
    return (np.bincount(log.item, rating, log.n_items) + ITEM_PRIOR * rating.mean()) / (
        count + ITEM_PRIOR
    )


def normal_scores(x: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Return standard normal quantiles of the ranks of ``x``, scaled to mean 0 and sd 1; equal
    values share the middle of their ranks.

    The world's law assumes N(0, 1) for skill. Mean ratings are far from normal: most items have few
    ratings and lie at the average, so that dividing by the sd would put the best-known ones at 5 or
    more. All scores are 0 where all values are equal.
    """
    values, at, count = np.unique(x, return_inverse=True, return_counts=True)
    middle = (np.cumsum(count) - count / 2) / len(x)
    score = np.array([NormalDist().inv_cdf(float(p)) for p in middle])[at]
    return (score - score.mean()) / score.std() if len(values) > 1 else np.zeros(len(x))


def standardised_popularity(log: RatingLog) -> Float[np.ndarray, "S"]:
    """Return ``log(1 + n)`` of an item's n ratings, shifted and scaled to ``POPULARITY_MEAN`` and
    ``POPULARITY_SD``."""
    x = np.log1p(np.bincount(log.item, minlength=log.n_items))
    sd = x.std()
    return POPULARITY_MEAN + POPULARITY_SD * (x - x.mean()) / (sd if sd > 0 else 1.0)


def category_bias(log: RatingLog, quality: Float[np.ndarray, "S"]) -> Float[np.ndarray, "U G"]:
    """Return each user's deviation from the expected rating, by category, ``[U, G]``.

    ``b_ug = sum_i c_ig e_ui / (sum_i c_ig + k)`` with ``e_ui = r_ui - q_i - mean_u(r - q)``, the
    items' quality q and k = ``CATEGORY_PRIOR``, then scaled to an sd of ``BIAS_SD``. Quality is
    subtracted because the law has a term of its own for skill.
    """
    count = np.bincount(log.user, minlength=log.n_users)
    residual = log.rating - quality[log.item]
    residual = residual - (np.bincount(log.user, residual, log.n_users) / count)[log.user]
    bias = np.zeros((log.n_users, log.item_category.shape[1]))
    for column, category in enumerate(log.item_category.T):
        share = category[log.item].astype(np.float64)
        total = np.bincount(log.user, share, log.n_users) + CATEGORY_PRIOR
        bias[:, column] = np.bincount(log.user, share * residual, log.n_users) / total
    sd = bias.std()
    return bias * (BIAS_SD / sd) if sd > 0 else bias


def wealth_by_spending(
    spent: Float[np.ndarray, "U"],
    minutes: Float[np.ndarray, "U"],
    log_sd: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "U"]:
    """Return wealth in the order of shrunk spending, with the tail of the world's law.

    Users are ranked by ``(spent + m k) / (minutes + k)``, m the mean price per minute and k =
    ``GIFT_PRIOR``; ties are broken at random. The user of rank i gets the ``(i + 0.5) / U``
    quantile of LogNormal(0, log_sd), divided by the mean. Spending within a few weeks orders users
    well, but says little about the ratio between the first and the second.
    """
    average = spent.sum() / max(minutes.sum(), 1e-9)
    rate = (spent + average * GIFT_PRIOR) / (minutes + GIFT_PRIOR)
    order = np.lexsort((rng.random(len(rate)), rate))
    normal = NormalDist()
    quantiles = np.exp(
        log_sd * np.array([normal.inv_cdf((i + 0.5) / len(rate)) for i in range(len(rate))])
    )
    wealth = np.empty(len(rate))
    wealth[order] = quantiles / quantiles.mean()
    return wealth.astype(np.float32)
