"""A population fitted to a rating log: fields that ratings give replace drawn ones, the rest stays
as it was drawn."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from lrdqn.calibration.factors import TOP, Factors, unit_rows
from lrdqn.calibration.scales import (
    affinity_moments,
    category_bias,
    normal_scores,
    shrunk_mean,
    standardised_popularity,
)
from lrdqn.logs.rating_history import history_fields, loyalty_fields
from lrdqn.logs.rating_log import RatingLog

if TYPE_CHECKING:
    from lrdqn.envs.live.population_arrays import Population

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
"""Fields of the population that come from the log, and their provenance for the card."""


def rated_population(
    log: RatingLog, factors: Factors, defaults: Population, history: int, tags: int
) -> Population:
    """Return ``defaults`` with the fields that a rating log gives; streamers stand for its items.

    The fields of ``REAL`` are replaced as described there. Hook, schedule habits, profile, wealth
    and active hours are not in ratings and keep their drawn values, and so do ``utility_mean`` and
    ``utility_scale``, which depend on them.

    Args:
        log: the ratings.
        factors: vectors fitted to it.
        defaults: a drawn population with U = ``log.n_users``, S = ``log.n_items`` and L loyalty
            slots.
        history: H, ratings remembered of each user.
        tags: T, tag columns; those beyond the log's distinct tags are 0.

    Returns:
        The population (float32, int32, bool).

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
        **history_fields(log, history),
        **loyalty_fields(log, defaults.loyalty.shape[1]),
    )


def population_card(log: RatingLog, factors: Factors, population: Population) -> dict[str, Any]:
    """Return the ``card.json`` of a population: source, licence, counts, recall of the vectors, the
    fields that come from the log and how, and the fields left as drawn."""
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


def top_tags(log: RatingLog, tags: int) -> list[str]:
    """Return the ``tags`` tags given by most users, ties by the number of uses, then by the
    alphabet.

    Users count first because a tag that one user gives to a hundred items is a private note and
    says nothing to others.
    """
    uses = Counter(tag for _, tag, _ in log.item_tags)
    users = Counter(tag for tag, _ in {(tag, who) for _, tag, who in log.item_tags})
    return sorted(uses, key=lambda tag: (-users[tag], -uses[tag], tag))[:tags]


def tag_columns(log: RatingLog, names: list[str], tags: int) -> Float[np.ndarray, "S T"]:
    """Return 1 where some user gave the item the tag, else 0."""
    column = {tag: index for index, tag in enumerate(names)}
    there = np.zeros((log.n_items, tags), np.float32)
    for item, tag, _ in log.item_tags:
        if tag in column:
            there[item, column[tag]] = 1
    return there
