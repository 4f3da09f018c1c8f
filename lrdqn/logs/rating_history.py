"""Population fields that follow from a log of ratings: histories and loyalties."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from lrdqn.envs.live.config import UserLawConfig
from lrdqn.logs.rating_log import HIGHEST, RatingLog, oldest_first, place_in_group

BOUNCED, WATCHED, FOLLOWED = 2.5, 4.0, 4.5
"""Stars up to which a rating counts as a bounce, from which it counts as a like and a loyal watch,
and from which it counts as a follow."""
LONGEST_HOURS = 14 * 24.0
"""Upper bound of the hours since the last visit."""


def watch_seconds(rating: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Return the seconds of a watch that corresponds to a rating, log-linear between three points
    of the watch law.

    The points are the median bounce up to ``BOUNCED`` stars, the median engaged watch at
    ``WATCHED``, and one log-sd above it at ``HIGHEST``.
    """
    law = UserLawConfig()
    seconds = np.log(
        [law.bounce_median, law.dwell_median, law.dwell_median * np.exp(law.dwell_sigma)]
    )
    return np.exp(np.interp(rating, [BOUNCED, WATCHED, HIGHEST], seconds))


def loyalty_strength(rating: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Return ``1 - (1 - gain)^v``, the loyalty after v full visits, v = 1, 2, 3 for 4, 4.5 and 5
    stars; 0 below 4."""
    visits = np.where(rating >= WATCHED, 2 * (rating - WATCHED) + 1, 0)
    return 1 - (1 - UserLawConfig().loyalty_gain) ** visits


def newest_of_pairs(log: RatingLog) -> Int[np.ndarray, "m"]:
    """Return the newest event of each (user, item) pair, grouped by user, newest first."""
    order = oldest_first(log)[::-1]
    pair = log.user[order].astype(np.int64) * log.n_items + log.item[order]
    first = np.sort(np.unique(pair, return_index=True)[1])
    return order[first]


def history_fields(log: RatingLog, history: int) -> dict[str, np.ndarray]:
    """Return ``history``, ``history_watch`` and ``history_reaction``, each ``[U, H]``: the H =
    ``history`` newest events of each user, newest first."""
    from lrdqn.observations import Reaction

    order = oldest_first(log)[::-1]
    place = place_in_group(log.user[order])
    events, place = order[place < history], place[place < history]
    at, rating = (log.user[events], place), log.rating[events]
    ids = np.full((log.n_users, history), log.n_items, np.int32)
    watch, reaction = np.zeros(ids.shape, np.float32), np.zeros(ids.shape, np.int32)
    ids[at], watch[at] = log.item[events], watch_seconds(rating)
    reaction[at] = np.where(rating >= WATCHED, Reaction.LIKE, 0)
    return {"history": ids, "history_watch": watch, "history_reaction": reaction}


def loyalty_fields(log: RatingLog, slots: int) -> dict[str, np.ndarray]:
    """Return ``loyalty``, ``loyalty_strength``, ``loyalty_hours`` and ``followed``, each
    ``[U, L]``.

    A user is loyal to the items that they gave ``WATCHED`` stars or more, best first, newest first
    among equals. The hours since the last visit are those from the rating to the user's last
    rating, within [1 h, ``LONGEST_HOURS``]: users rate many movies in one sitting, and a session
    does not start at the moment the last one ended. Empty slots hold S, 0, ``LONGEST_HOURS`` and
    False.
    """
    events = newest_of_pairs(log)
    events = events[log.rating[events] >= WATCHED]
    events = events[np.lexsort((np.arange(len(events)), -log.rating[events], log.user[events]))]
    place = place_in_group(log.user[events])
    events, place = events[place < slots], place[place < slots]
    at, rating = (log.user[events], place), log.rating[events]
    last = np.full(log.n_users, np.iinfo(np.int64).min)
    np.maximum.at(last, log.user, log.timestamp)
    ids = np.full((log.n_users, slots), log.n_items, np.int32)
    strength = np.zeros(ids.shape, np.float32)
    hours = np.full(ids.shape, LONGEST_HOURS, np.float32)
    followed = np.zeros(ids.shape, bool)
    ids[at], strength[at], followed[at] = (
        log.item[events],
        loyalty_strength(rating),
        rating >= FOLLOWED,
    )
    hours[at] = np.clip((last[log.user[events]] - log.timestamp[events]) / 3600, 1.0, LONGEST_HOURS)
    return {
        "loyalty": ids,
        "loyalty_strength": strength,
        "loyalty_hours": hours,
        "followed": followed,
    }
