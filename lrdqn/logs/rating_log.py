"""A log of ratings: the record that factorisation works on, whatever the platform."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

LOWEST, HIGHEST = 0.5, 5.0
"""Ends of the rating scale in stars; logs on another scale are mapped onto it."""
LIKED = 3.5
"""Stars from which an item counts as liked."""


class RatingLog(NamedTuple):
    """Ratings; users and items are dense indices, and each has at least one event."""

    source: str
    """Name of the log, for the card of a population."""
    licence: str
    """Terms of its licence in a sentence or two."""
    user: Int[np.ndarray, "n"]
    item: Int[np.ndarray, "n"]
    rating: Float[np.ndarray, "n"]
    """Stars in ``[LOWEST, HIGHEST]``, float32."""
    timestamp: Int[np.ndarray, "n"]
    """Seconds since 1970 (UTC), int64."""
    n_users: int
    n_items: int
    item_title: tuple[str, ...]
    item_category: Float[np.ndarray, "S G"]
    """Rows sum to 1: an item of k categories has 1/k in each."""
    category_names: tuple[str, ...]
    item_tags: tuple[tuple[int, str, int], ...]
    """(item, tag, who) for every tag put on an item; tags are in lower case, without outer blanks.
    ``who`` identifies the tagger and is not a user's index: a tagger may have no ratings."""
    dropped_items: int
    """Number of items of the source's catalogue without a rating."""


def oldest_first(log: RatingLog) -> Int[np.ndarray, "n"]:
    """Return the order of the events by user, then time; events of one second keep the order of the
    log."""
    return np.lexsort((log.timestamp, log.user))


def place_in_group(group: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """Return 0, 1, 2, ... within each run of equal values of ``group``."""
    at = np.arange(len(group))
    first = np.ones(len(group), bool)
    first[1:] = group[1:] != group[:-1]
    return at - np.maximum.accumulate(np.where(first, at, 0))
