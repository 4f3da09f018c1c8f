"""Keys of the live world (``env=live``)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lrdqn.config.env import EnvConfig
from lrdqn.config.fields import (
    ConfigError,
    choice_field,
    float_field,
    int_field,
    path_field,
    plain_field,
)
from lrdqn.envs.live.log.config import LogConfig
from lrdqn.envs.live.tick.config import TickConfig

SIM_VERSION = "4"
"""Raised with every change of the live world's behaviour; history: envs/live/README.md, section
14."""


@dataclass
class RewardConfig:
    """Weights of the reward's parts, all of them design choices; each part is reported by itself.

    Source: envs/live/README.md, section 8.
    """

    watch: float = plain_field(1.0, "per minute watched")
    watch_cap_minutes: float = float_field(
        10.0,
        0.0,
        math.inf,
        "minutes of one watch that count; as in satisfaction, ten are full",
        open_low=True,
    )
    comment: float = plain_field(0.5, "per comment")
    like: float = plain_field(0.3, "per like")
    follow: float = plain_field(2.0, "per new follow")
    gift: float = plain_field(1.0, "times log1p(total price of one watch)")
    bounce: float = plain_field(-0.1, "per watch under three seconds")
    no_click: float = plain_field(0.0, "per impression without a click")
    comeback: float = plain_field(
        5.0, "per return on the next day, paid at the end of the session (episode=session)"
    )
    delay: str = choice_field(
        "none",
        ("none", "tick", "end"),
        "when follows and gifts are paid: at once, with the next decision, as the session ends",
    )


@dataclass
class UserLawConfig:
    """Constants of the laws of users; (design) marks a number without data behind it.

    Source: envs/live/README.md, sections 5 to 7 and 15.
    """

    affinity: float = plain_field(1.2, "weight of standardised interest . style in the utility")
    popularity: float = plain_field(0.15, "weight of standardised log popularity")
    skill: float = plain_field(0.4, "weight of the streamer's skill")
    hook: float = plain_field(0.4, "weight of the hook: it draws clicks (design)")
    loyalty: float = plain_field(1.5, "weight of loyalty x 24-hour kernel")
    highlight: float = plain_field(0.4, "weight of (highlight - 0.3)")
    fatigue: float = plain_field(0.8, "weight of the category's fatigue")
    click_bias: float = plain_field(-0.375, "logit of a click at average utility")
    click_slope: float = plain_field(0.8, "logit of a click per unit of utility")
    position_decay: float = float_field(
        0.85,
        0.0,
        1.0,
        "attention kept from one place of a slate to the next (cascade, pbm, position_mnl)",
    )
    cascade_scale: float = float_field(
        0.65, 0.0, math.inf, "scale of the exponential cascade (design)", open_low=True
    )
    choice_floor: float = float_field(
        -3.0, -100.0, -0.01, "logit at which the proportional model gives no mass (design)"
    )
    engage_bias: float = plain_field(-2.64, "logit of staying at average utility")
    engage_slope: float = plain_field(0.8, "logit of staying per unit of utility")
    bounce_median: float = float_field(
        4.04, 0.0, math.inf, "seconds, median of a bounce (KuaiLive fit)", open_low=True
    )
    bounce_sigma: float = float_field(1.0, 0.0, math.inf, "log-sd of a bounce")
    dwell_median: float = float_field(
        216.0, 0.0, math.inf, "seconds, median of an engaged watch (KuaiLive fit)", open_low=True
    )
    dwell_sigma: float = float_field(1.43, 0.0, math.inf, "log-sd of an engaged watch")
    comment_rate: float = float_field(
        0.0291, 0.0, math.inf, "comments per minute watched (KuaiLive)"
    )
    like_rate: float = float_field(0.0265, 0.0, math.inf, "likes per minute watched (KuaiLive)")
    gift_rate: float = float_field(0.0108, 0.0, math.inf, "gifts per minute watched (KuaiLive)")
    reaction_utility: float = plain_field(0.5, "log-rate of reactions per unit of utility")
    reaction_highlight: float = plain_field(
        0.7, "log-rate of reactions per unit of (highlight - 0.3)"
    )
    reaction_norm: float = float_field(
        2.6, 0.0, math.inf, "mean of the two factors above over minutes watched", open_low=True
    )
    follow_bias: float = plain_field(-4.0, "logit of a follow after a minute")
    price_tilt: float = plain_field(
        0.1, "logit of a gift's price, per rung of the ladder, of the wealthiest user (GiftLive)"
    )
    experience_affinity: float = plain_field(
        0.2, "experience per unit of standardised affinity (design)"
    )
    experience_skill: float = plain_field(0.4, "experience per unit of skill (design)")
    experience_hook: float = plain_field(-0.9, "experience per unit of hook (design)")
    patience_median: float = float_field(
        10.0,
        0.0,
        math.inf,
        "median of the patience that a session starts with (design)",
        open_low=True,
    )
    patience_sigma: float = float_field(0.4, 0.0, math.inf, "log-sd of that patience (design)")
    patience_no_click: float = float_field(
        0.5, 0.0, math.inf, "patience lost without a click (design)"
    )
    patience_gain: float = float_field(
        3.0, 0.0, math.inf, "patience won by a good long watch (design)"
    )
    session_hours: float = float_field(
        1.5, 0.0, math.inf, "median of a user's free time (design)", open_low=True
    )
    session_sigma: float = float_field(0.6, 0.0, math.inf, "log-sd of that time (design)")
    decision_seconds: float = float_field(
        3.0, 0.0, math.inf, "time that one impression takes", open_low=True
    )
    satisfaction_rate: float = float_field(
        0.05, 0.0, 1.0, "weight of the newest watch in the satisfaction average (design)"
    )
    return_bias: float = plain_field(
        2.98, "logit of coming back the next day at average satisfaction"
    )
    return_slope: float = plain_field(6.0, "logit of coming back per unit of satisfaction (design)")
    return_mean: float = plain_field(0.015, "average satisfaction")
    fatigue_minutes: float = float_field(
        30.0, 0.0, math.inf, "time constant of category fatigue", open_low=True
    )
    loyalty_gain: float = float_field(
        0.3, 0.0, 1.0, "share of the way to full loyalty won by a ten-minute watch"
    )
    loyalty_days: float = float_field(7.0, 0.0, math.inf, "time constant of loyalty", open_low=True)
    interest_rate: float = float_field(
        0.05,
        0.0,
        1.0,
        (
            "share of the way to a stream's style that a ten-minute "
            "watch moves an interest (drift=smooth; design)"
        ),
    )


@dataclass
class ScheduleConfig:
    """Schedule of rooms. Source: envs/live/README.md, section 3."""

    days: int = int_field(14, 3, "length of the schedule", 365)
    rooms_per_day: float = float_field(
        1.27,
        0.0,
        24.0,
        "rooms that a streamer plans to open per day; 1.22 are opened (KuaiLive)",
        open_low=True,
    )
    room_hours: float = float_field(
        3.6, 0.0, 24.0, "mean length of a room (KuaiLive-Agent, by Little's law)", open_low=True
    )
    room_sigma: float = float_field(0.9, 0.0, 3.0, "log-sd of a room's length")
    gap_hours: float = float_field(
        2.0, 0.0, 24.0, "median pause between two rooms of a streamer", open_low=True
    )
    gap_sigma: float = float_field(0.7, 0.0, 3.0, "log-sd of the pause")
    amplitude: float = float_field(1.0, 0.0, 1.0, "swing of the starts over the day")
    peak_hour: float = float_field(19.0, 0.0, 24.0, "hour at which most rooms start")
    phase_hours: float = float_field(
        1.5, 0.0, 12.0, "sd of a category's own shift of that hour (design)"
    )
    habit: float = float_field(
        0.6, 0.0, 1.0, "share of a streamer's rooms that start around a preferred hour"
    )
    empty_hazard: float = float_field(
        0.2, 0.0, 60.0, "chance per hour that a streamer gives up an empty room (design)"
    )
    empty_viewers: float = float_field(
        1.0, 0.0, math.inf, "viewers at which that chance has fallen to 1 / e", open_low=True
    )
    bin_minutes: int = int_field(
        15, 1, "grid of the table of who is on air; liveness itself is exact", 240
    )


@dataclass
class PerturbConfig:
    """Changes of a world after it was drawn; at 0, none. ``conf/perturbation/`` holds named sets.

    Source: envs/live/README.md, section 11.
    """

    taste_drift: float = float_field(
        0.0, 0.0, 1.0, "share of every user's interest that turns to a random direction"
    )
    hook_share: float = float_field(0.0, 0.0, 1.0, "share of streamers that turn to clickbait")
    hook_shift: float = float_field(2.0, -10.0, 10.0, "increase of their hook")
    popularity_shock: float = float_field(
        0.0, 0.0, 10.0, "standard deviation of a shock on every streamer's log popularity"
    )
    outage_share: float = float_field(
        0.0, 0.0, 1.0, "share of rooms that drop out once, for 2 to 20 minutes"
    )
    cold_users: float = float_field(0.0, 0.0, 1.0, "share of users without history and loyalties")
    cold_streamers: float = float_field(0.0, 0.0, 1.0, "share of streamers that no policy has met")
    missing_views: float = float_field(
        0.0, 0.0, 1.0, "share of the views of streamers that go missing (content=multimodal)"
    )


@dataclass
class ViewConfig:
    """One view of a streamer's content."""

    width: int = int_field(16, 0, "numbers of this view; 0 leaves it out", 4096)
    noise: float = float_field(
        1.0, 0.0, 100.0, "standard deviation of its noise over that of its signal (design)"
    )
    missing: float = float_field(0.0, 0.0, 1.0, "share of streamers without it (design)")


