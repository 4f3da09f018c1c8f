"""The KuaiLive reader on a miniature in the published format: exact counts, the pitfalls of the
format, and one-line errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data.kuailive_mini import DAY, EVENT, SHIFT, Mini, make_mini

from lrdqn.config import InputError
from lrdqn.logs.kuailive import PROFILE, read_embeddings, read_kuailive


@pytest.fixture(scope="module")
def mini() -> Mini:
    return make_mini(users=30, streamers=60, rooms=150, seed=1, median_clicks=20.0)


ONE_HOT = " ".join(f"onehot_feat{i}" for i in range(7))
PUBLISHED = {
    "user": "user_id age gender country device_brand device_price reg_timestamp fans_num follow_num"
    " first_watch_live_timestamp accu_watch_live_cnt accu_watch_live_duration is_live_streamer"
    f" is_photo_author {ONE_HOT}",
    "streamer": "streamer_id gender age country device_brand device_price live_operation_tag"
    " fans_user_num fans_group_fans_num follow_user_num first_live_timestamp accu_live_cnt"
    f" accu_live_duration accu_play_cnt accu_play_duration reg_timestamp {ONE_HOT}",
    "room": "p_date live_id streamer_id live_type start_timestamp end_timestamp"
    " live_content_category live_name_id",
    "click": "user_id live_id streamer_id timestamp watch_live_time",
    "comment": "user_id live_id streamer_id timestamp",
    "like": "user_id live_id streamer_id timestamp",
    "gift": "user_id live_id streamer_id timestamp gift_price",
    "negative": "user_id live_id streamer_id timestamp",
}
"""Columns of each file, from the data set's own page (github.com/imgkkk574/KuaiLive)."""
ROWS = {
    "user": "21,18-23,M,China,DESKTOP,0,2023-05-03,0-10,10-100,2023-05-03,0-50000,0-1000000000"
    + ",0" * 9,
    "streamer": "31,M,24-30,China,APPLE,5000+,Relationship,10000-100000,0-10,1000-10000,2018-02-04,"
    "100-500,500000000-1000000000,100000-500000,50000000000-100000000000,2014-07-03" + ",0" * 7,
    "room": "20250525,41,31,1,1748131180878,1748275200000,shop,0",
    "click": "21,41,31,1748131190022,2852",
    "comment": "21,41,31,1748131190819",
    "like": "21,41,31,1748131194059",
    "gift": "21,41,31,1748131191260,2",
    "negative": "22,41,31,1748131192498",
}
"""An invented row of each file, in the formats of the published ones."""


def test_the_miniature_has_the_published_columns(mini: Mini) -> None:
    assert {name: " ".join(columns) for name, columns in mini.files.items()} == PUBLISHED


def test_a_row_of_each_file_is_read(tmp_path: Path) -> None:
    for name, row in ROWS.items():
        header = PUBLISHED[name].replace(" ", ",")
        (tmp_path / f"{name}.csv").write_text(f"{header}\n{row}\n")
    log = read_kuailive(tmp_path)
    assert [int(column[0]) for column in log.clicks if column is not None] == [
        21,
        41,
        31,
        1748131190022,
        2852,
    ]
    assert [int(column[0]) for column in log.gifts if column is not None] == [
        21,
        41,
        31,
        1748131191260,
        2,
    ]
    assert (log.rooms.end[0] + SHIFT) % DAY == 0
    assert log.rooms.category_names == ("shop",)
    assert log.operation_tag.names == ("Relationship",)
    assert np.datetime64(int(log.first_live[0]), "D") == np.datetime64("2018-02-04")
    assert [text.names for text in log.user_text.values()] == [
        ("18-23",),
        ("M",),
        ("0",),
        ("10-100",),
        ("0-50000",),
    ]
    assert log.negatives == 1


@pytest.mark.parametrize(("author", "titles"), [(False, "npy"), (True, "npz"), (False, "none")])
def test_every_row_is_read_under_either_name_of_a_streamer(
    mini: Mini, tmp_path: Path, author: bool, titles: str
) -> None:
    log = read_kuailive(mini.write(tmp_path, author, titles))
    for name, events in (
        ("click", log.clicks),
        ("comment", log.comments),
        ("like", log.likes),
        ("gift", log.gifts),
    ):
        wrote = mini.files[name]
        for column, got in zip(EVENT, events, strict=False):
            np.testing.assert_array_equal(got, wrote[column])
        assert events.size == len(wrote["user_id"])
    np.testing.assert_array_equal(log.clicks.amount, mini.files["click"]["watch_live_time"])
    np.testing.assert_array_equal(log.gifts.amount, mini.files["gift"]["gift_price"])
    assert log.negatives == 5 * log.clicks.size
    np.testing.assert_array_equal(log.user_id, mini.files["user"]["user_id"])
    for name in PROFILE:
        text = log.user_text[name]
        assert [text.names[code] for code in text.code] == mini.files["user"][name].tolist()
    days = np.array(mini.files["streamer"]["first_live_timestamp"], "datetime64[D]").astype(int)
    np.testing.assert_array_equal(log.first_live, days)
    assert (log.embeddings is None) == (titles == "none")
    if log.embeddings is not None:
        np.testing.assert_array_equal(
            read_embeddings(log.embeddings, np.array([3, 0, 3])), mini.embeddings[[3, 0, 3]]
        )


