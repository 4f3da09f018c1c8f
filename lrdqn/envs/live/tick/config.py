"""Keys of the live world's tick clock (envs/live/README.md, section 10)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lrdqn.config.fields import float_field, int_field, plain_field


@dataclass
class TickConfig:
    """Keys of the tick clock (``env.clock=tick``); the decision clock reads none of them. Rates per
    tick are those of KuaiLive-M3 or of envs/live/README.md for ticks of 30 seconds; (design) marks
    values without data behind them."""

    seconds: int = int_field(30, 1, "length of a tick", 600)
    session_ticks: int = int_field(1440, 1, "ticks after which a session is truncated")
    served_share: float = float_field(
        0.5,
        0.0,
        1.0,
        "sessions that can be offered streams in one tick, of all; the others wait for the next",
        open_low=True,
    )
    weight: float = float_field(
        1.0, 0.0, math.inf, "viewers that a simulated session stands for (design)"
    )
    arrival_rate: float = float_field(
        0.05,
        0.0,
        1.0,
        "chance per tick, in an average hour, that a new user takes an empty session slot (design)",
        open_low=True,
    )
    dwell_highlight: float = plain_field(
        0.5, "eta: how much a highlight holds, in the log of the leaving rate"
    )
    dwell_content: float = plain_field(
        0.5, "zeta: the same of content that is nearer to the user's interest than usual (design)"
    )
    viewers: float = plain_field(
        0.0, "weight of log1p(viewers) in the utility; 0, as the utility contains log popularity"
    )
    crowding: float = float_field(
        0.4, 0.0, math.inf, "utility lost by max(0, viewers - capacity) / capacity (design)"
    )
    capacity: float = float_field(
        100.0, 0.0, math.inf, "viewers that a room holds comfortably (design)", open_low=True
    )
    content_pull: float = float_field(
        0.1, 0.0, 1.0, "kappa: share of the way back to the streamer's style, per tick"
    )
    content_noise: float = float_field(
        0.1, 0.0, math.inf, "sigma_z: length of the random step of the content, per tick"
    )
    highlight_start: float = float_field(
        0.1071, 0.0, 1.0, "chance per tick that a highlight begins (30 % of the time: KuaiLive-M3)"
    )
    highlight_stop: float = float_field(
        0.25, 0.0, 1.0, "chance per tick that it ends (2 minutes on average)", open_low=True
    )
    quit_rate: float = float_field(
        0.1, 0.0, math.inf, "chance per hour that a room without any viewer closes (design)"
    )
    quit_viewers: float = float_field(
        1.0,
        0.0,
        math.inf,
        "viewers at which that chance is e times smaller (design)",
        open_low=True,
    )
    churn_rooms: int = int_field(
        5, 1, "rooms in a row that no session watched before a streamer may stop for good (design)"
    )
    churn_rate: float = float_field(
        0.05, 0.0, 1.0, "chance that the streamer then stops, after each further such room (design)"
    )
