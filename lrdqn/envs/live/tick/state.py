"""State of the tick clock: sessions as of their last decision, their watches so far, and the
streamers' audience."""

from __future__ import annotations

from typing import NamedTuple

from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.session import Candidates, Session


class Slot:
    """State of a place among the N sessions."""

    READY = 0
    """Rooms are on offer; the next action is played."""
    WATCHING = 1
    QUEUED = 2
    """The watch, or a decision without a click, is over; the session waits to be offered rooms
    again, or for its end to be reported."""
    AWAY = 3
    """The place is empty."""
    ARRIVING = 4
    """A user has arrived and waits to be offered rooms."""


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
    """The user followed the streamer before the decision."""
    budget: Float[Array, "N"]
    """Cumulative hazard that remains until the user leaves of their own accord."""
    seconds: Float[Array, "N"]
    """Watched so far."""
    cut: Bool[Array, "N"]
    comments: Float[Array, "N"]
    likes: Float[Array, "N"]
    by_price: Float[Array, "N 14"]


class Audience(NamedTuple):
    """The streamers, one row each; row ``S`` is the empty streamer. Tallies are sums over simulated
    sessions since the world began."""

    content: Float[Array, "S+1 d"]
    """``z_s``: current content of the stream, of length 1."""
    is_highlight: Float[Array, "S+1"]
    """``H_s``: 1 in a highlight."""
    room: Int[Array, "S+1"]
    """Flat index of the newest room that has started."""
    on_air: Bool[Array, "S+1"]
    ended: Int[Array, "S+1"]
    """The last room that was closed early; -1 for none."""
    viewers: Float[Array, "S+1"]
    """``N_s``: background viewers plus simulated sessions, weighted."""
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
    """The streamer has stopped for good."""


class TickState(NamedTuple):
    """State of the environment. ``session`` and ``candidates`` are as of each session's last
    decision, so that its observation depends on nothing later."""

    now: Int[Array, ""]
    """Second at which the next tick begins."""
    session: Session
    candidates: Candidates
    slot: Int[Array, "N"]
    waited: Int[Array, "N"]
    """Ticks in the queue (``QUEUED`` or ``ARRIVING``)."""
    over: Bool[Array, "N"]
    """The session is cut from outside: by its length, or by the end of the world."""
    watch: Watch
    audience: Audience
