"""A population fitted to KuaiRand: videos stand for streamers. Much of it is drawn, for the files
say little of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from lrdqn.calibration.factors import unit_rows
from lrdqn.calibration.population_from_ratings import BIAS_SD, affinity_moments, normal_scores
from lrdqn.calibration.population_from_watches import (
    GROUPS,
    Directions,
    Fit,
    directions,
    one_hot_answers,
    watched_fields,
)
from lrdqn.config import InputError
from lrdqn.logs.csv import Text
from lrdqn.logs.kuairand import LICENCE, SIGNALS, KuaiRand
from lrdqn.logs.watch_log import WatchLog, first_meetings, index_in, most_active, sorted_log

if TYPE_CHECKING:
    from lrdqn.compose.roots import CalibrateRun

LONG_VIEW = 18.0
"""Seconds from which a short video counts as viewed long (KuaiRand's rule)."""
RATE_PRIOR = 20.0
"""Impressions at the average that a counted rate is shrunk with; published rates come without
counts and are not shrunk."""
BANDS = (15, 30, 80, 150, 240)
"""Seconds between the bands of duration (about the published 10, 25, 50, 75 and 90 % points)."""
CLICK, VIEW = SIGNALS.index("is_click"), SIGNALS.index("long_view")


def fit_kuairand(
    log: KuaiRand, config: CalibrateRun, rng: np.random.Generator
) -> tuple[Fit, Directions | None]:
    """Fit what KuaiRand tells of a population: from the logs where they are there, else from side
    tables and rates.

    Returns:
        The fit, and the vectors' recall; ``None`` without logs, where the vectors are drawn.

    Raises:
        InputError: ``factors`` or the sizes do not fit the log.
    """
    from lrdqn.observations import Reaction

    if log.log is None:
        return _from_rates(log, config, rng), None
    watches, videos, users = cut(log, config.streamers, config.users)
    found = directions(first_meetings(watches), config.factors, config.seed, None)
    category, names = tag_shares(log.tag, videos)
    follows = (watches.reaction & Reaction.FOLLOW) > 0
    fields, how = watched_fields(
        watches, category, found, config.env.history, config.env.loyalty_slots, follows
    )
    how["skill"] = (
        "normal score of the share of clicks played for 18 s or "
        "more or with a reaction, shrunk with 10 clicks"
    )
    how["history"] = "videos clicked last, newest first"
    clicks = np.bincount(watches.user, minlength=len(users))
    more, told, facts = _of_tables(log, videos, users, config.env.tags)
    counted = dict(
        zip(
            ("clicks", "share_of_all_clicks"),
            (len(watches.user), len(watches.user) / _clicks(log)),
            strict=True,
        )
    )
    reactions = np.bincount(watches.user, watches.reaction > 0, len(users))
    often = {
        "activity": (clicks / clicks.mean()).astype(np.float32),
        "interactions": (clicks + reactions).astype(np.int32),
        "debut": np.zeros(len(videos), np.float32),
    }
    words = {
        "activity": "clicks, as a multiple of the mean",
        "interactions": "clicks and clicks with a reaction",
    }
    return Fit(
        watches,
        fields | more | often | {"category": category},
        how
        | told
        | words
        | {"category": "shares of a video's tags", "debut": "0: all videos were there before"},
        {
            "cut": "the most clicked videos, then the users with most clicks on them",
            **counted,
            "categories": list(names),
            **facts,
        },
    ), found


def _clicks(log: KuaiRand) -> int:
    return 0 if log.log is None else int(log.log.signals["is_click"].sum())


def cut(
    log: KuaiRand, videos: int, users: int
) -> tuple[WatchLog, Int[np.ndarray, "S"], Int[np.ndarray, "U"]]:
    """Clicks on the most clicked videos by the users who clicked most on them, and the rows of both
    in the side tables."""
    from lrdqn.observations import Reaction

    seen = log.log
    assert seen is not None
    video, user = index_in(log.video_id, seen.video), index_in(log.user_id, seen.user)
    rows = np.flatnonzero((seen.signals["is_click"] > 0) & (video >= 0) & (user >= 0))
    if not len(rows):
        raise InputError(
            "path: the logs hold no click on a video of the table "
            "by a user of the table; must have some"
        )
    rows = rows[index_in(most_active(video[rows], videos), video[rows]) >= 0]
    people = most_active(user[rows], users)
    rows = rows[index_in(people, user[rows]) >= 0]
    kept = np.unique(video[rows])
    bits = (
        (Reaction.LIKE, "is_like"),
        (Reaction.COMMENT, "is_comment"),
        (Reaction.FOLLOW, "is_follow"),
    )
    watches = WatchLog(
        source="kuairand",
        licence=LICENCE,
        user=index_in(people, user[rows]).astype(np.int32),
        item=index_in(kept, video[rows]).astype(np.int32),
        time=seen.time[rows] // 1000,
        seconds=(seen.played[rows] / 1000).astype(np.float32),
        reaction=sum(
            (bit * seen.signals[name][rows].astype(np.int32) for bit, name in bits),
            np.zeros(len(rows), np.int32),
        ),
        n_users=len(people),
        n_items=len(kept),
        long=LONG_VIEW,
    )
    return sorted_log(watches), kept, people


def _from_rates(log: KuaiRand, config: CalibrateRun, rng: np.random.Generator) -> Fit:
    """Videos and users with any event, as many as asked for, by chance; vectors drawn around the
    real categories."""
    videos, users = (
        _some(np.flatnonzero(rate.any(axis=1)), most, rng)
        for rate, most in ((log.video_rate, config.streamers), (log.user_rate, config.users))
    )
    if not (len(videos) and len(users)):
        raise InputError("path: the rates are all 0; must have users and videos with events")
    category, names = tag_shares(log.tag, videos)
    style, interest = drawn_vectors(category, log.author[videos], len(users), config.factors, rng)
    mean, scale = affinity_moments(interest, style)
    view = log.video_rate[videos, VIEW] / np.maximum(log.video_rate[videos, CLICK], 1e-9)
    propensity = normal_scores(log.user_rate[users, CLICK])
    fields = {
        "category": category,
        "skill": normal_scores(np.minimum(view, 1.0)),
        "category_bias": BIAS_SD * propensity[:, None] * np.ones((1, category.shape[1])),
        "style": style,
        "interest": interest,
        "affinity_mean": mean,
        "affinity_scale": scale,
    }
    more, told, facts = _of_tables(log, videos, users, config.env.tags)
    how = {
        "category": "shares of a video's tags",
        "skill": "normal score of long views per click",
        "category_bias": (
            "normal score of the user's click rate times .5, the same for all categories"
        ),
        "affinity_mean": "of interest . style over all pairs",
        "affinity_scale": "sd of the same",
    }
    nothing = np.zeros(0, np.int32)
    empty = WatchLog(
        "kuairand",
        LICENCE,
        nothing,
        nothing,
        nothing.astype(np.int64),
        nothing.astype(np.float32),
        nothing,
        len(users),
        len(videos),
    )
    facts = {
        "cut": "videos and users with an event, by chance",
        "style_and_interest": (
            "drawn around the real categories; videos of one author share their deviation"
        ),
        "categories": list(names),
        **facts,
    }
    return Fit(
        empty, {k: np.asarray(v, np.float32) for k, v in (fields | more).items()}, how | told, facts
    )


def _some(rows: Int[np.ndarray, "n"], most: int, rng: np.random.Generator) -> Int[np.ndarray, "m"]:
    return np.sort(rng.choice(rows, min(most, len(rows)), replace=False)) if len(rows) else rows


def _of_tables(
    log: KuaiRand, videos: Int[np.ndarray, "S"], users: Int[np.ndarray, "U"], tags: int
) -> tuple[dict[str, np.ndarray], dict[str, str], dict[str, Any]]:
    """Fields that hang on the side tables and rates in either case: hook, bands of duration,
    profile."""
    profile, answers = one_hot_answers(log.user_text, users)
    bands, names = duration_bands(log.duration[videos], tags)
    facts = {
        "videos": len(log.video_id),
        "authors": len(np.unique(log.author[videos])),
        "tags": list(names),
        "profile": list(answers),
        "beta": {
            f"{side}_{s}": [round(float(x), 4) for x in beta_moments(rate[:, i])]
            for side, rate in (("user", log.user_rate), ("video", log.video_rate))
            for i, s in enumerate(SIGNALS)
        },
    }
    how = {
        "hook": "normal score of the click rate beyond what long views per click predict",
        "tags": "bands of duration, 0/1",
        "profile": "columns of the user table, one-hot",
    }
    fields = {"hook": hooks(log, videos).astype(np.float32), "tags": bands, "profile": profile}
    return fields, how, facts


def hooks(log: KuaiRand, videos: Int[np.ndarray, "S"]) -> Float[np.ndarray, "S"]:
    """What draws clicks and does not hold: normal score of the residual of click rate on long views
    per click.

    Both as logits of rates in [.01, .99], shrunk with 20 impressions where these are counted; least
    squares over the videos.
    """
    rate = log.video_rate[:, [CLICK, VIEW]]
    if log.video_count is not None:
        count = log.video_count[:, None]
        mean = (rate * count).sum(axis=0) / max(float(count.sum()), 1.0)
        rate = (rate * count + RATE_PRIOR * mean) / (count + RATE_PRIOR)
    click, view = rate[videos].T
    x, y = (
        np.log(p / (1 - p))
        for p in (np.clip(view / np.maximum(click, 1e-9), 0.01, 0.99), np.clip(click, 0.01, 0.99))
    )
    spread = x.var()
    slope = np.mean((x - x.mean()) * (y - y.mean())) / spread if spread > 0 else 0.0
    return normal_scores(np.round(y - y.mean() - slope * (x - x.mean()), 9))


def tag_shares(
    tag: Text, rows: Int[np.ndarray, "S"]
) -> tuple[Float[np.ndarray, "S G"], tuple[str, ...]]:
    """Category shares: a video of k tags has 1/k in each; the 31 commonest tags, `other`, and
    `unknown` without a tag."""
    split = [[t.strip() for t in name.split(",") if t.strip()] or ["unknown"] for name in tag.names]
    count: dict[str, int] = {}
    for names, n in zip(split, np.bincount(tag.code[rows], minlength=len(split)), strict=True):
        for name in names if n else []:
            count[name] = count.get(name, 0) + int(n)
    ranked = sorted(count, key=lambda name: (-count[name], name))
    kept = ranked if len(ranked) <= GROUPS else [*ranked[: GROUPS - 1], "other"]
    place = {name: index for index, name in enumerate(kept)}
    table = np.zeros((len(split), len(kept)), np.float32)
    for row, names in enumerate(split):
        for name in names:
            table[row, place.get(name, len(kept) - 1)] += 1 / len(names)
    return table[tag.code[rows]], tuple(kept)


def duration_bands(
    seconds: Float[np.ndarray, "S"], tags: int
) -> tuple[Float[np.ndarray, "S T"], tuple[str, ...]]:
    """One column per band of duration that has a place among the T; unknown durations and further
    columns are 0."""
    low, high = (0, *BANDS), (*BANDS, np.inf)
    out = np.zeros((len(seconds), tags), np.float32)
    band = np.digitize(np.nan_to_num(seconds, nan=-1.0), BANDS)
    known = np.isfinite(seconds) & (band < tags)
    out[np.flatnonzero(known), band[known]] = 1
    return out, tuple(
        f"{a}-{b} s" if np.isfinite(b) else f"{a} s or more" for a, b in zip(low, high, strict=True)
    )[:tags]


def drawn_vectors(
    category: Float[np.ndarray, "S G"],
    author: Int[np.ndarray, "S"],
    users: int,
    length: int,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "S d"], Float[np.ndarray, "U d"]]:
    """Unit vectors as a synthetic population has them: .6 of the categories' centres and .8 of
    chance, one draw per author.

    A user likes two categories, drawn by how many videos they have, the second half as much.
    """

    def unit(*shape: int) -> np.ndarray:
        return unit_rows(rng.normal(size=shape))

    centre = unit(category.shape[1], length)
    authors, who = np.unique(author, return_inverse=True)
    style = unit_rows(0.6 * unit_rows(category @ centre) + 0.8 * unit(len(authors), length)[who])
    share = category.sum(axis=0).astype(np.float64)
    liked = rng.choice(len(share), size=(users, 2), p=share / share.sum())
    interest = unit_rows(
        0.6 * (centre[liked[:, 0]] + 0.5 * centre[liked[:, 1]]) + 0.8 * unit(users, length)
    )
    return style.astype(np.float32), interest.astype(np.float32)


def beta_moments(rate: Float[np.ndarray, "n"]) -> tuple[float, float, float, float]:
    """Mean, sd and the ``Beta(a, b)`` of the same:
    ``a = m c, b = (1 - m) c, c = m (1 - m) / v - 1``; NaN where v is 0."""
    m, v = float(np.mean(rate)), float(np.var(rate))
    c = m * (1 - m) / v - 1 if v > 0 else float("nan")
    return m, v**0.5, m * c, (1 - m) * c
