"""Reader of a KuaiLive folder: ``click.csv``, ``comment.csv``, ``like.csv``, ``gift.csv``,
``room.csv``, ``user.csv``, ``streamer.csv`` as published, and, where present, ``negative.csv`` and
``title_embeddings.npy``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Int

from lrdqn.config import InputError
from lrdqn.logs.csv import DAY_MS, TIME_MS, Column, Text, read_columns
from lrdqn.logs.tables import Match, match, read_table
from lrdqn.logs.watch_log import index_in

LICENCE = (
    "KuaiLive, CC BY-NC-SA 4.0: no commercial use, redistribution (of "
    "this population too) only under the same licence, so it "
    "cannot be part of a package under another one; doi 10.5281/zenodo.16565801, arXiv 2508.05633"
)
NEEDED = (
    "a KuaiLive folder with click.csv, comment.csv, like.csv, "
    "gift.csv, room.csv, user.csv and streamer.csv"
)
SHIFT_MS = 8 * 3_600_000
"""China Standard Time is UTC + 8 h without daylight saving; timestamps are UTC."""
ID = Column(low=0, allowed="must be a whole number, 0 or more")
STREAMER = ID._replace(also=("author_id",))
EVENT = {"user_id": ID, "live_id": ID, "streamer_id": STREAMER, "timestamp": TIME_MS}
REACTIONS = ("comment", "like", "gift")
PROFILE = ("age", "gender", "device_price", "follow_num", "accu_watch_live_cnt")
"""Columns of user.csv that make the profile of a user."""

DATE = re.compile(r"(19[7-9]|20[0-9])[0-9]-[0-9]{2}-[0-9]{2}(?![0-9])")
SHORTEST_MEDIAN_MS = 100
"""Lowest plausible median of the watches above 0; that of watches in seconds is below it."""
NO_DATE = ("", "0", "-124", "unknown", "nan", "null")
"""Values that may stand for an unknown date; -124 is "none" in Kuaishou's other logs."""


class Events(NamedTuple):
    """Rows of an event file, in its order; ``time`` in ms since 1970 (UTC), ids as in the files."""

    user: Int[np.ndarray, "n"]
    live: Int[np.ndarray, "n"]
    streamer: Int[np.ndarray, "n"]
    time: Int[np.ndarray, "n"]
    amount: Int[np.ndarray, "n"] | None = None
    """Milliseconds watched of a click, price of a gift."""

    @property
    def size(self) -> int:
        """Number of events."""
        return len(self.user)


class Rooms(NamedTuple):
    """One row per room, by ``live``."""

    live: Int[np.ndarray, "n"]
    streamer: Int[np.ndarray, "n"]
    start: Int[np.ndarray, "n"]
    end: Int[np.ndarray, "n"]
    """ms since 1970. An end at midnight (China Standard Time) is a cut: the room may have gone
    on."""
    category: Int[np.ndarray, "n"]
    category_names: tuple[str, ...]
    title: Int[np.ndarray, "n"]
    """Row of the title's embedding, 0 for none."""
    rows: int
    """Rows of the file, which has several for a room that spans days."""

    @property
    def size(self) -> int:
        """Number of rooms."""
        return len(self.live)


class KuaiLive(NamedTuple):
    """The columns that are read from a KuaiLive folder."""

    clicks: Events
    comments: Events
    likes: Events
    gifts: Events
    rooms: Rooms
    user_id: Int[np.ndarray, "n"]
    user_text: dict[str, Text]
    streamer_id: Int[np.ndarray, "m"]
    operation_tag: Text
    first_live: Int[np.ndarray, "m"]
    """Day of a streamer's first room, in days since 1970 (China)."""
    negatives: int | None
    """Impressions without a click."""
    embeddings: Path | None
    matches: tuple[Match, ...] = ()
    """Rows of the event files and of room.csv whose ids the other tables have."""


