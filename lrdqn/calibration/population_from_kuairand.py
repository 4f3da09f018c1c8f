"""A population fitted to KuaiRand, whose videos stand for streamers; fields that the files say
nothing about are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from lrdqn.calibration.directions import Directions, fit_directions
from lrdqn.calibration.factors import unit_rows
from lrdqn.calibration.population_from_watches import Field, Fit, watched_fields
from lrdqn.calibration.scales import BIAS_SD, affinity_moments, normal_scores
from lrdqn.calibration.sizes import check_sizes
from lrdqn.calibration.text_columns import one_hot_answers, tag_shares
from lrdqn.config import InputError
from lrdqn.logs.kuairand import LICENCE, SIGNALS, KuaiRand
from lrdqn.logs.watch_log import WatchLog, first_meetings, index_in, most_active, sorted_log

if TYPE_CHECKING:
    from lrdqn.compose.roots import CalibrateRun

LONG_VIEW = 18.0
"""Seconds from which a watch of a short video is a long view, by KuaiRand's rule."""
RATE_PRIOR = 20.0
"""Impressions at the mean rate that a counted rate is shrunk with; published rates come without
counts and are not shrunk."""
BANDS = (15, 30, 80, 150, 240)
"""Seconds that separate the bands of duration, about the published 10, 25, 50, 75 and 90 %
quantiles."""
CLICK, VIEW = SIGNALS.index("is_click"), SIGNALS.index("long_view")


def fit_kuairand(
    log: KuaiRand, config: CalibrateRun, rng: np.random.Generator
) -> tuple[Fit, Directions | None]:
    """Fit the fields of a population that a KuaiRand folder gives: from the logs where there are
    any, else from side tables and rates.

    Returns:
        The fields, and the vectors with their recall; ``None`` without logs, where the vectors are
        drawn.

    Raises:
        InputError: ``factors`` or the sizes do not fit the log.
    """
    from lrdqn.observations import Reaction

    if log.log is None:
        return _from_rates(log, config, rng), None
    watches, videos, users = cut(log, config.streamers, config.users)
    check_sizes(config, len(users), len(videos))
    found = fit_directions(first_meetings(watches), config.factors, config.seed, None)
    category, names = tag_shares(log.tag, videos)
    follows = (watches.reaction & Reaction.FOLLOW) > 0
    fields = watched_fields(
        watches, category, found, config.env.history, config.env.loyalty_slots, follows
    )
    fields["skill"] = fields["skill"]._replace(
        provenance=(
            "normal score of the share of clicks played for 18 s or "
            "more or with a reaction, shrunk with 10 clicks"
        )
    )
    fields["history"] = fields["history"]._replace(provenance="videos clicked last, newest first")
    of_tables, facts = _table_fields(log, videos, users, config.env.tags)
    clicks = np.bincount(watches.user, minlength=len(users))
    reactions = np.bincount(watches.user, watches.reaction > 0, len(users))
    fields |= of_tables | {
        "activity": Field(
            (clicks / clicks.mean()).astype(np.float32), "clicks, as a multiple of the mean"
        ),
        "interactions": Field(
            (clicks + reactions).astype(np.int32), "clicks and clicks with a reaction"
        ),
        "category": Field(category, "shares of a video's tags"),
        "debut": Field(np.zeros(len(videos), np.float32), "0: all videos were there before"),
    }
    facts = {
        "cut": "the most clicked videos, then the users with most clicks on them",
        "clicks": len(watches.user),
        "share_of_all_clicks": len(watches.user) / int(log.log.signals["is_click"].sum()),
        "categories": list(names),
        **facts,
    }
    return Fit(watches, fields, facts), found


def cut(
    log: KuaiRand, videos: int, users: int
) -> tuple[WatchLog, Int[np.ndarray, "S"], Int[np.ndarray, "U"]]:
    """Return the clicks on the most clicked videos by the users who clicked most on them, and the
    rows of both in the side tables."""
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
    kept_users = most_active(user[rows], users)
    rows = rows[index_in(kept_users, user[rows]) >= 0]
    kept = np.unique(video[rows])
    bits = (
        (Reaction.LIKE, "is_like"),
        (Reaction.COMMENT, "is_comment"),
        (Reaction.FOLLOW, "is_follow"),
    )
    watches = WatchLog(
        source="kuairand",
        licence=LICENCE,
        user=index_in(kept_users, user[rows]).astype(np.int32),
        item=index_in(kept, video[rows]).astype(np.int32),
        time=seen.time[rows] // 1000,
        seconds=(seen.played[rows] / 1000).astype(np.float32),
        reaction=sum(
            (bit * seen.signals[name][rows].astype(np.int32) for bit, name in bits),
            np.zeros(len(rows), np.int32),
        ),
        n_users=len(kept_users),
        n_items=len(kept),
        long=LONG_VIEW,
    )
    return sorted_log(watches), kept, kept_users


