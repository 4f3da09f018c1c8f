"""A population fitted to KuaiLive: its most clicked streamers and its most active users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from lrdqn.calibration.population_from_watches import (
    GROUPS,
    Directions,
    Fit,
    directions,
    frequent,
    one_hot_answers,
    shares,
    watched_fields,
    wealth_of,
)
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
)
from lrdqn.logs.watch_log import (
    WatchLog,
    before,
    first_meetings,
    index_in,
    mean_hour,
    most_active,
    sorted_log,
)

if TYPE_CHECKING:
    from lrdqn.compose.roots import CalibrateRun


def window_of(time: Int[np.ndarray, "n"]) -> tuple[int, int]:
    """The midnight (China) before the first of these times, ms since 1970, and the days until the
    midnight after the last."""
    first, last = (
        int(x) for x in ((time.min() + SHIFT_MS) // DAY_MS, (time.max() + SHIFT_MS) // DAY_MS)
    )
    return first * DAY_MS - SHIFT_MS, last - first + 1


def reaction_bits(
    clicks: Events, reactions: tuple[Events, ...]
) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "R"]]:
    """Bits of the reactions under way at each click, and how many reactions of each kind have no
    click of their pair.

    A reaction belongs to the user's newest click on the room that began by then, or to the first
    where none had.
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
        at = before(pair, clicks.time, of, events.time)
        np.bitwise_or.at(bits, at[at >= 0], bit)
        lost[kind] = np.sum(at < 0)
    return bits, lost


def cut(log: KuaiLive, streamers: int, users: int) -> tuple[WatchLog, np.ndarray, np.ndarray]:
    """The watches of the most clicked streamers by the users who clicked most on them, and the ids
    of both in order."""
    clicks = log.clicks
    kept = most_active(clicks.streamer, streamers)
    rows = np.flatnonzero(index_in(kept, clicks.streamer) >= 0)
    people = most_active(clicks.user[rows], users)
    rows = rows[index_in(people, clicks.user[rows]) >= 0]
    kept = np.unique(clicks.streamer[rows])  # some may have lost all their clicks with the users
    part = Events(*(np.asarray(column)[rows] for column in clicks))
    bits, _ = reaction_bits(part, (log.comments, log.likes, log.gifts))
    assert part.amount is not None
    watches = WatchLog(
        source="kuailive",
        licence=LICENCE,
        user=index_in(people, part.user).astype(np.int32),
        item=index_in(kept, part.streamer).astype(np.int32),
        time=part.time // 1000,
        seconds=(part.amount / 1000).astype(np.float32),
        reaction=bits,
        n_users=len(people),
        n_items=len(kept),
    )
    return sorted_log(watches), kept, people


