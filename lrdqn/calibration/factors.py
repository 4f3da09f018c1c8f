"""User and item vectors of a rating log by weighted matrix factorisation, and their recall on
held-out ratings."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lrdqn.config import InputError
from lrdqn.logs.rating_log import LIKED, RatingLog, oldest_first, place_in_group

HELD_OUT = 0.2
"""Share of each user's ratings, the newest ones, that recall is measured on."""
TOP = 20
"""Length of the recommended list."""
CONFIDENCE, UNLIKED, REGULARISATION, ITERATIONS = 20.0, 0.2, 0.1, 15
"""Weight of a liked rating, the fraction of it that an unliked rating has, ridge, sweeps. Chosen on
MovieLens latest-small (2016) by ``cosine_recall`` on the second-newest fifth, with the newest fifth
left out altogether. Bayesian personalised ranking was worse."""
BLOCK = 1024
"""Users whose scores are in memory at a time."""


class Factors(NamedTuple):
    """User and item vectors, whose inner product ranks items for a user, and their recall."""

    user: Float[np.ndarray, "U d"]
    item: Float[np.ndarray, "S d"]
    recall: float
    """recall@20 of ``user . item`` on held-out ratings."""
    cosine_recall: float
    """recall@20 of the vectors scaled to length 1, as a population keeps them."""
    popularity_recall: float
    """recall@20 of the items liked most often."""
    held_out_users: int
    """Users with a liked held-out rating, over whom recall is averaged; with 0 of them, no recall
    was measured."""


def unit_rows(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Return the rows scaled to length 1. A row of zeros gets the mean direction of the others."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    rows = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    mean = rows.mean(axis=0)
    size = np.linalg.norm(mean)
    fallback = mean / size if size > 0 else np.eye(1, x.shape[1], dtype=x.dtype)[0]
    return np.where(length > 0, rows, fallback)


def check_factors(source: str, users: int, items: int, factors: int) -> None:
    """Raise ``InputError`` unless vectors of length ``factors`` can be fitted to this many users
    and items."""
    largest = min(users, items)
    if largest < 2:
        raise InputError(
            f"source={source}: the log leaves {users} users and {items} items; "
            "must have at least 2 of each to fit vectors"
        )
    if not 1 <= factors <= largest:
        raise InputError(
            f"factors={factors}: must lie in [2, {largest}], as {source} "
            f"has {users} users and {items} items"
        )


def fit_factors(log: RatingLog, factors: int, seed: int) -> Factors:
    """Factorise the log by alternating least squares on implicit feedback, and measure recall on
    held-out ratings.

    ``min sum_ui c_ui (p_ui - x_u . y_i)^2 + lambda (|x|^2 + |y|^2)``, p = 1 for rated pairs and 0
    for others; c = 1 for pairs without a rating, ``CONFIDENCE`` for liked ones and a fraction
    ``UNLIKED`` of it for the other rated ones, because a user who rates a movie low has still
    chosen to see it.

    Recall is measured on vectors fitted to the oldest ratings of each user: they predict the liked
    ones among the newest (``HELD_OUT``), out of all items that the user has not rated before. The
    returned vectors are fitted to the whole log.

    Args:
        log: the ratings.
        factors: d, length of the vectors; at most the number of users and of items.
        seed: of the random start. The same seed gives the same vectors for any number of threads.

    Raises:
        InputError: the library ``implicit`` is not installed, or ``factors`` does not fit the log.

    Source: Hu, Koren and Volinsky 2008, Collaborative Filtering for Implicit Feedback Datasets,
    eq. 3; library ``implicit``.
    """
    check_factors(log.source, log.n_users, log.n_items, factors)
    late = held_out(log)
    user, item = _least_squares(log, ~late, factors, seed)
    liked = np.bincount(log.item[~late & (log.rating >= LIKED)], minlength=log.n_items).astype(
        np.float32
    )
    recall, users = recall_at(log, late, user, item)
    cosine_recall, _ = recall_at(log, late, unit_rows(user), unit_rows(item))
    popularity_recall, _ = recall_at(
        log, late, np.ones((log.n_users, 1), np.float32), liked[:, None]
    )
    user, item = _least_squares(log, np.ones_like(late), factors, seed)
    return Factors(user, item, recall, cosine_recall, popularity_recall, users)


def held_out(log: RatingLog) -> Bool[np.ndarray, "n"]:
    """Return true for events among the newest fifth of their user; no event of a user with fewer
    than five."""
    order = oldest_first(log)
    place = place_in_group(log.user[order])
    count = np.bincount(log.user, minlength=log.n_users)[log.user[order]]
    late = np.zeros(len(order), bool)
    late[order] = place >= count - np.floor(HELD_OUT * count + 1e-9)
    return late


def recall_at(
    log: RatingLog,
    late: Bool[np.ndarray, "n"],
    user: Float[np.ndarray, "U d"],
    item: Float[np.ndarray, "S d"],
    k: int = TOP,
) -> tuple[float, int]:
    """Return recall@k, ``mean_u |top k of u and liked late items of u| / |liked late items of u|``.

    Items that the user rated before the split are neither recommended nor counted as liked late
    ones.

    Args:
        log: the ratings.
        late: events to predict.
        user: vectors of the users.
        item: vectors of the items; the score of a pair is the inner product of its vectors.
        k: length of the recommended list.

    Returns:
        The mean over the users with a liked late item, and their number; (0, 0) where there is
        none.
    """
    k, total, users = min(k, log.n_items), 0.0, 0
    for first in range(0, log.n_users, BLOCK):
        score = user[first : first + BLOCK] @ item.T
        here = (log.user >= first) & (log.user < first + len(score))
        wanted = np.zeros(score.shape, bool)
        sought = here & late & (log.rating >= LIKED)
        wanted[log.user[sought] - first, log.item[sought]] = True
        known = here & ~late
        wanted[log.user[known] - first, log.item[known]] = False
        score[log.user[known] - first, log.item[known]] = -np.inf
        top = np.argpartition(-score, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(wanted, top, axis=1).sum(axis=1)
        sizes = wanted.sum(axis=1)
        total += float(np.sum(found[sizes > 0] / sizes[sizes > 0]))
        users += int(np.sum(sizes > 0))
    return (total / users if users else 0.0), users


def _least_squares(
    log: RatingLog, keep: Bool[np.ndarray, "n"], factors: int, seed: int
) -> tuple[Float[np.ndarray, "U d"], Float[np.ndarray, "S d"]]:
    try:
        from implicit.als import AlternatingLeastSquares
        from scipy.sparse import csr_matrix
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise InputError(
            f"source={log.source}: the library `implicit` is not "
            "installed; pip install 'lrdqn[calibrate]'"
        ) from error

    weight = np.where(log.rating[keep] >= LIKED, 1.0, UNLIKED).astype(np.float32)
    pairs: tuple[Int[np.ndarray, "m"], Int[np.ndarray, "m"]] = (log.user[keep], log.item[keep])
    ratings = csr_matrix((weight, pairs), shape=(log.n_users, log.n_items))
    # The library runs its own threads over rows; a second pool inside BLAS slows them down, and the
    # library warns about it.
    with threadpool_limits(1, "blas"):
        model: Any = AlternatingLeastSquares(
            factors,
            regularization=REGULARISATION,
            alpha=CONFIDENCE,
            iterations=ITERATIONS,
            use_gpu=False,
            random_state=seed,
        )
        model.fit(ratings, show_progress=False)
    return np.asarray(model.user_factors, np.float32), np.asarray(model.item_factors, np.float32)
