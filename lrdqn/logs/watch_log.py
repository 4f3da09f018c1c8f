"""A log of watches: the record of clicked streams that a population is fitted to, and operations on
it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lrdqn.logs.rating_log import HIGHEST, LOWEST, RatingLog

LONG = 60.0
"""Seconds from which a watch of a live stream counts as liked."""
HOUR, DAY, CHINA = 3600, 86_400, 8 * 3600
"""Seconds; China Standard Time is UTC + 8 h."""


class WatchLog(NamedTuple):
    """Watches sorted by user, then time; users and items are dense indices."""

    source: str
    licence: str
    """Terms of its licence in a sentence or two."""
    user: Int[np.ndarray, "n"]
    item: Int[np.ndarray, "n"]
    time: Int[np.ndarray, "n"]
    """Seconds since 1970 (UTC), int64."""
    seconds: Float[np.ndarray, "n"]
    reaction: Int[np.ndarray, "n"]
    """Bits of ``lrdqn.types.Reaction``."""
    n_users: int
    n_items: int
    long: float = LONG
    """Seconds from which a watch counts as liked; a watch with a reaction always does."""

    @property
    def liked(self) -> Bool[np.ndarray, "n"]:
        """True for long watches and those with a reaction."""
        return (self.seconds >= self.long) | (self.reaction > 0)


def sorted_log(log: WatchLog) -> WatchLog:
    """Return the log sorted by user, then time; watches of one second keep their order."""
    order = np.lexsort((log.time, log.user))
    return log._replace(
        **{
            name: getattr(log, name)[order]
            for name in ("user", "item", "time", "seconds", "reaction")
        }
    )


def most_active(ids: Int[np.ndarray, "n"], most: int) -> Int[np.ndarray, "m"]:
    """Return the ``most`` most frequent ids in ascending order; ties go to the smaller id."""
    known, count = np.unique(ids, return_counts=True)
    return np.sort(known[np.lexsort((known, -count))[:most]])


def index_in(known: Int[np.ndarray, "m"], ids: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """Return the index of each id in the sorted ``known``, -1 where it is missing."""
    if not len(known):
        return np.full(len(ids), -1)
    at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[at] == ids, at, -1)


def latest_watch(
    pair: Int[np.ndarray, "n"],
    time: Int[np.ndarray, "n"],
    of: Int[np.ndarray, "k"],
    at: Int[np.ndarray, "k"],
) -> Int[np.ndarray, "k"]:
    """Return the index of the newest watch of pair ``of`` that began by ``at``; of the pair's first
    watch where none had begun; -1 where the pair has no watch.

    It finds the watch that a reaction belongs to. Some reactions are logged before their watch, or
    long after its end.
    """
    if not len(pair):
        return np.full(len(of), -1)
    order = np.lexsort((time, pair))
    low = min(int(time.min()), int(at.min(initial=time.min())))
    span = max(int(time.max()), int(at.max(initial=time.max()))) - low + 1
    pairs, dense = np.unique(pair, return_inverse=True)
    key = dense[order] * span + (time[order] - low)
    wanted = index_in(pairs, of)
    place = np.searchsorted(key, wanted * span + (at - low), side="right") - 1
    first = np.searchsorted(key, np.maximum(wanted, 0) * span)
    place = np.clip(np.maximum(place, first), 0, len(key) - 1)
    return np.where(wanted >= 0, order[place], -1)


def first_meetings(log: WatchLog) -> RatingLog:
    """Return the log as ratings to factorise: each (user, item) pair once, at the time of its first
    watch; ``HIGHEST`` stars where any of its watches was liked, else ``LOWEST``.

    Held-out pairs are thus new to the user, and a favourite does not outweigh everything else.
    """
    pair = log.user.astype(np.int64) * log.n_items + log.item
    pairs, first, dense = np.unique(pair, return_index=True, return_inverse=True)
    liked = np.zeros(len(pairs), bool)
    np.logical_or.at(liked, dense, log.liked)
    return RatingLog(
        source=log.source,
        licence=log.licence,
        user=(pairs // log.n_items).astype(np.int32),
        item=(pairs % log.n_items).astype(np.int32),
        rating=np.where(liked, HIGHEST, LOWEST).astype(np.float32),
        timestamp=log.time[first],
        n_users=log.n_users,
        n_items=log.n_items,
        item_title=(),
        item_category=np.ones((log.n_items, 1), np.float32),
        category_names=("all",),
        item_tags=(),
        dropped_items=0,
    )


def mean_hour(
    group: Int[np.ndarray, "n"], hour: Float[np.ndarray, "n"], groups: int
) -> Float[np.ndarray, "G"]:
    """Return the circular mean of hours of the day per group, in [0, 24); the mean of all hours
    where a group is empty.

    ``arg sum exp(2 pi i h / 24)``: 23 h and 1 h give 0 h.
    """
    angle = 2 * np.pi * np.asarray(hour, np.float64) / 24
    x = np.bincount(group, np.cos(angle), groups)
    y = np.bincount(group, np.sin(angle), groups)
    there = np.bincount(group, minlength=groups) > 0
    x, y = np.where(there, x, x.sum()), np.where(there, y, y.sum())
    return (np.arctan2(y, x) * 24 / (2 * np.pi)) % 24
