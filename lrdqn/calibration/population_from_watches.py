"""Fields of a population made of a log of watches, and what its card says of them."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lrdqn.calibration.factors import TOP, Factors, fit_factors, held_out, recall_at, unit_rows
from lrdqn.calibration.population_from_ratings import (
    affinity_moments,
    category_bias,
    normal_scores,
    shrunk_mean,
    standardised_popularity,
)
from lrdqn.logs.csv import Text
from lrdqn.logs.ratings import LIKED, RatingLog
from lrdqn.logs.watch_log import (
    CHINA,
    HOUR,
    WatchLog,
    first_meetings,
    loyalties,
    mean_hour,
    next_session,
    past,
)

if TYPE_CHECKING:
    from lrdqn.envs.live.population_arrays import Population

SKILL_PRIOR = 10.0
"""Watches at the average share liked that a streamer's is shrunk with."""
GIFT_PRIOR = 60.0
"""Viewer-minutes at the average spending that a viewer's is shrunk with."""
GROUPS, ANSWERS = 32, 8
"""Most categories and most answers of one question that are kept apart; the rest is `other`."""


class Fit(NamedTuple):
    """What a log says of a population."""

    log: WatchLog
    fields: dict[str, np.ndarray]
    """Fields of ``Population`` that come from the log."""
    how: dict[str, str]
    """How each of them came about, for the card."""
    facts: dict[str, Any]
    """Further lines of the card."""


class Directions(NamedTuple):
    """Vectors of streamers and users, with how well they and their rival predict."""

    style: Float[np.ndarray, "S d"]
    interest: Float[np.ndarray, "U d"]
    origin: str
    recall: dict[str, float | None]
    held_out_users: int


def directions(
    ratings: RatingLog, factors: int, seed: int, titles: Float[np.ndarray, "S D"] | None
) -> Directions:
    """Unit vectors of the factorisation, or of titles where these predict better whom users will
    like next.

    Both are judged by recall@20 as unit vectors, among the newest fifth of each user's first
    meetings. In the space of titles (principal components of the streamers' mean titles) a user
    stands at the mean of the streamers that they liked.
    """
    fit: Factors = fit_factors(ratings, factors, seed)
    recall: dict[str, float | None] = {
        "factors": fit.recall,
        "factors_as_unit_vectors": fit.cosine_recall,
        "popularity": fit.popularity_recall,
        "titles_as_unit_vectors": None,
    }
    chosen = Directions(
        unit_rows(fit.item),
        unit_rows(fit.user),
        "factors of co-watching",
        recall,
        fit.held_out_users,
    )
    if titles is None:
        return chosen
    style = unit_rows(principal(titles, factors))
    late = held_out(ratings)
    recall["titles_as_unit_vectors"], _ = recall_at(
        ratings, late, mean_liked(ratings, style, ~late), style
    )
    if recall["titles_as_unit_vectors"] <= fit.cosine_recall:
        return chosen
    everything = np.ones_like(late)
    return chosen._replace(
        style=style, interest=mean_liked(ratings, style, everything), origin="title embeddings"
    )


def principal(x: Float[np.ndarray, "S D"], components: int) -> Float[np.ndarray, "S d"]:
    """The first principal components; zeros where there are fewer. Rows of zeros (no title) stay
    so."""
    there = np.any(x != 0, axis=1)
    out = np.zeros((len(x), components), np.float32)
    if there.any():
        centred = x[there] - x[there].mean(axis=0)
        _, _, axes = np.linalg.svd(centred.T @ centred)
        kept = axes[:components]
        out[there, : len(kept)] = centred @ kept.T
    return out


def mean_liked(
    ratings: RatingLog, style: Float[np.ndarray, "S d"], keep: np.ndarray
) -> Float[np.ndarray, "U d"]:
    """Mean style of what a user liked, as unit vectors; who liked nothing gets the mean
    direction."""
    rows = keep & (ratings.rating >= LIKED)
    user, item = ratings.user[rows], ratings.item[rows]
    total = np.stack(
        [np.bincount(user, style[item, k], ratings.n_users) for k in range(style.shape[1])], axis=1
    )
    return unit_rows(total.astype(np.float32))


