"""Population fields that follow from a log of watches: histories, loyalties, and the time of each
user's next session."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.config import UserLawConfig
from lrdqn.logs.rating_log import place_in_group
from lrdqn.logs.watch_log import CHINA, DAY, HOUR, WatchLog

FULL = 600.0
"""Seconds of a watch that counts in full for loyalty (envs/live/README.md, section 7)."""
LONGEST_HOURS = 14 * 24.0
"""Upper bound of the hours since the last visit."""


def history_fields(log: WatchLog, history: int) -> dict[str, np.ndarray]:
    """Return ``history``, ``history_watch`` and ``history_reaction``, each ``[U, H]``: the H =
    ``history`` newest watches of each user, newest first."""
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
    """Return the time of each user's next session: the first moment at their active hour (China
    Standard Time) at least an hour after their last watch."""
    last = np.zeros(log.n_users, np.int64)
    last[log.user] = log.time  # the newest is written last
    last += HOUR
    ahead = (active_hour * HOUR - (last + CHINA) % DAY) % DAY
    return last + ahead.astype(np.int64)


def loyalty_fields(
    log: WatchLog, slots: int, now: Int[np.ndarray, "U"], followed: Bool[np.ndarray, "n"]
) -> dict[str, np.ndarray]:
    """Return ``loyalty``, ``loyalty_strength``, ``loyalty_hours`` and ``followed``, each
    ``[U, L]``.

    The world's loyalty law (envs/live/README.md, section 7) is run over the watches of each pair:
    ``l <- l exp(-gap / loyalty_days)``, ``l <- l + loyalty_gain (1 - l) min(1, w / FULL)``. Of the
    pairs with a liked watch, those with the largest strength, decayed until ``now``, are kept.
    Empty slots hold S, 0, ``LONGEST_HOURS`` and False.
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