def test_rooms_are_one_each_from_the_first_start_to_the_last_end(
    mini: Mini, tmp_path: Path
) -> None:
    rooms = read_kuailive(mini.write(tmp_path)).rooms
    wrote = mini.files["room"]
    assert rooms.rows == len(wrote["live_id"]) > rooms.size == 150
    for i, live in enumerate(rooms.live):
        rows = np.flatnonzero(wrote["live_id"] == live)
        assert rooms.start[i] == wrote["start_timestamp"][rows].min()
        assert rooms.end[i] == wrote["end_timestamp"][rows].max()
        assert rooms.streamer[i] == wrote["streamer_id"][rows[0]]
        assert rooms.category_names[rooms.category[i]] == wrote["live_content_category"][rows[0]]
        assert rooms.title[i] == wrote["live_name_id"][rows[0]]
    over = np.array([np.sum(wrote["live_id"] == live) for live in rooms.live]) > 1
    assert np.any(over)
    assert np.any((wrote["end_timestamp"] + SHIFT) % DAY == 0)


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    """Replace the first ``old`` of a file."""

    def change(folder: Path) -> None:
        file = folder / name
        text = file.read_text()
        assert re.search(old, text)
        file.write_text(re.sub(old, new, text, count=1))

    return change


ROW = r"\n(\d+),(\d+),(\d+),(\d+)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(
            (
                lambda folder, name=name: (folder / f"{name}.csv").unlink(),
                f"has no {name}.csv; must be a KuaiLive folder",
            )
            for name in ("click", "comment", "like", "gift", "room", "user", "streamer")
        ),
        (
            edit("click.csv", "watch_live_time", "watch"),
            "click.csv:1: column watch_live_time is missing",
        ),
        (
            edit("like.csv", "streamer_id", "streamer"),
            "like.csv:1: column streamer_id or author_id is missing",
        ),
        (
            edit("click.csv", ROW, r"\n\1,\2,\3,1746374400"),
            "click.csv:2: timestamp=1746374400: must be milliseconds",
        ),
        (
            edit("click.csv", ROW + r",\d+", r"\n\1,\2,\3,\4,-1"),
            "click.csv:2: watch_live_time=-1: must be milliseconds",
        ),
        (
            edit("click.csv", ROW + r",\d+", r"\n\1,\2,\3,\4,2.5"),
            "click.csv:2: watch_live_time='2.5': must be milliseconds",
        ),
        (
            edit("gift.csv", ROW + r",\d+", r"\n\1,\2,\3,\4,0"),
            "gift.csv:2: gift_price=0: must be a price of at least 1",
        ),
        (
            edit("comment.csv", ROW, r"\nme,\2,\3,\4"),
            "comment.csv:2: user_id='me': must be a whole number",
        ),
        (
            edit("comment.csv", ROW, r"\n,\2,\3,\4"),
            "comment.csv:2: user_id is empty; must be a whole number",
        ),
        (
            edit("comment.csv", ROW, r"\n\1,\2,\3"),
            "comment.csv:2: has 3 values; must have 4, as the header",
        ),
        (
            edit("room.csv", r"\n(\d+,\d+,\d+,\d+),(\d+),\d+", r"\n\1,\2,1000000000001"),
            "room.csv:2: end_timestamp=1000000000001: must not be before start_timestamp=",
        ),
        (
            edit("streamer.csv", r"20\d\d-\d\d-\d\d", "last year"),
            "first_live_timestamp='last year': must be a date",
        ),
        (
            edit("click.csv", r"\n[\s\S]*", "\n"),
            "click.csv: has no clicks; must have at least one row",
        ),
        (
            edit("room.csv", r"\n[\s\S]*", "\n"),
            "room.csv: has no rooms; must have at least one row",
        ),
    ],
)
def test_what_is_wrong_is_named(
    mini: Mini, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    change(mini.write(tmp_path))
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_kuailive(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("unknown", ["", "-124", "UNKNOWN", "1970-01-01 08:00:00"])
def test_a_streamer_of_unknown_age_is_an_old_one(mini: Mini, tmp_path: Path, unknown: str) -> None:
    edit("streamer.csv", r"20\d\d-\d\d-\d\d", unknown)(mini.write(tmp_path))
    days = read_kuailive(tmp_path).first_live
    assert days[0] == 0
    assert days[1:].min() > 17_000


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder; must be a KuaiLive folder"):
        read_kuailive(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (lambda file: file.write_bytes(b"no"), "cannot be read"),
        (lambda file: np.save(file, np.zeros(3)), "must hold a matrix of numbers"),
        (lambda file: np.save(file, np.zeros((3, 2), int)), "must hold a matrix of numbers"),
        (
            lambda file: np.save(file, np.zeros((3, 2))),
            "has 3 rows, but room.csv has live_name_id=5",
        ),
    ],
)
def test_embeddings_that_do_not_fit(
    tmp_path: Path, save: Callable[[Path], None], message: str
) -> None:
    save(tmp_path / "title_embeddings.npy")
    with pytest.raises(InputError, match=message):
        read_embeddings(tmp_path / "title_embeddings.npy", np.array([5]))