def read_kuailive(path: Path) -> KuaiLive:
    """Read a KuaiLive folder.

    ``author_id`` is accepted for ``streamer_id``. The rows of one ``live_id`` are merged into one
    room with their earliest start and latest end. Clicks, reactions and rooms keep the ids of the
    files.

    Raises:
        InputError: a folder, file, column or value is missing or wrong. The line names file, line
            (the header's is 1), column, value and what is allowed.
    """
    if not path.is_dir():
        raise InputError(f"path={path}: no such folder; must be {NEEDED}")
    missing = [
        name
        for name in ("click", "comment", "like", "gift", "room", "user", "streamer")
        if not _file(path, name).is_file()
    ]
    if missing:
        raise InputError(f"path={path}: has no {missing[0]}.csv; must be {NEEDED}")
    watch = Column(low=0, allowed="must be milliseconds watched, 0 or more")
    price = Column(low=1, high=1e7, allowed="must be a price of at least 1, at most 1e7")
    users = _table(path, "user", {"user_id": ID, **{name: Column("text") for name in PROFILE}})
    streamers = _table(
        path,
        "streamer",
        {
            "streamer_id": STREAMER,
            "live_operation_tag": Column("text"),
            "first_live_timestamp": Column("text"),
        },
    )
    titles = [path / f"title_embeddings.{kind}" for kind in ("npy", "npz")]
    log = KuaiLive(
        clicks=_events(path, "click", "watch_live_time", watch),
        comments=_events(path, "comment"),
        likes=_events(path, "like"),
        gifts=_events(path, "gift", "gift_price", price),
        rooms=_rooms(path),
        user_id=users["user_id"],
        user_text={name: users[name] for name in PROFILE},
        streamer_id=streamers["streamer_id"],
        operation_tag=streamers["live_operation_tag"],
        first_live=_days(
            _file(path, "streamer"), "first_live_timestamp", streamers["first_live_timestamp"]
        ),
        negatives=len(_read(path, "negative", {"user_id": ID})["user_id"])
        if _file(path, "negative").is_file()
        else None,
        embeddings=next((file for file in titles if file.is_file()), None),
    )
    if not log.clicks.size:
        raise InputError(
            f"{_file(path, 'click')}: has no clicks; must have at least one row below the header"
        )
    if not log.rooms.size:
        raise InputError(
            f"{_file(path, 'room')}: has no rooms; must have at least one row below the header"
        )
    _check_watches(_file(path, "click"), log)
    return log._replace(matches=_matches(path, log))


def _check_watches(file: Path, log: KuaiLive) -> None:
    """Raise ``InputError`` where a watch is longer than the log, or where the watches as a whole
    are in another unit than milliseconds."""
    watched = log.clicks.amount
    assert watched is not None
    _, days = window_of(log.clicks.time)
    at = int(np.argmax(watched))
    if watched[at] > days * DAY_MS:
        raise InputError(
            f"{file}:{at + 2}: watch_live_time={watched[at]}: must be milliseconds watched, at "
            f"most {days * DAY_MS}, the {days} days of the log"
        )
    some = watched > 0
    if not some.any():
        return
    middle = float(np.median(watched[some]))
    if middle < SHORTEST_MEDIAN_MS:
        at = int(np.argmax(some))
        raise InputError(
            f"{file}:{at + 2}: watch_live_time={watched[at]}: must be milliseconds watched; the "
            f"median is {middle:g}, but at least {SHORTEST_MEDIAN_MS} is allowed: are these "
            "seconds?"
        )
    room = index_in(log.rooms.live, log.clicks.live)
    known = some & (room >= 0)
    length = (log.rooms.end - log.rooms.start)[np.maximum(room, 0)]
    over = known & (watched > length + DAY_MS)
    if known.any() and over.sum() > known.sum() / 2:
        at = int(np.argmax(over))
        raise InputError(
            f"{file}:{at + 2}: watch_live_time={watched[at]}: must be milliseconds watched, no "
            f"longer than its room, {length[at]}; more than half of the watches are a day longer"
        )


def _file(path: Path, name: str) -> Path:
    return path / f"{name}.csv"


def _read(path: Path, name: str, columns: dict[str, Column]) -> dict[str, Any]:
    return read_columns(_file(path, name), columns, NEEDED, "kuailive")


def _table(path: Path, name: str, columns: dict[str, Column]) -> dict[str, Any]:
    return read_table(_file(path, name), columns, NEEDED, "kuailive")


def _matches(path: Path, log: KuaiLive) -> tuple[Match, ...]:
    known = {
        "user": ("user_id", log.user_id),
        "streamer": ("streamer_id", log.streamer_id),
        "room": ("live_id", log.rooms.live),
    }
    ids = [("room", "streamer", log.rooms.streamer)]
    for name, events in (
        ("click", log.clicks),
        ("comment", log.comments),
        ("like", log.likes),
        ("gift", log.gifts),
    ):
        columns = (events.user, events.streamer, events.live)
        ids += [(name, other, column) for other, column in zip(known, columns, strict=True)]
    return tuple(
        match(_file(path, name), known[other][0], column, _file(path, other), known[other][1])
        for name, other, column in ids
    )


