"""State that sessions share: content, highlights, viewer counts, crowding, rooms that close early,
streamers who stop (envs/live/README.md, section 10)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from lrdqn.envs.live.candidates import Present
from lrdqn.envs.live.schedule import is_live, room_at
from lrdqn.envs.live.tick.arrivals import hourly
from lrdqn.envs.live.tick.config import TickConfig
from lrdqn.envs.live.tick.state import Audience
from lrdqn.envs.live.world import LiveParams

RECENT_SECONDS = 300.0


class Tally(NamedTuple):
    """Sums over the sessions of one tick by the streamer they watch, ``[S+1]``."""

    seconds: Float[Array, "S+1"]
    comments: Float[Array, "S+1"]
    likes: Float[Array, "S+1"]
    gifts: Float[Array, "S+1"]
    spent: Float[Array, "S+1"]
    watching: Float[Array, "S+1"]
    """Sessions that go on watching at the end of the tick."""


class AudienceDraws(NamedTuple):
    """Random numbers of one tick, one row per streamer: uniform, except those of the content, which
    are standard normal."""

    closing: Float[Array, "S+1"]
    churn: Float[Array, "S+1"]
    is_highlight: Float[Array, "S+1"]
    content: Float[Array, "S+1 d"]


def draw_audience(key: PRNGKeyArray, streamers: int, style: int) -> AudienceDraws:
    """Draw all of them from one call."""
    u = jnp.clip(jax.random.uniform(key, (3 + style, streamers)), 1e-7, 1 - 1e-7)
    return AudienceDraws(u[0], u[1], u[2], ndtri(u[3:].T))


def next_content(
    content: Float[Array, "S d"],
    style: Float[Array, "S d"],
    xi: Float[Array, "S d"],
    pull: float,
    noise: float,
) -> Float[Array, "S d"]:
    """Return the next content, ``z <- normalise(z + kappa (e - z) + sigma_z xi / sqrt(d))``; a row
    of zeros stays zero.

    Source: envs/live/README.md, section 10.
    """
    moved = content + pull * (style - content) + noise / style.shape[1] ** 0.5 * xi
    length = jnp.sqrt(jnp.sum(moved * moved, axis=1, keepdims=True))
    real = jnp.any(style != 0, axis=1, keepdims=True)
    return jnp.where(real, moved / jnp.maximum(length, 1e-12), 0.0)


def next_highlight(
    is_highlight: Float[Array, "S"], u: Float[Array, "S"], start: float, stop: float
) -> Float[Array, "S"]:
    """Return the next highlight indicator of a two-state chain with ``P(0 -> 1) = start`` and
    ``P(1 -> 0) = stop``.

    Its stationary share is ``start / (start + stop)`` and a highlight lasts ``1 / stop`` ticks on
    average. Source: envs/live/README.md, section 10 (KuaiLive-M3).
    """
    return (u < jnp.where(is_highlight > 0, 1 - stop, start)).astype(jnp.float32)


def closes(
    on_air: Bool[Array, "S"], viewers: Float[Array, "S"], u: Float[Array, "S"], config: TickConfig
) -> Bool[Array, "S"]:
    """Return which rooms close early, with hazard ``h_0 exp(-N / N_0)`` per hour for N viewers.
    Source: envs/live/README.md, section 10."""
    hazard = config.quit_rate * config.seconds / 3600 * jnp.exp(-viewers / config.quit_viewers)
    return on_air & (u < -jnp.expm1(-hazard))


def crowding(viewers: Float[Array, "..."], config: TickConfig) -> Float[Array, "..."]:
    """Return ``beta_3 log1p(N) - beta_4 max(0, N - cap) / cap``, the effect of N viewers on a
    room's utility (envs/live/README.md, section 10)."""
    crowd = jnp.maximum(viewers - config.capacity, 0.0) / config.capacity
    return config.viewers * jnp.log1p(viewers) - config.crowding * crowd


def background(
    params: LiveParams, on_air: Bool[Array, "S+1"], time: Int[Array, ""]
) -> Float[Array, "S+1"]:
    """Return the number of viewers that are not simulated: ``P_s x 24 share(hour)`` while on air,
    as in the decision clock."""
    return jnp.where(on_air, jnp.exp(params.streamers.popularity) * hourly(time), 0.0)


