"""A miniature KuaiLive of a few thousand rows: the files, columns and pitfalls of the published
one, drawn with known parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

START, SHIFT, DAY, DAYS = 1746374400000, 8 * 3_600_000, 86_400_000, 21
"""2025-05-05 00:00 +08, in ms."""
HOURLY = np.array(
    [
        0.0409,
        0.0237,
        0.0147,
        0.0115,
        0.0120,
        0.0186,
        0.0262,
        0.0289,
        0.0320,
        0.0338,
        0.0361,
        0.0423,
        0.0506,
        0.0438,
        0.0419,
        0.0402,
        0.0384,
        0.0424,
        0.0546,
        0.0734,
        0.0865,
        0.0800,
        0.0734,
        0.0543,
    ]
)
PER_CLICK = {"comment": 0.0400, "like": 0.0365, "gift": 0.0148}
PRICES = [
    31882,
    7858,
    3176,
    1967,
    2499,
    1150,
    886,
    630,
    627,
    4654,
    868,
    583,
    318,
    307,
    231,
    209,
    155,
    132,
    143,
    1506,
]
"""Number of gifts of each price from 1 to 20."""
CATEGORIES = ("shop", "game", "chat", "dance", "music")
USER = [
    "user_id",
    "age",
    "gender",
    "country",
    "device_brand",
    "device_price",
    "reg_timestamp",
    "fans_num",
    "follow_num",
    "first_watch_live_timestamp",
    "accu_watch_live_cnt",
    "accu_watch_live_duration",
    "is_live_streamer",
    "is_photo_author",
    *[f"onehot_feat{i}" for i in range(7)],
]
STREAMER = [
    "streamer_id",
    "gender",
    "age",
    "country",
    "device_brand",
    "device_price",
    "live_operation_tag",
    "fans_user_num",
    "fans_group_fans_num",
    "follow_user_num",
    "first_live_timestamp",
    "accu_live_cnt",
    "accu_live_duration",
    "accu_play_cnt",
    "accu_play_duration",
    "reg_timestamp",
    *[f"onehot_feat{i}" for i in range(7)],
]
ROOM = [
    "p_date",
    "live_id",
    "streamer_id",
    "live_type",
    "start_timestamp",
    "end_timestamp",
    "live_content_category",
    "live_name_id",
]
EVENT = ["user_id", "live_id", "streamer_id", "timestamp"]


class Mini(NamedTuple):
    """The rows of every file as columns, and the topic of each streamer and user."""

    files: dict[str, dict[str, Any]]
    topic_of_streamer: np.ndarray
    topic_of_user: np.ndarray
    embeddings: np.ndarray

    def write(self, folder: Path, author: bool = False, titles: str = "npy") -> Path:
        """Write all files; with ``author``, the streamer column is called ``author_id``, as in some
        programs of the data set's authors."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, columns in self.files.items():
            header = ["author_id" if author and c == "streamer_id" else c for c in columns]
            rows = zip(*(np.asarray(c).tolist() for c in columns.values()), strict=True)
            lines = [",".join(header), *(",".join(map(str, row)) for row in rows)]
            (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
        if titles == "npy":
            np.save(folder / "title_embeddings.npy", self.embeddings)
        elif titles == "npz":
            np.savez(folder / "title_embeddings.npz", embeddings=self.embeddings)
        return folder


def make_mini(
    users: int = 200,
    streamers: int = 2000,
    rooms: int = 6000,
    seed: int = 0,
    median_clicks: float = 60.0,
    negatives: int = 5,
    midnights: int = 2,
) -> Mini:
    """Draw the log.

    Popularity is Zipf with exponent 1.1. A streamer's rooms start at a preferred hour with
    probability 0.6, else at any hour; lengths are lognormal with median 2 h and log-sd 0.9, cut at
    a midnight. Clicks per user are lognormal with log-sd 1.2, half of them within the user's topic,
    a third on the streamer clicked before. Watches are 0.87 LogNormal(4.04 s, 1.0) + 0.13
    LogNormal(216 s, 1.43). Reactions have the published rates per click and are the likelier the
    longer the watch. Impressions without a click are on random rooms.
    """
    rng = np.random.default_rng(seed)
    streamer_id = np.sort(rng.choice(streamers * 3, streamers, replace=False)) + 1
    user_id = np.sort(rng.choice(users * 3, users, replace=False)) + 1
    topic, taste = (
        rng.integers(len(CATEGORIES), size=streamers),
        rng.integers(len(CATEGORIES), size=users),
    )
    popularity = rng.permutation(np.arange(1, streamers + 1) ** -1.1)
    popularity /= popularity.sum()

    # Rooms: one for every streamer, the rest at random.
    owner = np.concatenate([np.arange(streamers), rng.integers(streamers, size=rooms - streamers)])
    usual = _hours(rng, streamers)
    hour = np.where(
        rng.random(rooms) < 0.6, (usual[owner] + rng.normal(0, 1, rooms)) % 24, _hours(rng, rooms)
    )
    begin = START + rng.integers(DAYS, size=rooms) * DAY + (hour * 3_600_000).astype(np.int64)
    end = begin + np.maximum(
        np.exp(np.log(2) + 0.9 * rng.normal(size=rooms)) * 3_600_000, 60_000
    ).astype(np.int64)
    midnight = (begin + SHIFT) // DAY * DAY + midnights * DAY - SHIFT
    end = np.minimum(end, midnight)
    live_id = rng.permutation(rooms) + 1
    title = np.where(rng.random(rooms) < 0.2, 0, 1 + owner % 500 * len(CATEGORIES) + topic[owner])
    table = _room_rows(
        begin, end, live_id, streamer_id[owner], np.array(CATEGORIES)[topic[owner]], title
    )

    # Clicks: a topic, a streamer of it, one of their rooms.
    per_user = np.maximum(np.exp(np.log(median_clicks) + 1.2 * rng.normal(size=users)), 1).astype(
        int
    )
    who = np.repeat(np.arange(users), per_user)
    n = len(who)
    item = np.empty(n, np.int64)
    of_topic = [np.flatnonzero(topic == k) for k in range(len(CATEGORIES))]
    anywhere = rng.choice(streamers, n, p=popularity)
    own = rng.random(n) < 0.5
    for k, members in enumerate(of_topic):
        rows = np.flatnonzero(own & (taste[who] == k))
        item[rows] = rng.choice(
            members, len(rows), p=popularity[members] / popularity[members].sum()
        )
    item[~own] = anywhere[~own]
    again = (rng.random(n) < 0.36) & (np.append(-1, who[:-1]) == who)
    for i in np.flatnonzero(again):
        item[i] = item[i - 1]
    time = (
        START
        + rng.integers(DAYS, size=n) * DAY
        + ((rng.choice(24, n, p=HOURLY / HOURLY.sum()) + rng.random(n)) * 3_600_000).astype(
            np.int64
        )
    )
    engaged = rng.random(n) < 0.13
    z = rng.normal(size=n)
    watch = 1000 * np.where(engaged, 216 * np.exp(1.43 * z), 4.04 * np.exp(1.0 * z))
    watch = np.maximum(watch, 1).astype(np.int64)
    by_owner = np.argsort(owner, kind="stable")
    count = np.bincount(owner, minlength=streamers)
    first = np.cumsum(count) - count
    live = live_id[by_owner[first[item] + rng.integers(count[item])]]
    clicks = {
        "user_id": user_id[who],
        "live_id": live,
        "streamer_id": streamer_id[item],
        "timestamp": time,
        "watch_live_time": watch,
    }
    files: dict[str, dict[str, Any]] = {"room": table, "click": clicks}
    generous = np.exp(2.68 * rng.normal(size=users))
    for name, rate in PER_CLICK.items():
        pull = watch * (generous[who] if name == "gift" else 1.0)
        rows = rng.choice(n, int(rate * n), p=pull / pull.sum())
        files[name] = {c: clicks[c][rows] for c in EVENT}
        files[name]["timestamp"] = time[rows] + (rng.random(len(rows)) * watch[rows]).astype(
            np.int64
        )
    few = np.array(PRICES) / 72646
    price = rng.choice(
        np.arange(21), len(files["gift"]["user_id"]), p=np.append(1 - few.sum(), few)
    )
    tail = np.minimum(21 * (1 - rng.random(len(price))) ** (-1 / 0.9), 56246).astype(np.int64)
    files["gift"]["gift_price"] = np.where(price == 0, tail, price)
    rows = rng.integers(n, size=negatives * n)
    other = rng.integers(rooms, size=len(rows))
    if negatives:
        files["negative"] = {
            "user_id": clicks["user_id"][rows],
            "live_id": live_id[other],
            "streamer_id": streamer_id[owner[other]],
            "timestamp": time[rows],
        }
    files["user"] = _people(rng, user_id, USER)
    files["streamer"] = _people(rng, streamer_id, STREAMER)
    embeddings = rng.normal(size=(1 + 500 * len(CATEGORIES), 32)).astype(np.float32)
    embeddings[1:] += (
        3
        * rng.normal(size=(len(CATEGORIES), 32)).astype(np.float32)[
            (np.arange(len(embeddings) - 1)) % len(CATEGORIES)
        ]
    )
    return Mini(files, topic, taste, embeddings)


def _hours(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw hours with density ``1 + 0.8 cos(2 pi (h - 20) / 24)``, by inversion on a fine grid."""
    grid = (np.arange(2400) + 0.5) / 100
    density = 1 + 0.8 * np.cos(2 * np.pi * (grid - 20) / 24)
    return grid[np.searchsorted(np.cumsum(density) / density.sum(), rng.random(n))]


def _room_rows(
    begin: Any, end: Any, live: Any, streamer: Any, category: Any, title: Any
) -> dict[str, Any]:
    """Return one row per room and day: a room that spans midnight has two rows, each with the times
    known on that day."""
    midnight = (begin + SHIFT) // DAY * DAY + DAY - SHIFT
    over = np.flatnonzero(end > midnight)
    rows = np.concatenate([np.arange(len(begin)), over])
    stop = np.concatenate([np.minimum(end, midnight), end[over]])
    date = np.concatenate([midnight - DAY, midnight[over]])
    p_date = [
        str(d).replace("-", "")
        for d in (date + SHIFT).astype("datetime64[ms]").astype("datetime64[D]")
    ]
    order = np.argsort(date, kind="stable")
    columns = {
        "p_date": np.array(p_date),
        "live_id": live[rows],
        "streamer_id": streamer[rows],
        "live_type": np.ones(len(rows), np.int64),
        "start_timestamp": begin[rows],
        "end_timestamp": stop,
        "live_content_category": category[rows],
        "live_name_id": title[rows],
    }
    assert list(columns) == ROOM
    return {name: np.asarray(values)[order] for name, values in columns.items()}


def _people(rng: np.random.Generator, ids: np.ndarray, columns: list[str]) -> dict[str, Any]:
    n = len(ids)
    some = {
        "gender": rng.choice(["M", "F"], n),
        "age": rng.choice(["12-17", "18-23", "24-30", "31-40", "41-49", "50+"], n),
        "country": np.full(n, "China"),
        "device_brand": rng.choice(["APPLE", "HUAWEI", "DESKTOP"], n),
        "device_price": rng.choice(["0", "1000-2000", "5000+"], n),
        "live_operation_tag": rng.choice(["Relationship", "Game", "Music"], n, p=[0.6, 0.3, 0.1]),
        "first_live_timestamp": np.where(rng.random(n) < 0.1, "2025-05-10", "2018-02-04"),
        "reg_timestamp": np.full(n, "2014-07-03"),
        "first_watch_live_timestamp": np.full(n, "2023-05-03"),
    }
    ranges = rng.choice(["0-10", "10-100", "100-1000"], n)
    flags = rng.integers(2, size=n)
    first = {columns[0]: ids}
    return first | {
        c: some.get(c, flags if c.startswith(("is_", "onehot")) else ranges) for c in columns[1:]
    }
