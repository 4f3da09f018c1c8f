"""A log of ratings: the record that every reader returns, whatever the platform."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

LOWEST, HIGHEST = 0.5, 5.0
"""Ends of the rating scale, in stars. A reader of another scale maps onto it."""
LIKED = 3.5
"""From this rating on an item counts as liked."""


class RatingLog(NamedTuple):
    """Who rated what, when and how. Users and items are dense indices; every user and every item
    has an event."""

    source: str
    """Name of the log, for the card of what is made from it."""
    licence: str
    """What its licence asks, in a sentence or two."""
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
    """(item, tag, who) for every time that somebody put a tag on an item; tags in lower case,
    without outer blanks. ``who`` tells people apart and is no index of a user: people can give tags
    without ratings."""
    dropped_items: int
    """Items of the source's catalogue that nobody rated."""


def oldest_first(log: RatingLog) -> Int[np.ndarray, "n"]:
    """Order of the events by user, then time; events of one second keep the order of the log."""
    return np.lexsort((log.timestamp, log.user))


def place_in_group(group: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """0, 1, 2, ... within each run of equal values of ``group``."""
    at = np.arange(len(group))
    first = np.ones(len(group), bool)
    first[1:] = group[1:] != group[:-1]
    return at - np.maximum.accumulate(np.where(first, at, 0))
