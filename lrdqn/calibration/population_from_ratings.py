"""A population made of a rating log: what ratings tell is taken from them, the rest is left as it
was drawn."""

from __future__ import annotations

from collections import Counter
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from lrdqn.calibration.factors import TOP, Factors, unit_rows
from lrdqn.logs.ratings import RatingLog
from lrdqn.logs.visits import loyalties, past

if TYPE_CHECKING:
    from lrdqn.envs.live.population_arrays import Population

POPULARITY_MEAN, POPULARITY_SD = 0.670, 1.792
"""Mean and sd of log popularity that the world's law assumes (SIMULATOR section 7)."""
BIAS_SD = 0.5
"""Sd of the category bias that the world's law assumes (SIMULATOR section 0, set J)."""
ITEM_PRIOR, CATEGORY_PRIOR = 10.0, 5.0
"""Ratings at the average that an item's mean, and ratings at no deviation that a user's category,
is shrunk with."""
REAL = {
    "style": "item vectors of the fit, length 1",
    "category": "genres, rows sum to 1",
    "tags": "the tags that most people gave, 0/1",
    "log_popularity": "log(1 + ratings), standardised to mean .670 and sd 1.792",
    "skill": "normal score of the mean rating, shrunk with 10 ratings at the average",
    "history": "movies rated last, newest first",
    "history_watch": "seconds from stars: 4 at most 2.5, 216 at 4, 903 at 5, log-linear between",
    "history_reaction": "a like for 4 stars or more",
    "interactions": "ratings",
    "interest": "user vectors of the fit, length 1",
    "category_bias": (
        "mean rating of a genre beyond what user and movie "
        "predict, shrunk with 5 ratings, scaled to sd .5"
    ),
    "loyalty": "movies of 4 stars or more, best first, then newest",
    "loyalty_strength": "from stars: .3 at 4, .51 at 4.5, .657 at 5",
    "loyalty_hours": "hours before the user's last rating, at least 1 and at most 336",
    "followed": "4.5 stars or more",
    "affinity_mean": "of interest . style over all pairs",
    "affinity_scale": "sd of the same",
}
"""Fields of a rated population that come from the log, and how."""


def rated_population(
    log: RatingLog, factors: Factors, defaults: Population, history: int, tags: int
) -> Population:
    """Put what a rating log tells into a population; users are its users, streamers its items.

    Replaces the fields of ``REAL`` as described there. Hook, schedule habits, profile, wealth and
    active hours are not in ratings and stay as ``defaults`` has them, and so do ``utility_mean``
    and ``utility_scale``, which depend on them.

    Args:
        log: the ratings.
        factors: vectors fitted to it.
        defaults: a population with U = ``log.n_users``, S = ``log.n_items`` and L loyalty slots.
        history: H, ratings remembered of each user.
        tags: T, tag columns; those beyond the log's different tags stay 0.

    Returns:
        ``defaults`` with those fields replaced (float32, int32, bool).

    Raises:
        ValueError: ``defaults`` or ``factors`` has other numbers of users or streamers than the
            log.
    """
    for name, have, want in (
        ("users of defaults", len(defaults.wealth), log.n_users),
        ("streamers of defaults", len(defaults.hook), log.n_items),
        ("users of factors", len(factors.user), log.n_users),
        ("items of factors", len(factors.item), log.n_items),
    ):
        if have != want:
            raise ValueError(f"{name}: {have}, but the log has {want}")
    style, interest = unit_rows(factors.item), unit_rows(factors.user)
    mean, scale = affinity_moments(interest, style)
    quality = shrunk_mean(log)
    real = {
        "style": style,
        "category": log.item_category,
        "tags": tag_columns(log, top_tags(log, tags), tags),
        "log_popularity": standardised_popularity(log),
        "skill": normal_scores(quality),
        "interest": interest,
        "category_bias": category_bias(log, quality),
        "affinity_mean": np.float32(mean),
        "affinity_scale": np.float32(scale),
    }
    real = {name: np.asarray(value, np.float32) for name, value in real.items()}
    count = np.bincount(log.user, minlength=log.n_users).astype(np.int32)
    return defaults._replace(
        **real,
        interactions=count,
        **past(log, history),
        **loyalties(log, defaults.loyalty.shape[1]),
    )


