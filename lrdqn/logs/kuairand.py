"""Reader of a KuaiRand folder: side tables of users and videos, and either the logs or rates of
feedback per user and video."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float, Int

from lrdqn.config import InputError
from lrdqn.logs.csv import DAY_MS, TIME_MS, Column, Text, read_columns
from lrdqn.logs.tables import Match, match, read_table
from lrdqn.logs.watch_log import index_in

LICENCE = (
    "KuaiRand, CC BY-SA 4.0: credit Gao et al., CIKM 2022, doi "
    "10.1145/3511808.3557624, and share what is made of it (this "
    "population too) only under the same licence"
)
SIGNALS = ("is_click", "long_view", "is_like", "is_comment", "is_forward", "is_follow", "is_hate")
NEEDED = (
    "a KuaiRand folder with user_features_*.csv, video_features_basic_*.csv "
    "and either log_*.csv or kuairand_pure_rates.npz "
    "(there, in data/, or in kuairand_pure_features/ and kuairand_pure_rates/)"
)
PLACES = ("", "data", "kuairand_pure_features", "kuairand_pure_rates")
PROFILE = (
    "user_active_degree",
    "is_live_streamer",
    "is_video_author",
    "follow_user_num_range",
    "fans_user_num_range",
    "register_days_range",
)
"""Columns of the user table that make the profile of a user."""
ID = Column(low=0, allowed="must be a whole number, 0 or more")
FLAG = Column(low=0, high=1, allowed="must be 0 or 1")
LOG = {
    "user_id": ID,
    "video_id": ID,
    "time_ms": TIME_MS,
    "play_time_ms": Column(
        low=0, high=DAY_MS, allowed="must be milliseconds played, 0 or more and at most a day"
    ),
    "is_rand": FLAG,
    **dict.fromkeys(SIGNALS, FLAG),
}


class Impressions(NamedTuple):
    """Rows of the logs, in the order of the files."""

    user: Int[np.ndarray, "n"]
    video: Int[np.ndarray, "n"]
    time: Int[np.ndarray, "n"]
    """ms since 1970 (UTC)."""
    played: Int[np.ndarray, "n"]
    """ms."""
    random: Int[np.ndarray, "n"]
    """1 where the random policy drew the video, 0 where the standard policy recommended it."""
    signals: dict[str, Int[np.ndarray, "n"]]


class KuaiRand(NamedTuple):
    """Side tables, rates and, where present, the logs."""

    user_id: Int[np.ndarray, "U"]
    user_text: dict[str, Text]
    video_id: Int[np.ndarray, "S"]
    author: Int[np.ndarray, "S"]
    duration: Float[np.ndarray, "S"]
    """Seconds, NaN where unknown."""
    tag: Text
    """Tag numbers, separated by commas."""
    user_rate: Float[np.ndarray, "U 7"]
    """Share of impressions with each of ``SIGNALS``; 0 where there were none."""
    user_count: Int[np.ndarray, "U"] | None
    """Impressions behind the rates; unknown for published rates."""
    video_rate: Float[np.ndarray, "S 7"]
    video_count: Int[np.ndarray, "S"] | None
    log: Impressions | None
    matches: tuple[Match, ...] = ()
    """Rows of the logs that the side tables have."""


def read_kuairand(path: Path) -> KuaiRand:
    """Read a KuaiRand folder: the logs where there are any, else the rates.

    Rates are counted over the impressions of the standard policy, as the published ones are, or
    over all impressions where it has none. Everything is held in memory, about 100 bytes per
    impression: Pure and 1K fit into a laptop, 27K does not.

    Raises:
        InputError: a folder, file, column or value is missing or wrong. The line names file, line
            (the header's is 1), column, value and what is allowed.
    """
    if not path.is_dir():
        raise InputError(f"path={path}: no such folder; must be {NEEDED}")
    user_file = _one(path, "user_features_*.csv")
    users = _read(
        user_file,
        {"user_id": ID, **{name: Column("text") for name in PROFILE}},
    )
    seconds = Column(
        "real",
        low=0,
        high=DAY_MS,
        empty=np.nan,
        allowed="must be milliseconds, 0 or more and at most a day",
    )
    video_file = _one(path, "video_features_basic_*.csv")
    videos = _read(
        video_file,
        {"video_id": ID, "author_id": ID, "video_duration": seconds, "tag": Column("text")},
    )
    files = _found(path, "log_*.csv")
    user_id, video_id = users["user_id"], videos["video_id"]
    log, counts, matches = None, (None, None), ()
    if files:
        log = _impressions(files)
        matches = (
            match(files[0], "user_id", log.user, user_file, user_id),
            match(files[0], "video_id", log.video, video_file, video_id),
        )
        rows = log.random == 0 if np.any(log.random == 0) else np.ones(len(log.random), bool)
        sides = [
            _rates(np.asarray(ids)[rows], known, log, rows)
            for ids, known in ((log.user, user_id), (log.video, video_id))
        ]
        rates, counts = (sides[0][0], sides[1][0]), (sides[0][1], sides[1][1])
    else:
        rates = _published_rates(_one(path, "kuairand_pure_rates.npz"), user_id, video_id)
    return KuaiRand(
        user_id=user_id,
        user_text={name: users[name] for name in PROFILE},
        video_id=video_id,
        author=videos["author_id"],
        duration=videos["video_duration"] / 1000,
        tag=videos["tag"],
        user_rate=rates[0],
        user_count=counts[0],
        video_rate=rates[1],
        video_count=counts[1],
        log=log,
        matches=matches,
    )


def _found(path: Path, pattern: str) -> list[Path]:
    return [file for place in PLACES for file in sorted((path / place).glob(pattern))]


def _one(path: Path, pattern: str) -> Path:
    found = _found(path, pattern)
    if not found:
        raise InputError(f"path={path}: has no {pattern}; must be {NEEDED}")
    if len(found) > 1:
        raise InputError(
            f"path={path}: has {found[0].name} and {found[1].name}; "
            "must hold one version of KuaiRand"
        )
    return found[0]


def _read(file: Path, columns: dict[str, Column]) -> dict[str, Any]:
    read = read_table(file, columns, NEEDED, "kuairand")
    order = np.argsort(next(iter(read.values())), kind="stable")
    return {
        name: Text(x.code[order], x.names) if isinstance(x, Text) else x[order]
        for name, x in read.items()
    }


def _impressions(files: list[Path]) -> Impressions:
    parts = [read_columns(file, LOG, NEEDED, "kuairand") for file in files]
    whole = {name: np.concatenate([part.pop(name) for part in parts]) for name in LOG}
    if not len(whole["user_id"]):
        raise InputError(
            f"{files[0]}: has no impressions; must have at least one row below the header"
        )
    signals = {name: whole[name].astype(np.int8) for name in SIGNALS}
    return Impressions(
        whole["user_id"],
        whole["video_id"],
        whole["time_ms"],
        whole["play_time_ms"],
        whole["is_rand"].astype(np.int8),
        signals,
    )


def _rates(
    ids: Int[np.ndarray, "n"], known: Int[np.ndarray, "k"], log: Impressions, rows: np.ndarray
) -> tuple[Float[np.ndarray, "k 7"], Int[np.ndarray, "k"]]:
    at = index_in(known, ids)
    there = at >= 0
    count = np.bincount(at[there], minlength=len(known))
    each = [np.bincount(at[there], log.signals[name][rows][there], len(known)) for name in SIGNALS]
    return np.stack(each, axis=1) / np.maximum(count, 1)[:, None], count


def _published_rates(
    file: Path, users: np.ndarray, videos: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rates of users and videos from the arrays ``signals [7]``, ``user_rate`` and
    ``item_rate``, whose rows are ids."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, BadZipFile, EOFError) as error:
        raise InputError(
            f"{file}: cannot be read ({str(error).splitlines()[0]}); must be a NumPy archive"
        ) from error
    missing = [name for name in ("signals", "user_rate", "item_rate") if name not in arrays]
    if missing:
        raise InputError(f"{file}: has no {missing[0]}; must have signals, user_rate and item_rate")
    named = [str(name) for name in arrays["signals"]]
    lacks = [name for name in SIGNALS if name not in named]
    if lacks:
        raise InputError(f"{file}: signals lack {lacks[0]}; must be {', '.join(SIGNALS)}")
    column, found = [named.index(name) for name in SIGNALS], []
    for name, ids in (("user_rate", users), ("item_rate", videos)):
        rate = arrays[name]
        if rate.ndim != 2 or rate.shape[1] != len(named) or len(rate) <= ids.max():
            wanted = f"[{ids.max() + 1} or more, {len(named)}]"
            raise InputError(
                f"{file}: {name} has shape {list(rate.shape)}; must "
                f"be {wanted}, a row for each id of the table"
            )
        part = rate[ids][:, column].astype(np.float64)
        if not np.all((part >= 0) & (part <= 1)):
            raise InputError(
                f"{file}: {name} has {part[~((part >= 0) & (part <= 1))][0]:g}; must lie in [0, 1]"
            )
        found.append(part)
    return found[0], found[1]
