"""A miniature KuaiRand of a few thousand impressions, with the published columns of side tables and
logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

START = 1649347200000
"""2022-04-08 00:00 +08, in ms."""
USER = [
    "user_id",
    "user_active_degree",
    "is_lowactive_period",
    "is_live_streamer",
    "is_video_author",
    "follow_user_num",
    "follow_user_num_range",
    "fans_user_num",
    "fans_user_num_range",
    "friend_user_num",
    "friend_user_num_range",
    "register_days",
    "register_days_range",
    *[f"onehot_feat{i}" for i in range(18)],
]
VIDEO = [
    "video_id",
    "author_id",
    "video_type",
    "upload_dt",
    "upload_type",
    "visible_status",
    "video_duration",
    "server_width",
    "server_height",
    "music_id",
    "music_type",
    "tag",
]
LOG = [
    "user_id",
    "video_id",
    "date",
    "hourmin",
    "time_ms",
    "is_click",
    "is_like",
    "is_follow",
    "is_comment",
    "is_forward",
    "is_hate",
    "long_view",
    "play_time_ms",
    "duration_ms",
    "profile_stay_time",
    "comment_stay_time",
    "is_profile_enter",
    "is_rand",
    "tab",
]
SIGNALS = ("is_click", "long_view", "is_like", "is_comment", "is_forward", "is_follow", "is_hate")


class Mini(NamedTuple):
    """Columns of every file."""

    users: dict[str, Any]
    videos: dict[str, Any]
    logs: dict[str, dict[str, Any]]
    rates: dict[str, np.ndarray]

    def write(self, folder: Path, logs: bool = True) -> Path:
        """Write the tables, and the logs or the rates."""
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "user_features_pure.csv", self.users)
        _write(folder / "video_features_basic_pure.csv", self.videos)
        if logs:
            for name, columns in self.logs.items():
                _write(folder / f"{name}.csv", columns)
        else:
            np.savez(folder / "kuairand_pure_rates.npz", **self.rates)
        return folder


def make_mini(users: int = 60, videos: int = 90, impressions: int = 6000, seed: int = 0) -> Mini:
    """Draw play times that depend on user, video and a shared topic, and derive clicks and long
    views by KuaiRand's rules."""
    rng = np.random.default_rng(seed)
    topic, taste = rng.integers(3, size=videos), rng.integers(3, size=users)
    duration = np.where(
        rng.random(videos) < 0.05, np.nan, np.round(np.exp(rng.normal(4.2, 1, videos)) * 1000)
    )
    tags = [["39", '"39,8"', "12"][t] if rng.random() > 0.1 else "" for t in topic]
    n = impressions
    user, video = rng.integers(users, size=n), rng.integers(videos, size=n)
    pull = (
        rng.normal(size=users)[user]
        + rng.normal(size=videos)[video]
        + 2.0 * (topic[video] == taste[user])
    )
    length = np.nan_to_num(duration, nan=60_000.0)[video]
    played = np.minimum(np.exp(1.5 + pull + rng.normal(size=n)) * 1000, length).astype(np.int64)
    click = np.where(length <= 7000, played >= length, played > 7000).astype(int)
    view = np.where(length <= 18000, played >= length, played > 18000).astype(int)
    flags = {name: ((rng.random(n) < 0.05) & (click > 0)).astype(int) for name in SIGNALS[2:]}
    columns = {name: np.zeros(n, int) for name in LOG} | {
        "user_id": user,
        "video_id": video,
        "time_ms": START + np.sort(rng.integers(0, 14 * 86_400_000, n)),
        "is_click": click,
        "long_view": view,
        "play_time_ms": played,
        "duration_ms": length.astype(int),
        "tab": np.ones(n, int),
        **flags,
    }
    columns = {name: columns[name] for name in LOG}
    half = n // 2
    logs = {
        "log_standard_4_08_to_4_21_pure": {k: v[:half] for k, v in columns.items()},
        "log_random_4_22_to_5_08_pure": {k: v[half:] for k, v in columns.items()},
    }
    logs["log_random_4_22_to_5_08_pure"]["is_rand"] = np.ones(n - half, int)
    standard = logs["log_standard_4_08_to_4_21_pure"]

    def rates(ids: np.ndarray, most: int) -> np.ndarray:
        count = np.maximum(np.bincount(ids, minlength=most), 1)
        return np.stack(
            [np.bincount(ids, standard[s], most) / count for s in SIGNALS], axis=1
        ).astype(np.float32)

    some = {
        "user_active_degree": rng.choice(["full_active", "high_active", "UNKNOWN"], users),
        "is_live_streamer": rng.choice([1, -124], users),
        "fans_user_num_range": np.full(users, '"[10,100)"'),
        "follow_user_num_range": np.full(users, "500+"),
        "register_days_range": rng.choice(["730+", "8-14"], users),
    }
    table = {name: some.get(name, np.zeros(users, int)) for name in USER} | {
        "user_id": np.arange(users)
    }
    whole = {name: np.zeros(videos, int) for name in VIDEO} | {
        "video_id": np.arange(videos),
        "author_id": 1000 + rng.integers(videos // 2, size=videos),
        "video_duration": ["" if np.isnan(d) else d for d in duration.tolist()],
        "tag": tags,
    }
    found = {
        "signals": np.array(SIGNALS),
        "user_rate": rates(standard["user_id"], users),
        "item_rate": rates(standard["video_id"], videos),
    }
    return Mini(table, {name: whole[name] for name in VIDEO}, logs, found)


def _write(file: Path, columns: dict[str, Any]) -> None:
    rows = zip(
        *(np.asarray(c).tolist() if not isinstance(c, list) else c for c in columns.values()),
        strict=True,
    )
    file.write_text(
        "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n"
    )