def population_card(log: RatingLog, factors: Factors, population: Population) -> dict[str, Any]:
    """What a population's ``card.json`` says of its origin: source, licence, counts, fit, what is
    real and what is not."""
    measured = factors.held_out_users > 0
    return {
        "source": log.source,
        "licence": log.licence,
        "users": log.n_users,
        "streamers": log.n_items,
        "ratings": len(log.rating),
        "items_without_ratings_dropped": log.dropped_items,
        "categories": list(log.category_names),
        "tags": top_tags(log, population.tags.shape[1]),
        "streamers_with_a_tag": int(population.tags.any(axis=1).sum()),
        "fit": {
            "factors": factors.item.shape[1],
            "measure": (
                f"recall@{TOP} of liked ratings among the newest fifth "
                "of each user's ratings, fitted without them"
            ),
            "held_out_users": factors.held_out_users,
            "recall": round(factors.recall, 4) if measured else None,
            "recall_of_unit_vectors": round(factors.cosine_recall, 4) if measured else None,
            "recall_of_popularity": round(factors.popularity_recall, 4) if measured else None,
            "beats_popularity": factors.recall > factors.popularity_recall if measured else None,
            "unit_vectors_beat_popularity": factors.cosine_recall > factors.popularity_recall
            if measured
            else None,
        },
        "real": REAL,
        "defaults": [name for name in population._fields if name not in REAL],
    }


def affinity_moments(
    interest: Float[np.ndarray, "U d"], style: Float[np.ndarray, "S d"]
) -> tuple[float, float]:
    """Mean and sd of ``interest . style`` over all pairs: ``E[x . y] = E[x] . E[y]``,
    ``E[(x . y)^2] = tr(E[xx'] E[yy'])``."""
    x, y = interest.astype(np.float64), style.astype(np.float64)
    mean = float(x.mean(axis=0) @ y.mean(axis=0))
    square = float(np.sum((x.T @ x / len(x)) * (y.T @ y / len(y))))
    spread = np.sqrt(max(square - mean**2, 0.0))
    return mean, float(spread) if spread > 0 else 1.0


def shrunk_mean(log: RatingLog) -> Float[np.ndarray, "S"]:
    """Bayesian mean rating of an item: ``(sum r + k m) / (n + k)``, m the mean of all ratings, k =
    10."""
    rating = log.rating.astype(np.float64)
    count = np.bincount(log.item, minlength=log.n_items)
    return (np.bincount(log.item, rating, log.n_items) + ITEM_PRIOR * rating.mean()) / (
        count + ITEM_PRIOR
    )


def normal_scores(x: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Standard normal quantiles of the ranks of ``x``, equal values sharing the middle of theirs,
    scaled to mean 0 and sd 1.

    The law takes skill to be N(0, 1). Means of ratings are far from it: most items have few ratings
    and stand at the average, so that dividing by the sd would put the best-known ones at 5 or more.
    All 0 where all values are equal.
    """
    values, at, count = np.unique(x, return_inverse=True, return_counts=True)
    middle = (np.cumsum(count) - count / 2) / len(x)
    score = np.array([NormalDist().inv_cdf(float(p)) for p in middle])[at]
    return (score - score.mean()) / score.std() if len(values) > 1 else np.zeros(len(x))


def standardised_popularity(log: RatingLog) -> Float[np.ndarray, "S"]:
    """``log(1 + n)`` of an item's n ratings, shifted and scaled to the mean .670 and the sd 1.792
    that the law assumes."""
    x = np.log1p(np.bincount(log.item, minlength=log.n_items))
    sd = x.std()
    return POPULARITY_MEAN + POPULARITY_SD * (x - x.mean()) / (sd if sd > 0 else 1.0)


def category_bias(log: RatingLog, quality: Float[np.ndarray, "S"]) -> Float[np.ndarray, "U G"]:
    """What a user adds to or takes off the rating of a category.

    ``b_ug = sum_i c_ig e_ui / (sum_i c_ig + 5)`` with ``e_ui = r_ui - q_i - mean_u(r - q)`` and the
    items' quality q, then scaled to sd .5. Quality is taken out because the law counts skill apart.
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


def top_tags(log: RatingLog, tags: int) -> list[str]:
    """The ``tags`` tags given by most people, then most often, then by the alphabet.

    People come first because a tag that one person gives to a hundred items is a note to self, and
    tells others nothing.
    """
    uses = Counter(tag for _, tag, _ in log.item_tags)
    people = Counter(tag for tag, _ in {(tag, who) for _, tag, who in log.item_tags})
    return sorted(uses, key=lambda tag: (-people[tag], -uses[tag], tag))[:tags]


def tag_columns(log: RatingLog, names: list[str], tags: int) -> Float[np.ndarray, "S T"]:
    """1 where someone gave the item the tag."""
    column = {tag: index for index, tag in enumerate(names)}
    there = np.zeros((log.n_items, tags), np.float32)
    for item, tag, _ in log.item_tags:
        if tag in column:
            there[item, column[tag]] = 1
    return there
