"""A population fitted to KuaiLive: its most clicked streamers and its most active users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from lrdqn.calibration.directions import Directions, fit_directions
from lrdqn.calibration.population_from_watches import Field, Fit, watched_fields
from lrdqn.calibration.scales import wealth_by_spending
from lrdqn.calibration.sizes import check_sizes
from lrdqn.calibration.text_columns import GROUPS, frequent_codes, one_hot_answers, shares
from lrdqn.config import InputError
from lrdqn.logs.csv import Text
from lrdqn.logs.kuailive import (
    DAY_MS,
    LICENCE,
    REACTIONS,
    SHIFT_MS,
    Events,
    KuaiLive,
    read_embeddings,
    window_of,
)
from lrdqn.logs.watch_log import (
    WatchLog,
    first_meetings,
    index_in,
    latest_watch,
    mean_hour,
    most_active,
    sorted_log,
)

if TYPE_CHECKING:
    from lrdqn.compose.roots import CalibrateRun


def reaction_bits(
    clicks: Events, reactions: tuple[Events, ...]
) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "R"]]:
    """Return the reaction bits of each click, and how many reactions of each kind belong to no
    click.

    A reaction belongs to the user's newest click on the room that began by its time, or to the
    first click on the room where none had begun.
    """
    from lrdqn.observations import Reaction

    bits = np.zeros(clicks.size, np.int32)
    lives = np.unique(clicks.live)
    users = np.unique(clicks.user)
    pair = index_in(users, clicks.user) * len(lives) + index_in(lives, clicks.live)
    lost = np.zeros(len(reactions), np.int64)
    for kind, (bit, events) in enumerate(
        zip((Reaction.COMMENT, Reaction.LIKE, Reaction.GIFT), reactions, strict=True)
    ):
        user, live = index_in(users, events.user), index_in(lives, events.live)
        of = np.where((user >= 0) & (live >= 0), user * len(lives) + live, -1)
        at = latest_watch(pair, clicks.time, of, events.time)
        np.bitwise_or.at(bits, at[at >= 0], bit)
        lost[kind] = np.sum(at < 0)
    return bits, lost


def cut(log: KuaiLive, streamers: int, users: int) -> tuple[WatchLog, np.ndarray, np.ndarray]:
    """Return the watches of the most clicked streamers by the users who clicked most on them, and
    the ids of both in ascending order."""
    clicks = log.clicks
    kept = most_active(clicks.streamer, streamers)
    rows = np.flatnonzero(index_in(kept, clicks.streamer) >= 0)
    kept_users = most_active(clicks.user[rows], users)
    rows = rows[index_in(kept_users, clicks.user[rows]) >= 0]
    # Some streamers may have lost all their clicks with the users that were cut.
    kept = np.unique(clicks.streamer[rows])
    part = Events(*(np.asarray(column)[rows] for column in clicks))
    bits, _ = reaction_bits(part, (log.comments, log.likes, log.gifts))
    assert part.amount is not None
    watches = WatchLog(
        source="kuailive",
        licence=LICENCE,
        user=index_in(kept_users, part.user).astype(np.int32),
        item=index_in(kept, part.streamer).astype(np.int32),
        time=part.time // 1000,
        seconds=(part.amount / 1000).astype(np.float32),
        reaction=bits,
        n_users=len(kept_users),
        n_items=len(kept),
    )
    return sorted_log(watches), kept, kept_users


def fit_kuailive(
    log: KuaiLive, config: CalibrateRun, log_sd: float, rng: np.random.Generator
) -> tuple[Fit, Directions]:
    """Fit the fields of a population that a KuaiLive log gives.

    Args:
        log: the whole log.
        config: of the run: sizes, length of vectors, seed, places of history, loyalty and tags.
        log_sd: log-sd of wealth, from the log's spending.
        rng: breaks ties of wealth.

    Returns:
        The fields, and the vectors with their recall.

    Raises:
        InputError: ``factors`` does not fit the log, or its embeddings cannot be read.
    """
    watches, kept, users = cut(log, config.streamers, config.users)
    check_sizes(config, len(users), len(kept))
    start, days = window_of(log.clicks.time)
    titles = None if log.embeddings is None else mean_titles(log, kept)
    found = fit_directions(first_meetings(watches), config.factors, config.seed, titles)

    rooms, owner = log.rooms, index_in(kept, log.rooms.streamer)
    own = np.flatnonzero(owner >= 0)
    code, names = frequent_codes(Text(rooms.category[own], rooms.category_names), GROUPS)
    category = shares(owner[own], code, len(kept), len(names))
    fields = watched_fields(
        watches, category, found, config.env.history, config.env.loyalty_slots, None
    )
    begins = (rooms.start[own] + SHIFT_MS) % DAY_MS / 3_600_000
    count = np.clip(np.bincount(owner[own], minlength=len(kept)), 1, 24 * days)
    spent, minutes = spending(log, users)
    profile, answers = one_hot_answers(log.user_text, _first_row(log.user_id, users))
    tag, tags = operation_tags(log, kept, config.env.tags)
    clicks = np.bincount(watches.user, minlength=len(users))
    interactions = clicks
    for name in REACTIONS:
        at = index_in(users, getattr(log, f"{name}s").user)
        interactions = interactions + np.bincount(at[at >= 0], minlength=len(users))
    later = mean_hour(code, begins, len(names)) - mean_hour(
        np.zeros(len(begins), np.int32), begins, 1
    )
    fields |= {
        "category": Field(category, "share of a streamer's rooms by live_content_category"),
        "tags": Field(tag, "live_operation_tag, one-hot"),
        "room_rate": Field(
            count.astype(np.float32) / days, f"rooms in {days} days, one at the least"
        ),
        "start_hour": Field(
            mean_hour(owner[own], begins, len(kept)).astype(np.float32),
            "circular mean of the starts of rooms, China Standard Time",
        ),
        "wealth": Field(
            wealth_by_spending(spent, minutes, log_sd, rng),
            "rank of spending per minute, shrunk with 60 minutes; "
            f"quantiles of a lognormal with log-sd {log_sd:.2f}",
        ),
        "profile": Field(profile, "columns of user.csv, one-hot"),
        "activity": Field(
            (clicks / clicks.mean()).astype(np.float32), "clicks, as a multiple of the mean"
        ),
        "interactions": Field(interactions.astype(np.int32), "clicks and reactions in the window"),
        "debut": Field(
            debuts(log, kept, start).astype(np.float32),
            "hours after the window's start of the first room of "
            "who first went live within it, 0 for others",
        ),
        "phase": Field(
            ((later + 12) % 24 - 12).astype(np.float32),
            "circular mean of the starts of a category's rooms, less that of all",
        ),
    }
    facts = {
        "clicks": len(watches.user),
        "share_of_all_clicks": round(len(watches.user) / log.clicks.size, 4),
        "cut": "the most clicked streamers, then the users with most clicks on them",
        "days": days,
        "categories": list(names),
        "tags": list(tags),
        "profile": list(answers),
        "rows_of_rooms_merged": log.rooms.rows - log.rooms.size,
    }
    return Fit(watches, fields, facts), found


def spending(
    log: KuaiLive, users: Int[np.ndarray, "U"]
) -> tuple[Float[np.ndarray, "U"], Float[np.ndarray, "U"]]:
    """Return the total price of gifts and the viewer-minutes of each user, over all streamers."""
    totals = []
    for events in (log.gifts, log.clicks):
        at = index_in(users, events.user)
        assert events.amount is not None
        totals.append(np.bincount(at[at >= 0], events.amount[at >= 0], len(users)))
    return totals[0], totals[1] / 60_000


def debuts(log: KuaiLive, kept: Int[np.ndarray, "S"], start: int) -> Float[np.ndarray, "S"]:
    """Return the hours from the window's start to the first room of streamers whose first live day
    lies in the window; 0 for others."""
    row = _first_row(log.streamer_id, kept)
    day = np.where(row >= 0, log.first_live[np.maximum(row, 0)] if len(log.first_live) else 0, 0)
    owner = index_in(kept, log.rooms.streamer)
    own = owner >= 0
    first = np.full(len(kept), np.iinfo(np.int64).max)
    np.minimum.at(first, owner[own], log.rooms.start[own])
    new = (day * DAY_MS - SHIFT_MS >= start) & (first < np.iinfo(np.int64).max)
    return np.where(new, np.maximum(np.where(new, first, start) - start, 0) / 3_600_000, 0.0)


def operation_tags(
    log: KuaiLive, kept: Int[np.ndarray, "S"], tags: int
) -> tuple[Float[np.ndarray, "S T"], tuple[str, ...]]:
    """Return the one-hot ``live_operation_tag`` of its commonest values, and these; columns beyond
    them are 0."""
    row = _first_row(log.streamer_id, kept)
    there = np.flatnonzero(row >= 0)
    code, names = frequent_codes(
        Text(log.operation_tag.code[row[there]], log.operation_tag.names), tags + 1
    )
    out = np.zeros((len(kept), tags), np.float32)
    known = code < tags
    out[there[known], code[known]] = 1
    return out, names[:tags]


def mean_titles(log: KuaiLive, kept: Int[np.ndarray, "S"]) -> Float[np.ndarray, "S D"]:
    """Return the mean embedding of each streamer's distinct titles; zeros for streamers without a
    title (title 0 stands for none)."""
    assert log.embeddings is not None
    owner = index_in(kept, log.rooms.streamer)
    rows = np.flatnonzero((owner >= 0) & (log.rooms.title > 0))
    if not len(rows):
        raise InputError(
            f"{log.embeddings}: room.csv names no title of the kept "
            "streamers; must have a live_name_id above 0"
        )
    pairs = np.unique(np.stack([owner[rows], log.rooms.title[rows]]), axis=1)
    titles, place = np.unique(pairs[1], return_inverse=True)
    vectors = read_embeddings(log.embeddings, titles)
    total = np.zeros((len(kept), vectors.shape[1]), np.float32)
    np.add.at(total, pairs[0], vectors[place])
    count = np.bincount(pairs[0], minlength=len(kept))
    return total / np.maximum(count, 1)[:, None].astype(np.float32)


def _first_row(ids: Int[np.ndarray, "n"], wanted: Int[np.ndarray, "k"]) -> Any:
    """Return the first row of each wanted id, -1 where there is none."""
    known, first = np.unique(ids, return_index=True)
    at = index_in(known, wanted)
    return np.where(at >= 0, first[np.maximum(at, 0)] if len(first) else -1, -1)