@dataclass
class ViewsConfig:
    """Views of a streamer's content (``env.content=multimodal``).

    Source: envs/live/README.md, section 9.
    """

    text: ViewConfig = field(default_factory=lambda: ViewConfig(16, 0.5, 0.1))
    image: ViewConfig = field(default_factory=lambda: ViewConfig(16, 1.0, 0.1))
    audio: ViewConfig = field(default_factory=lambda: ViewConfig(8, 1.0, 0.3))


@dataclass
class LiveConfig(EnvConfig):
    """The live-streaming world."""

    kind: str = choice_field("live", ("live",), "environment")
    population: str | None = path_field(
        "folder written by `lrdqn calibrate`; null draws a synthetic population"
    )
    world_seed: int | None = int_field(
        None, 0, "one world for all seeds; null gives each seed its own", 2**31 - 1
    )
    clock: str = choice_field(
        "decision",
        ("decision", "tick"),
        "each session has a clock of its own (decision), or all share one (tick)",
    )
    episode: str = choice_field(
        "session", ("session", "user"), "what ends an episode: leaving the app, or not coming back"
    )
    discount_unit: str = plain_field(
        "decision", "`decision`, or `minutes:X` for discounting by the time that passes / X minutes"
    )
    return_elapsed: float = float_field(
        1.0,
        0.0,
        math.inf,
        "discount units of a night between two sessions (episode=user)",
        open_low=True,
    )
    max_sessions: int = int_field(5, 1, "sessions after which a user's window ends (episode=user)")
    horizon: int = int_field(200, 1, "decisions after which an episode is truncated")
    streamers: int = int_field(1000, 1, "streamers of a synthetic population")
    users: int = int_field(2000, 1, "users of a synthetic population")
    style: int = int_field(16, 2, "length of interest and style vectors of a synthetic population")
    categories: int = int_field(12, 1, "categories of a synthetic population")
    tags: int = int_field(16, 1, "tags of a synthetic population")
    new_streamers: float = float_field(
        0.03,
        0.0,
        1.0,
        (
            "new streamers per day, as a share of the initial ones; "
            "no policy has met them (synthetic population)"
        ),
    )
    new_users: float = float_field(
        0.15,
        0.0,
        1.0,
        (
            "share of users who have just joined, with fewer than ten "
            "past watches (synthetic; design)"
        ),
    )
    candidates: int = int_field(16, 1, "streams offered to the policy at each request")
    familiar: int = int_field(
        3, 0, "of these, places kept for streamers that the user knows and that are on air"
    )
    popular: int = int_field(0, 0, "places kept for the most popular streams on air")
    fresh: int = int_field(0, 0, "places kept for the streams that started last")
    similar: int = int_field(
        0,
        0,
        "places kept for streams similar to the watch history, out of four times as many drawn",
    )
    slate: int = int_field(1, 1, "streams shown per request")
    choice_model: str = choice_field(
        "mnl",
        ("mnl", "proportional", "cascade", "pbm", "bernoulli", "position_mnl"),
        "how a user chooses from the slate, or nothing",
    )
    drift: str = choice_field(
        "smooth",
        ("none", "smooth", "recsim"),
        "how interests move: not at all, towards styles watched, or as in RecSim",
    )
    obs: str = choice_field(
        "observable",
        ("observable", "noisy", "full"),
        "what is observed: what a platform has, the same with noise, or the hidden state too",
    )
    obs_noise: float = float_field(1.0, 0.0, 100.0, "scale of the noise (obs=noisy)")
    live_signals: bool = plain_field(
        False,
        "show signs of highlights: recent reactions, and the sound of the room half a minute ago",
    )
    content: str = choice_field(
        "exact",
        ("exact", "multimodal", "embeddings"),
        "what is shown of a streamer's content: its style, views of it, a file",
    )
    content_views: ViewsConfig = field(default_factory=ViewsConfig)
    embeddings: str | None = path_field(
        "file .npy or .npz of a row per streamer (content=embeddings)"
    )
    embedding_ids: str | None = path_field(
        "file .npy of each streamer's row there, -1 for none; null: in order"
    )
    history: int = int_field(20, 1, "watches remembered in the observation")
    loyalty_slots: int = int_field(8, 1, "streamers a user can be loyal to")
    law: UserLawConfig = field(default_factory=UserLawConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    perturb: PerturbConfig = field(default_factory=PerturbConfig)
    tick: TickConfig = field(default_factory=TickConfig)
    log: LogConfig = field(default_factory=LogConfig)


def discount_minutes(unit: str) -> float | None:
    """Return the minutes of one discount unit: ``None`` for ``decision``, X for ``minutes:X``.

    Raises:
        ConfigError: ``unit`` is neither.
    """
    if unit == "decision":
        return None
    kind, _, number = unit.partition(":")
    try:
        minutes = float(number) if kind == "minutes" else -1.0
    except ValueError:
        minutes = -1.0
    if not (math.isfinite(minutes) and minutes > 0):
        raise ConfigError("env.discount_unit", unit, "must be `decision` or `minutes:X` with X > 0")
    return minutes
