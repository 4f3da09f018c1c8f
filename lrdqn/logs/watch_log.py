"""A log of watches: the record that readers of clicked streams return, and what a user's visits
leave behind."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.config import UserLawConfig
from lrdqn.logs.ratings import HIGHEST, LOWEST, RatingLog, place_in_group

LONG = 60.0
"""Seconds from which a watch of a live stream counts as liked."""
FULL = 600.0
"""Seconds of a watch that counts in full for loyalty (SIMULATOR section 6)."""
LONGEST_HOURS = 14 * 24.0
HOUR, DAY, CHINA = 3600, 86_400, 8 * 3600
"""Seconds; China Standard Time is UTC + 8 h."""


class WatchLog(NamedTuple):
    """Who watched what, when and how long; sorted by user, then time. Users and items are dense
    indices."""

    source: str
    licence: str
    """What its licence asks, in a sentence or two."""
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
    """Seconds from which a watch counts as liked; with a reaction any does."""

    @property
    def liked(self) -> Bool[np.ndarray, "n"]:
        """Long watches, and those with a reaction."""
        return (self.seconds >= self.long) | (self.reaction > 0)


def sorted_log(log: WatchLog) -> WatchLog:
    """The same by user, then time; watches of one second keep their order."""
    order = np.lexsort((log.time, log.user))
    return log._replace(
        **{
            name: getattr(log, name)[order]
            for name in ("user", "item", "time", "seconds", "reaction")
        }
    )


def most_active(ids: Int[np.ndarray, "n"], most: int) -> Int[np.ndarray, "m"]:
    """The ``most`` ids that are there most often, equal ones by the smaller id; in the order of the
    ids."""
    known, count = np.unique(ids, return_counts=True)
    return np.sort(known[np.lexsort((known, -count))[:most]])


def index_in(known: Int[np.ndarray, "m"], ids: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """Place of each id in the sorted ``known``, -1 where it is not there."""
    if not len(known):
        return np.full(len(ids), -1)
    at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[at] == ids, at, -1)


def before(
    pair: Int[np.ndarray, "n"],
    time: Int[np.ndarray, "n"],
    of: Int[np.ndarray, "k"],
    at: Int[np.ndarray, "k"],
) -> Int[np.ndarray, "k"]:
    """Index of the newest watch of pair ``of`` that began by ``at``; of its first watch where none
    had; -1 without a watch.

    A reaction belongs to the watch under way. Some are written before their watch, or long after
    its end.
    """
    if not len(pair):
        return np.full(len(of), -1)
    order = np.lexsort((time, pair))
    low = min(int(time.min()), int(at.min(initial=time.min())))
    span = max(int(time.max()), int(at.max(initial=time.max()))) - low + 1
    pairs, dense = np.unique(pair, return_inverse=True)
    key = dense[order] * span + (time[order] - low)
    asked = index_in(pairs, of)
    place = np.searchsorted(key, asked * span + (at - low), side="right") - 1
    first = np.searchsorted(key, np.maximum(asked, 0) * span)
    place = np.clip(np.maximum(place, first), 0, len(key) - 1)
    return np.where(asked >= 0, order[place], -1)


def first_meetings(log: WatchLog) -> RatingLog:
    """The log as ratings, to be factorised: each (user, item) once, when they first met; 5 stars
    where any watch was liked.

    What was met late is then predicted from what was met before, and a favourite does not outweigh
    everything else.
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


def past(log: WatchLog, history: int) -> dict[str, np.ndarray]:
    """The H = ``history`` newest watches of a user: ``history``, ``history_watch``,
    ``history_reaction``, each ``[U, H]``."""
    user, item, seconds, reaction = (
        x[::-1] for x in (log.user, log.item, log.seconds, log.reaction)
    )
    place = place_in_group(user)
    keep = place < history
    at = (user[keep], place[keep])
    ids = np.full((log.n_users, history), log.n_items, np.int32)
    watch, bits = np.zeros(ids.shape, np.float32), np.zeros(ids.shape, np.int32)
    ids[at], watch[at], bits[at] = item[keep], seconds[keep], reaction[keep]
    return {"history": ids, "history_watch": watch, "history_reaction": bits}