def fit_kuailive(
    log: KuaiLive, config: CalibrateRun, log_sd: float, rng: np.random.Generator
) -> tuple[Fit, Directions]:
    """Fit what KuaiLive tells of a population.

    Args:
        log: the whole log.
        config: of the run: sizes, length of vectors, seed, places of history, loyalty and tags.
        log_sd: of wealth, as the log's spending has it.
        rng: breaks ties of wealth.

    Raises:
        InputError: ``factors`` does not fit the log, or its embeddings cannot be read.
    """
    watches, kept, people = cut(log, config.streamers, config.users)
    start, days = window_of(log.clicks.time)
    titles = None if log.embeddings is None else mean_titles(log, kept)
    found = directions(first_meetings(watches), config.factors, config.seed, titles)

    rooms, owner = log.rooms, index_in(kept, log.rooms.streamer)
    own = np.flatnonzero(owner >= 0)
    code, names = frequent(Text(rooms.category[own], rooms.category_names), GROUPS)
    category = shares(owner[own], code, len(kept), len(names))
    fields, how = watched_fields(
        watches, category, found, config.env.history, config.env.loyalty_slots, None
    )
    begins = (rooms.start[own] + SHIFT_MS) % DAY_MS / 3_600_000
    fields["start_hour"] = mean_hour(owner[own], begins, len(kept)).astype(np.float32)
    fields["room_rate"] = (
        np.clip(np.bincount(owner[own], minlength=len(kept)), 1, 24 * days).astype(np.float32)
        / days
    )
    spent, minutes = spending(log, people)
    fields["wealth"] = wealth_of(spent, minutes, log_sd, rng)
    row = _first_row(log.user_id, people)
    fields["profile"], answers = one_hot_answers(log.user_text, row)
    fields["tags"], tags = operation_tags(log, kept, config.env.tags)
    how |= {
        "category": "share of a streamer's rooms by live_content_category",
        "tags": "live_operation_tag, one-hot",
        "room_rate": f"rooms in {days} days, one at the least",
        "start_hour": "circular mean of the starts of rooms, China Standard Time",
        "wealth": (
            "rank of spending per minute, shrunk with 60 minutes; "
            f"quantiles of a lognormal with log-sd {log_sd:.2f}"
        ),
        "profile": "columns of user.csv, one-hot",
        "activity": "clicks, as a multiple of the mean",
        "interactions": "clicks and reactions in the window",
        "debut": (
            "hours after the window's start of the first room of "
            "who first went live within it, 0 for others"
        ),
        "phase": "circular mean of the starts of a category's rooms, less that of all",
    }
    interactions = np.bincount(watches.user, minlength=len(people))
    for name in REACTIONS:
        at = index_in(people, getattr(log, f"{name}s").user)
        interactions = interactions + np.bincount(at[at >= 0], minlength=len(people))
    clicks = np.bincount(watches.user, minlength=len(people))
    later = mean_hour(code, begins, len(names)) - mean_hour(
        np.zeros(len(begins), np.int32), begins, 1
    )
    fields["activity"] = (clicks / clicks.mean()).astype(np.float32)
    fields["interactions"] = interactions.astype(np.int32)
    fields["debut"] = debuts(log, kept, start).astype(np.float32)
    fields["phase"] = ((later + 12) % 24 - 12).astype(np.float32)
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
    return Fit(watches, fields, how, facts), found


def spending(
    log: KuaiLive, people: Int[np.ndarray, "U"]
) -> tuple[Float[np.ndarray, "U"], Float[np.ndarray, "U"]]:
    """Total price of gifts and viewer-minutes of each user, over all streamers."""
    totals = []
    for events in (log.gifts, log.clicks):
        at = index_in(people, events.user)
        assert events.amount is not None
        totals.append(np.bincount(at[at >= 0], events.amount[at >= 0], len(people)))
    return totals[0], totals[1] / 60_000


def debuts(log: KuaiLive, kept: Int[np.ndarray, "S"], start: int) -> Float[np.ndarray, "S"]:
    """Hours after the window's start of the first room of streamers whose first live day lies in
    the window; 0 for others."""
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
    """One-hot ``live_operation_tag`` of the commonest values; columns beyond them stay 0."""
    row = _first_row(log.streamer_id, kept)
    there = np.flatnonzero(row >= 0)
    code, names = frequent(
        Text(log.operation_tag.code[row[there]], log.operation_tag.names), tags + 1
    )
    out = np.zeros((len(kept), tags), np.float32)
    known = code < tags
    out[there[known], code[known]] = 1
    return out, names[:tags]


def mean_titles(log: KuaiLive, kept: Int[np.ndarray, "S"]) -> Float[np.ndarray, "S D"]:
    """Mean embedding of a streamer's different titles; zeros for streamers without one. Title 0 is
    none."""
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


def _first_row(ids: Int[np.ndarray, "n"], asked: Int[np.ndarray, "k"]) -> Any:
    """Row of each asked id, the first where there are several, -1 where there is none."""
    known, first = np.unique(ids, return_index=True)
    at = index_in(known, asked)
    return np.where(at >= 0, first[np.maximum(at, 0)] if len(first) else -1, -1)