def watched_fields(
    log: WatchLog,
    category: Float[np.ndarray, "S G"],
    found: Directions,
    history: int,
    slots: int,
    followed: np.ndarray | None,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Fields that any log of watches gives, and how: vectors, popularity, skill, bias, hour,
    history and loyalties."""
    ratings = first_meetings(log)._replace(item_category=category)
    mean, scale = affinity_moments(found.interest, found.style)
    count = np.bincount(log.item, minlength=log.n_items)
    liked = log.liked.astype(np.float64)
    share = (np.bincount(log.item, liked, log.n_items) + SKILL_PRIOR * liked.mean()) / (
        count + SKILL_PRIOR
    )
    hour = mean_hour(log.user, (log.time + CHINA) / HOUR % 24, log.n_users)
    none = np.zeros(len(log.user), bool)
    real = {
        "style": found.style,
        "category": category,
        "log_popularity": standardised_popularity(ratings._replace(item=log.item, user=log.user)),
        "skill": normal_scores(share),
        "interest": found.interest,
        "category_bias": category_bias(ratings, shrunk_mean(ratings)),
        "active_hour": np.minimum(hour, np.nextafter(np.float32(24), np.float32(0))),
        "affinity_mean": mean,
        "affinity_scale": scale,
    }
    fields = {name: np.asarray(value, np.float32) for name, value in real.items()}
    fields.update(past(log, history))
    fields.update(
        loyalties(log, slots, next_session(log, hour), none if followed is None else followed)
    )
    how = {
        "style": f"{found.origin}, length 1",
        "interest": f"{found.origin}, length 1",
        "log_popularity": "log(1 + clicks), standardised to mean .670 and sd 1.792",
        "skill": (
            "normal score of the share of watches of 60 s or more "
            "or with a reaction, shrunk with 10 watches"
        ),
        "category_bias": (
            "liking of a category beyond what user and streamer "
            "predict, shrunk with 5 streamers, scaled to sd .5"
        ),
        "active_hour": "circular mean of the times of clicks, China Standard Time",
        "history": "streams clicked last, newest first",
        "history_watch": "seconds watched",
        "history_reaction": "reactions under way",
        "loyalty": "streamers by the loyalty law run over the log, strongest first",
        "loyalty_strength": "the same, after the last visit",
        "loyalty_hours": (
            "hours from the last visit to the user's next active hour, at least 1 and at most 336"
        ),
        "affinity_mean": "of interest . style over all pairs",
        "affinity_scale": "sd of the same",
    }
    if followed is not None:
        how["followed"] = "a follow in the log"
    else:
        fields.pop("followed")
    return fields, how


def wealth_of(
    spent: Float[np.ndarray, "U"],
    minutes: Float[np.ndarray, "U"],
    log_sd: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "U"]:
    """Wealth in the order of shrunk spending, with the tail of the law.

    Users are ranked by ``(spent + m k) / (minutes + k)``, m the mean price a minute, k = 60
    minutes, equal ones by chance. The user of rank i gets the (i + .5) / U quantile of LogNormal(0,
    log_sd), divided by the mean (SIMULATOR section 5): what one has given in three weeks orders
    people well, and says little of how much more the first gives than the second.
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


def frequent(text: Text, most: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes into the ``most - 1`` commonest values and `other`; empty ones are `unknown`."""
    names = [name.strip() or "unknown" for name in text.names]
    count: dict[str, int] = {}
    for name, n in zip(names, np.bincount(text.code, minlength=len(names)), strict=True):
        count[name] = count.get(name, 0) + int(n)
    ranked = sorted(count, key=lambda name: (-count[name], name))
    ranked = [name for name in ranked if count[name]] or ranked
    kept = ranked if len(ranked) <= most else [*ranked[: most - 1], "other"]
    place = {name: index for index, name in enumerate(kept)}
    return np.array([place.get(name, len(kept) - 1) for name in names], np.int64)[text.code], tuple(
        kept
    )


def shares(
    row: Int[np.ndarray, "n"], code: Int[np.ndarray, "n"], rows: int, columns: int
) -> Float[np.ndarray, "R C"]:
    """Share of each code among the entries of a row; equal shares where a row has none."""
    count = (
        np.bincount(row * columns + code, minlength=rows * columns)
        .reshape(rows, columns)
        .astype(np.float64)
    )
    total = count.sum(axis=1, keepdims=True)
    return np.where(total > 0, count / np.maximum(total, 1), 1 / columns).astype(np.float32)


def one_hot_answers(
    texts: Mapping[str, Text], row: Int[np.ndarray, "U"]
) -> tuple[Float[np.ndarray, "U P"], tuple[str, ...]]:
    """One-hot blocks of text columns, one per column, and the names of all answers; ``row`` -1 has
    none."""
    blocks, names = [], []
    for column, text in texts.items():
        code, known = frequent(text, ANSWERS)
        block = np.zeros((len(row), len(known)), np.float32)
        there = np.flatnonzero(row >= 0)
        block[there, code[row[there]]] = 1
        blocks.append(block)
        names += [f"{column}={name}" for name in known]
    return np.concatenate(blocks, axis=1), tuple(names)


def watched_card(fit: Fit, found: Directions | None, population: Population) -> dict[str, Any]:
    """What a population's ``card.json`` says of its origin: source, licence, counts, fit, what is
    real and what is not."""
    card: dict[str, Any] = {
        "source": fit.log.source,
        "licence": fit.log.licence,
        "users": len(population.wealth),
        "streamers": len(population.hook),
        **fit.facts,
    }
    if found is not None:
        measured = found.held_out_users > 0
        card["fit"] = {
            "factors": found.style.shape[1],
            "style": found.origin,
            "measure": (
                f"recall@{TOP} of liked ones among the newest fifth of "
                "those that each user met, fitted without them"
            ),
            "held_out_users": found.held_out_users,
            "recall": {
                k: round(v, 4) if measured and v is not None else None
                for k, v in found.recall.items()
            },
        }
    return card | {
        "real": fit.how,
        "drawn": [name for name in population._fields if name not in fit.how],
    }