def opened(
    params: LiveParams, gone: Bool[Array, "S+1"], ended: Int[Array, "S+1"], time: Int[Array, ""]
) -> tuple[Array, Array]:
    """Return each streamer's newest room and whether it is on air: by the schedule, not closed
    early, the streamer not gone."""
    streamer = jnp.arange(gone.shape[0], dtype=jnp.int32)
    room = room_at(params.schedule, streamer, jnp.broadcast_to(time, streamer.shape))
    return room, is_live(params.schedule, room, time) & (room != ended) & ~gone


def empty_audience(
    params: LiveParams, is_highlight: Float[Array, "S+1"], time: Int[Array, ""], config: TickConfig
) -> Audience:
    """Return the audience before the first session: content equal to style, highlights from the
    stationary law (``is_highlight``: uniforms)."""
    n = params.streamers.popularity.shape[0]
    none, no = jnp.zeros(n, jnp.float32), jnp.zeros(n, bool)
    ended = jnp.full(n, -1, jnp.int32)
    room, on_air = opened(params, no, ended, time)
    share = config.highlight_start / (config.highlight_start + config.highlight_stop)
    return Audience(
        content=jnp.asarray(params.streamers.style, jnp.float32),
        is_highlight=(is_highlight < share).astype(jnp.float32),
        room=room,
        on_air=on_air,
        ended=ended,
        viewers=background(params, on_air, time),
        watching=none,
        recent=jnp.zeros((n, 3), jnp.float32),
        impressions=none,
        viewer_seconds=none,
        gifts=none,
        spent=none,
        met=no,
        empty_rooms=jnp.zeros(n, jnp.int32),
        gone=no,
    )


def next_audience(
    old: Audience,
    tally: Tally,
    closing: Bool[Array, "S+1"],
    draws: AudienceDraws,
    time: Int[Array, ""],
    params: LiveParams,
    config: TickConfig,
) -> Audience:
    """Return the streamers at the end of a tick, at ``time``.

    A room is over when the streamer is off air or in another room. A room that no session watched
    adds 1 to ``empty_rooms``, any other resets it to 0; from ``churn_rooms`` on the streamer stops
    for good with probability ``churn_rate``.
    """
    ended = jnp.where(closing, old.room, old.ended)
    room, on_air = opened(params, old.gone, ended, time)
    met = old.met | (tally.seconds > 0)
    finished = old.on_air & (~on_air | (room != old.room))
    empty = jnp.where(finished, jnp.where(met, 0, old.empty_rooms + 1), old.empty_rooms)
    gone = old.gone | (finished & (empty >= config.churn_rooms) & (draws.churn < config.churn_rate))
    on_air = on_air & ~gone
    kept = jnp.exp(-config.seconds / RECENT_SECONDS)
    events = config.weight * jnp.stack([tally.comments, tally.likes, tally.gifts], axis=1)
    # the average of a tick's events, times five minutes
    recent = kept * old.recent + (1 - kept) * RECENT_SECONDS / config.seconds * events
    return old._replace(
        content=next_content(
            old.content,
            params.streamers.style,
            draws.content,
            config.content_pull,
            config.content_noise,
        ),
        is_highlight=next_highlight(
            old.is_highlight, draws.is_highlight, config.highlight_start, config.highlight_stop
        ),
        room=room,
        on_air=on_air,
        ended=ended,
        viewers=background(params, on_air, time) + config.weight * tally.watching,
        watching=tally.watching,
        recent=jnp.where(finished[:, None], 0.0, recent),
        viewer_seconds=old.viewer_seconds + tally.seconds,
        gifts=old.gifts + tally.gifts,
        spent=old.spent + tally.spent,
        met=met & ~finished,
        empty_rooms=empty,
        gone=gone,
    )


def present(audience: Audience) -> Present:
    """Return what the candidate generator needs of the audience."""
    closed = jnp.where(audience.gone, audience.room, audience.ended)
    return Present(closed, audience.viewers, audience.recent)
