"""Constants of the world's laws fitted to a KuaiLive log: watch mixture, reaction rates, room
lengths and start hours (envs/live/README.md, sections 3 and 6)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.config import ScheduleConfig, UserLawConfig
from lrdqn.logs.kuailive import DAY_MS, SHIFT_MS, KuaiLive, window_of

ENGAGED_SHARE = 0.13
"""Share of engaged watches in a log of the default world (envs/live/README.md, section 6)."""
CLICKED_SHARE = 0.52
"""Clicks per impression of the reference policy at the default ``click_bias``."""
ROOMS_WANTED = ScheduleConfig().rooms_per_day / 1.22
"""Rooms that a streamer plans per room that opens: some are delayed past the end of the
schedule."""
BINS, SWEEPS = 2000, 300
HABIT_SPREAD = math.exp(-((2 * math.pi / 24) ** 2) / 2)
"""``E cos(2 pi x / 24)`` for x ~ N(0, 1), the spread of habitual starts in hours."""


class Mixture(NamedTuple):
    """Watch seconds as a mixture of two lognormals.

    ``w = share LogNormal(ln dwell_median, dwell_sigma)
    + (1 - share) LogNormal(ln bounce_median, bounce_sigma)``
    """

    share: float
    bounce_median: float
    bounce_sigma: float
    dwell_median: float
    dwell_sigma: float


def watch_mixture(seconds: Float[np.ndarray, "n"]) -> Mixture:
    """Fit the mixture of bounces and engaged watches by expectation-maximisation on log seconds in
    2,000 bins; watches of 0 s are left out.

    The fit starts from the defaults, so that the shorter component stays the bounce. With too few
    watches to tell two components apart, the defaults are returned.

    Source: Dempster, Laird and Rubin 1977, Maximum Likelihood from Incomplete Data via the EM
    Algorithm.
    """
    law = UserLawConfig()
    default = Mixture(
        ENGAGED_SHARE, law.bounce_median, law.bounce_sigma, law.dwell_median, law.dwell_sigma
    )
    x = np.log(seconds[seconds > 0], dtype=np.float64)
    if len(np.unique(x[:1000])) < 10:
        return default
    count, edges = np.histogram(x, BINS)
    middle = (edges[1:] + edges[:-1]) / 2
    weight = np.array([1 - ENGAGED_SHARE, ENGAGED_SHARE])
    mean = np.log([law.bounce_median, law.dwell_median])
    sd = np.array([law.bounce_sigma, law.dwell_sigma])
    for _ in range(SWEEPS):
        z = (middle[:, None] - mean[None]) / sd[None]
        log_density = np.log(weight / sd)[None] - z**2 / 2
        part = np.exp(log_density - log_density.max(axis=1, keepdims=True))
        part = part / part.sum(axis=1, keepdims=True) * count[:, None]
        total = np.maximum(part.sum(axis=0), 1e-9)
        weight = total / total.sum()
        mean = (part * middle[:, None]).sum(axis=0) / total
        sd = np.sqrt(
            np.maximum((part * (middle[:, None] - mean[None]) ** 2).sum(axis=0) / total, 1e-4)
        )
    bounce, dwell = np.argsort(mean)
    return Mixture(
        float(weight[dwell]),
        math.exp(mean[bounce]),
        float(sd[bounce]),
        math.exp(mean[dwell]),
        float(sd[dwell]),
    )


def room_lengths(hours: Float[np.ndarray, "n"], cut: Bool[np.ndarray, "n"]) -> tuple[float, float]:
    """Return the mean and the log-sd of lognormal lengths that are partly right-censored, by
    expectation-maximisation.

    A room that is cut at midnight counts with the mean and the square of a normal above the cut:
    ``E[x | x > c] = m + s r``, ``E[x^2 | x > c] = m^2 + s^2 + s (c + m) r``, r the inverse Mills
    ratio at ``(c - m) / s``.

    Args:
        hours: lengths, up to the cut where there is one; those below a second count as one second.
        cut: true where a length is cut.
    """
    from scipy.special import log_ndtr

    x = np.log(np.maximum(hours, 1 / 3600))
    if np.all(cut):
        cut = np.zeros_like(cut)
    seen, beyond, n = x[~cut], x[cut], len(x)
    m, s = float(x.mean()), max(float(x.std()), 1e-3)
    for _ in range(SWEEPS):
        z = (beyond - m) / s
        r = np.exp(-(z**2) / 2 - 0.5 * math.log(2 * math.pi) - log_ndtr(-z))
        first = (seen.sum() + (m + s * r).sum()) / n
        second = ((seen**2).sum() + (m**2 + s**2 + s * (beyond + m) * r).sum()) / n
        moved = abs(first - m)
        m, s = float(first), math.sqrt(max(second - first**2, 1e-6))
        if moved < 1e-7:
            break
    return math.exp(m + s**2 / 2), s


def start_habits(
    streamer: Int[np.ndarray, "n"], hour: Float[np.ndarray, "n"]
) -> tuple[float, float, float]:
    """Return amplitude and peak of the density of start hours and the share of habitual starts,
    from moments on the circle.

    With probability q a start is N(0, 1 h) around the streamer's preferred hour, else it has the
    density ``1 + A cos``, as the preferred hours have. With ``b = A / 2`` and ``rho = E cos`` of
    the spread, all starts have the resultant ``m = b (1 - q + q rho)``, and two starts of one
    streamer the mean cosine ``q^2 rho^2 + 2 q (1 - q) rho b^2 + (1 - q)^2 b^2``, which grows with
    q and is solved by bisection.

    Returns:
        ``(amplitude, peak hour, habit)``; the habit is the default where no streamer has two rooms.
    """
    angle = 2 * np.pi * np.asarray(hour, np.float64) / 24
    resultant = np.exp(1j * angle).mean()
    m, peak = abs(resultant), float((np.angle(resultant) * 24 / (2 * np.pi)) % 24)
    _, dense, count = np.unique(streamer, return_inverse=True, return_counts=True)
    sums = np.bincount(dense, np.cos(angle)) ** 2 + np.bincount(dense, np.sin(angle)) ** 2
    several = count > 1
    if not several.any():
        return min(1.0, 2 * m), peak, ScheduleConfig().habit
    n = count[several]
    # Each streamer's mean over pairs of starts, weighted by n - 1.
    wanted = float(np.sum((sums[several] - n) / n) / np.sum(n - 1))

    def base(q: float) -> float:
        return min(m / (1 - q + q * HABIT_SPREAD), 0.5)

    def cosine(q: float) -> float:
        b, rho = base(q), HABIT_SPREAD
        return q * q * rho * rho + 2 * q * (1 - q) * rho * b * b + (1 - q) ** 2 * b * b

    low, high = 0.0, 1.0
    for _ in range(50):
        q = (low + high) / 2
        low, high = (q, high) if cosine(q) < wanted else (low, q)
    return min(1.0, 2 * base(low)), peak, low


def fitted_law(log: KuaiLive) -> dict[str, float]:
    """Return the settings of the live world that the log gives, as overrides ``env.law.*`` and
    ``env.schedule.*``.

    Reaction rates are counts per viewer-minute, NaN where the log has none. ``engage_bias`` moves
    by the difference of logits between the log's share of engaged watches and the default one.
    ``click_bias`` moves by the difference between the log's clicks per impression and the reference
    policy's, where the log has impressions without a click. Both are first guesses, because they
    depend on what a policy shows; and ``click_bias`` comes out too high where the file of
    impressions is a sample.
    """
    law, watched = UserLawConfig(), log.clicks.amount
    assert watched is not None
    seconds = watched / 1000
    minutes = float(seconds.sum()) / 60
    mix = watch_mixture(seconds) if minutes > 0 else Mixture(*[math.nan] * 5)
    rooms = log.rooms
    hours = (rooms.end - rooms.start) / 3_600_000
    mean, sigma = room_lengths(hours, (rooms.end + SHIFT_MS) % DAY_MS == 0)
    start, days = window_of(log.clicks.time)
    within = (rooms.start >= start) & (rooms.start < start + days * DAY_MS)
    begins = (rooms.start + SHIFT_MS) % DAY_MS / 3_600_000
    amplitude, peak, habit = (
        start_habits(rooms.streamer[within], begins[within]) if within.any() else (math.nan,) * 3
    )
    found = {
        "env.law.bounce_median": mix.bounce_median,
        "env.law.bounce_sigma": mix.bounce_sigma,
        "env.law.dwell_median": mix.dwell_median,
        "env.law.dwell_sigma": mix.dwell_sigma,
        "env.law.engage_bias": law.engage_bias + logit(mix.share) - logit(ENGAGED_SHARE),
        "env.law.comment_rate": per_minute(log.comments.size, minutes),
        "env.law.like_rate": per_minute(log.likes.size, minutes),
        "env.law.gift_rate": per_minute(log.gifts.size, minutes),
        "env.schedule.rooms_per_day": min(
            ROOMS_WANTED * within.sum() / len(np.unique(rooms.streamer)) / days, 24.0
        ),
        "env.schedule.room_hours": min(mean, 24.0),
        "env.schedule.room_sigma": min(sigma, 3.0),
        "env.schedule.amplitude": amplitude,
        "env.schedule.peak_hour": peak,
        "env.schedule.habit": habit,
    }
    if log.negatives is not None:
        clicked = log.clicks.size / (log.clicks.size + log.negatives)
        found["env.law.click_bias"] = law.click_bias + logit(clicked) - logit(CLICKED_SHARE)
    return {key: float(f"{value:.4g}") for key, value in found.items()}


def per_minute(events: int, minutes: float) -> float:
    """Return events per viewer-minute; NaN where there are no events or no minutes."""
    return events / minutes if events and minutes > 0 else math.nan


def logit(p: float) -> float:
    """Return ``log(p / (1 - p))``, p clipped to [1e-6, 1 - 1e-6]."""
    if math.isnan(p):
        return p
    p = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))