def _events(
    path: Path, name: str, amount: str | None = None, column: Column | None = None
) -> Events:
    read = _read(path, name, EVENT | ({amount: column} if amount and column else {}))
    user, live, streamer, time = (read[key] for key in EVENT)
    return Events(user, live, streamer, time, read[amount] if amount else None)


def _rooms(path: Path) -> Rooms:
    columns = {
        "live_id": ID,
        "streamer_id": STREAMER,
        "start_timestamp": TIME_MS,
        "end_timestamp": TIME_MS,
        "live_content_category": Column("text"),
        "live_name_id": ID,
    }
    read = _read(path, "room", columns)
    live, start, end = read["live_id"], read["start_timestamp"], read["end_timestamp"]
    wrong = np.flatnonzero(end < start)
    if len(wrong):
        at = int(wrong[0])
        raise InputError(
            f"{_file(path, 'room')}:{at + 2}: end_timestamp={end[at]}: "
            f"must not be before start_timestamp={start[at]}"
        )
    rows = len(live)
    if rows == 0:
        none = np.zeros(0, np.int64)
        return Rooms(none, none, none, none, none, (), none, 0)
    order = np.argsort(live, kind="stable")
    first = np.flatnonzero(np.diff(live[order], prepend=-1))
    category: Text = read["live_content_category"]
    return Rooms(
        live=live[order[first]],
        streamer=read["streamer_id"][order[first]],
        start=np.minimum.reduceat(start[order], first),
        end=np.maximum.reduceat(end[order], first),
        category=category.code[order[first]],
        category_names=category.names,
        title=read["live_name_id"][order[first]],
        rows=rows,
    )


def _days(file: Path, name: str, text: Text) -> Int[np.ndarray, "m"]:
    """Return ``YYYY-MM-DD`` as days since 1970. Text after the date is ignored; an unknown date is
    day 0."""
    days = np.zeros(len(text.names) + 1, np.int64)
    for index, date in enumerate(text.names):
        try:
            if date.lower() not in NO_DATE and not DATE.match(date):
                raise ValueError(date)
            days[index] = (
                0 if date.lower() in NO_DATE else np.datetime64(date[:10], "D").astype(np.int64)
            )
        except ValueError:
            at = int(np.flatnonzero(text.code == index)[0])
            raise InputError(
                f"{file}:{at + 2}: {name}={date!r}: must be a date, YYYY-MM-DD"
            ) from None
    return days[text.code]


def window_of(time: Int[np.ndarray, "n"]) -> tuple[int, int]:
    """Return the midnight (China Standard Time) before the first of these times, in ms since 1970,
    and the days from there to the midnight after the last."""
    first, last = (
        int(x) for x in ((time.min() + SHIFT_MS) // DAY_MS, (time.max() + SHIFT_MS) // DAY_MS)
    )
    return first * DAY_MS - SHIFT_MS, last - first + 1


def read_embeddings(file: Path, rows: Int[np.ndarray, "k"]) -> np.ndarray:
    """Return rows ``[k, D]`` of ``title_embeddings.npy``, memory-mapped, or of the first matrix of
    an ``.npz``.

    Raises:
        InputError: the file is not a matrix of numbers, or has too few rows.
    """
    try:
        loaded = np.load(file, mmap_mode="r" if file.suffix == ".npy" else None, allow_pickle=False)
        arrays = (
            [loaded] if isinstance(loaded, np.ndarray) else (loaded[key] for key in loaded.files)
        )
        table = next((array for array in arrays if array.ndim == 2), None)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{file}: cannot be read ({str(error).splitlines()[0]}); must be a NumPy file"
        ) from error
    if table is None or table.dtype.kind != "f":
        raise InputError(f"{file}: must hold a matrix of numbers, one row per live_name_id")
    if len(rows) and rows.max() >= len(table):
        raise InputError(
            f"{file}: has {len(table)} rows, but room.csv has "
            f"live_name_id={rows.max()}; must have a row for each"
        )
    return np.asarray(table[rows], np.float32)