def next_session(log: WatchLog, active_hour: Float[np.ndarray, "U"]) -> Int[np.ndarray, "U"]:
    """When each user comes next: the first moment at their active hour (China) at least an hour
    after their last watch."""
    last = np.zeros(log.n_users, np.int64)
    last[log.user] = log.time  # the newest is written last
    last += HOUR
    ahead = (active_hour * HOUR - (last + CHINA) % DAY) % DAY
    return last + ahead.astype(np.int64)


def loyalties(
    log: WatchLog, slots: int, now: Int[np.ndarray, "U"], followed: Bool[np.ndarray, "n"]
) -> dict[str, np.ndarray]:
    """``loyalty``, ``loyalty_strength``, ``loyalty_hours`` and ``followed``, each ``[U, L]``.

    The world's own rule is run over each pair's watches: ``l <- l e^{-gap / 7 d}``,
    ``l <- l + .3 (1 - l) min(1, w / 600)`` (SIMULATOR section 6). Of the pairs with a liked watch,
    those whose strength, decayed until ``now``, is largest are kept. Empty slots hold S, 0, 14 days
    and False.
    """
    law = UserLawConfig()
    order = np.lexsort((log.time, log.item, log.user))
    pair = (log.user.astype(np.int64) * log.n_items + log.item)[order]
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    count = np.diff(np.append(first, len(pair)))
    gain = law.loyalty_gain * np.minimum(log.seconds[order] / FULL, 1.0)
    time = log.time[order]
    strength, seen = np.zeros(len(first)), time[first].astype(np.float64)
    for visit in range(int(count.max(initial=0))):
        rows = np.flatnonzero(count > visit)
        at = first[rows] + visit
        strength[rows] *= np.exp(-(time[at] - seen[rows]) / (law.loyalty_days * DAY))
        strength[rows] += (1 - strength[rows]) * gain[at]
        seen[rows] = time[at]
    keeps, met = (np.logical_or.reduceat(x[order], first) for x in (followed, log.liked))

    user, item = pair[first] // log.n_items, pair[first] % log.n_items
    away = now[user] - seen
    best = np.lexsort((item, -strength * np.exp(-away / (law.loyalty_days * DAY)), user))
    best = best[met[best] & (strength[best] > 0)]
    place = place_in_group(user[best])
    best, place = best[place < slots], place[place < slots]
    at = (user[best], place)
    ids = np.full((log.n_users, slots), log.n_items, np.int32)
    power = np.zeros(ids.shape, np.float32)
    hours = np.full(ids.shape, LONGEST_HOURS, np.float32)
    follows = np.zeros(ids.shape, bool)
    ids[at], power[at], follows[at] = item[best], strength[best], keeps[best]
    hours[at] = np.clip(away[best] / HOUR, 1.0, LONGEST_HOURS)
    return {"loyalty": ids, "loyalty_strength": power, "loyalty_hours": hours, "followed": follows}


def mean_hour(
    group: Int[np.ndarray, "n"], hour: Float[np.ndarray, "n"], groups: int
) -> Float[np.ndarray, "G"]:
    """Circular mean of hours of the day per group, in [0, 24); that of all where a group has none.

    ``arg sum exp(2 pi i h / 24)``: 23 h and 1 h give 0 h.
    """
    angle = 2 * np.pi * np.asarray(hour, np.float64) / 24
    x = np.bincount(group, np.cos(angle), groups)
    y = np.bincount(group, np.sin(angle), groups)
    there = np.bincount(group, minlength=groups) > 0
    x, y = np.where(there, x, x.sum()), np.where(there, y, y.sum())
    return (np.arctan2(y, x) * 24 / (2 * np.pi)) % 24