def _from_rates(log: KuaiRand, config: CalibrateRun, rng: np.random.Generator) -> Fit:
    """Fit a random sample of the videos and users with events; vectors are drawn around the real
    categories."""
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
    of_tables, facts = _table_fields(log, videos, users, config.env.tags)
    fields = {
        "category": Field(category, "shares of a video's tags"),
        "skill": Field(
            normal_scores(np.minimum(view, 1.0)), "normal score of long views per click"
        ),
        "category_bias": Field(
            BIAS_SD * propensity[:, None] * np.ones((1, category.shape[1])),
            "normal score of the user's click rate times .5, the same for all categories",
        ),
        "style": Field(style, None),
        "interest": Field(interest, None),
        "affinity_mean": Field(np.asarray(mean), "of interest . style over all pairs"),
        "affinity_scale": Field(np.asarray(scale), "sd of the same"),
    }
    fields = {
        name: field._replace(value=np.asarray(field.value, np.float32))
        for name, field in (fields | of_tables).items()
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
    return Fit(empty, fields, facts)


def _some(rows: Int[np.ndarray, "n"], most: int, rng: np.random.Generator) -> Int[np.ndarray, "m"]:
    return np.sort(rng.choice(rows, min(most, len(rows)), replace=False)) if len(rows) else rows


def _table_fields(
    log: KuaiRand, videos: Int[np.ndarray, "S"], users: Int[np.ndarray, "U"], tags: int
) -> tuple[dict[str, Field], dict[str, Any]]:
    """Return the fields that come from side tables and rates with or without logs (hook, bands of
    duration, profile), and facts for the card."""
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
    fields = {
        "hook": Field(
            hooks(log, videos).astype(np.float32),
            "normal score of the click rate beyond what long views per click predict",
        ),
        "tags": Field(bands, "bands of duration, 0/1"),
        "profile": Field(profile, "columns of the user table, one-hot"),
    }
    return fields, facts


def hooks(log: KuaiRand, videos: Int[np.ndarray, "S"]) -> Float[np.ndarray, "S"]:
    """Return hooks, which draw clicks that do not last: the normal score of the residual of click
    rate on long views per click.

    The regression over the videos is by least squares on logits of rates in [0.01, 0.99], shrunk
    with ``RATE_PRIOR`` impressions where these are counted.
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


def duration_bands(
    seconds: Float[np.ndarray, "S"], tags: int
) -> tuple[Float[np.ndarray, "S T"], tuple[str, ...]]:
    """Return one 0/1 column per band of duration, for the first T bands, and their names; unknown
    durations and columns beyond the bands are 0."""
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
    """Draw unit vectors as in a synthetic population: 0.6 of the category centre and 0.8 of a
    random direction, one draw per author.

    A user likes two categories, drawn in proportion to their videos, the second with half the
    weight of the first.
    """

    def unit(*shape: int) -> np.ndarray:
        return unit_rows(rng.normal(size=shape))

    centre = unit(category.shape[1], length)
    authors, index = np.unique(author, return_inverse=True)
    style = unit_rows(0.6 * unit_rows(category @ centre) + 0.8 * unit(len(authors), length)[index])
    share = category.sum(axis=0).astype(np.float64)
    liked = rng.choice(len(share), size=(users, 2), p=share / share.sum())
    interest = unit_rows(
        0.6 * (centre[liked[:, 0]] + 0.5 * centre[liked[:, 1]]) + 0.8 * unit(users, length)
    )
    return style.astype(np.float32), interest.astype(np.float32)


def beta_moments(rate: Float[np.ndarray, "n"]) -> tuple[float, float, float, float]:
    """Return mean m, sd and the parameters of the ``Beta(a, b)`` with these moments:
    ``a = m c, b = (1 - m) c, c = m (1 - m) / v - 1``, v the variance; NaN where v is 0."""
    m, v = float(np.mean(rate)), float(np.var(rate))
    c = m * (1 - m) / v - 1 if v > 0 else float("nan")
    return m, v**0.5, m * c, (1 - m) * c
