"""What there is in the tick clock: sessions as of their last decision, their watches so far, and
the streamers' audience."""

from __future__ import annotations

from typing import NamedTuple

from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.session import Candidates, Session


class Slot:
    """What a place among the N sessions is doing."""

    READY = 0
    """Streams are on offer; the next action is played."""
    WATCHING = 1
    QUEUED = 2
    """The watch, or a miss, is over; waits to be offered streams again, or for its session's end to
    be seen."""
    AWAY = 3
    """Nobody is there."""
    ARRIVING = 4
    """Somebody has come and waits to be offered streams."""


class Watch(NamedTuple):
    """The decision that each session is in, from the action on, ``[N]``."""

    action: Int[Array, "N ..."]
    clicked: Bool[Array, "N"]
    stayed: Bool[Array, "N"]
    streamer: Int[Array, "N"]
    """``S`` where nothing was clicked."""
    ends: Int[Array, "N"]
    """Second at which the room goes off air."""
    utility: Float[Array, "N"]
    experience: Float[Array, "N"]
    taste: Float[Array, "N"]
    followed: Bool[Array, "N"]
    """Already before."""
    budget: Float[Array, "N"]
    """Cumulative hazard that is left until the viewer leaves by themselves."""
    seconds: Float[Array, "N"]
    """Watched so far."""
    cut: Bool[Array, "N"]
    comments: Float[Array, "N"]
    likes: Float[Array, "N"]
    by_price: Float[Array, "N 14"]


class Audience(NamedTuple):
    """The streamers, one row each; row ``S`` is nobody. Tallies are sums since the world began, of
    simulated sessions."""

    content: Float[Array, "S+1 d"]
    """``z_s``: what the stream is about at this moment, of length 1."""
    is_highlight: Float[Array, "S+1"]
    """``H_s``: 1 in a highlight."""
    room: Int[Array, "S+1"]
    """Flat index of the newest room that has started."""
    on_air: Bool[Array, "S+1"]
    ended: Int[Array, "S+1"]
    """The room that was last closed before its time; -1 for none."""
    viewers: Float[Array, "S+1"]
    """``N_s``: the background's and the simulated sessions', weighted."""
    watching: Float[Array, "S+1"]
    """Simulated sessions that watch now."""
    recent: Float[Array, "S+1 3"]
    """Comments, likes and gifts of the last five minutes: an exponential average times five
    minutes."""
    impressions: Float[Array, "S+1"]
    viewer_seconds: Float[Array, "S+1"]
    gifts: Float[Array, "S+1"]
    spent: Float[Array, "S+1"]
    met: Bool[Array, "S+1"]
    """A session has watched the present room."""
    empty_rooms: Int[Array, "S+1"]
    """Rooms in a row that no session watched."""
    gone: Bool[Array, "S+1"]
    """Does not come back."""


class TickState(NamedTuple):
    """Everything. ``session`` and ``candidates`` are as of each session's last decision, so the
    observation is theirs alone."""

    now: Int[Array, ""]
    """Second at which the next tick begins."""
    session: Session
    candidates: Candidates
    slot: Int[Array, "N"]
    waited: Int[Array, "N"]
    """Ticks in line (``QUEUED`` or ``ARRIVING``)."""
    over: Bool[Array, "N"]
    """The session is cut from outside: by its length, or the end of the world."""
    watch: Watch
    audience: Audience
