"""Candidate generation: streams on air that are familiar, popular, fresh, similar or drawn
uniformly.

Source: envs/live/README.md, section 4.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.daily_patterns import DAY, HOURLY_WATCH
from lrdqn.envs.live.schedule import Schedule, room_at
from lrdqn.envs.live.session import Candidates, Session
from lrdqn.envs.live.signals import Signal
from lrdqn.envs.live.world import LiveParams
from lrdqn.ops.history import cosine, mean_style
from lrdqn.ops.largest import largest

SIMILAR_DRAWN = 4
"""Streams drawn for each place filled by similarity; comparing all of them would cost O(S)."""


class Recall(NamedTuple):
    """Places of a request that each way of finding streams fills, in this order (static)."""

    familiar: int
    popular: int
    fresh: int
    similar: int
    uniform: int

    @classmethod
    def of(cls, config: LiveConfig) -> Recall:
        """Return the configured places; the rest of ``env.candidates`` is filled uniformly."""
        named = (config.familiar, config.popular, config.fresh, config.similar)
        return cls(*named, config.candidates - sum(named))

    @property
    def draws(self) -> int:
        """Return the number V of uniforms that one request takes."""
        return self.uniform + SIMILAR_DRAWN * self.similar


class Found(NamedTuple):
    """Streams found in one way, ``[N, places]``."""

    streamer: Int[Array, "N F"]
    room: Int[Array, "N F"]
    start: Int[Array, "N F"]
    end: Int[Array, "N F"]
    """End of the room; start and end are kept because gathers from large tables dominate the
    cost."""
    mask: Bool[Array, "N F"]
    """On air at this very second, and not found twice in this way."""


class Present(NamedTuple):
    """State of the streamers that sessions have brought about (tick clock only)."""

    closed: Int[Array, "S+1"]
    """Flat index of the room that a streamer closed early or does not open; -1 for none."""
    viewers: Float[Array, "S+1"]
    recent: Float[Array, "S+1 3"]
    """Comments, likes and gifts of the last five minutes."""


def draw_candidates(
    state: Session,
    u: Float[Array, "N V"],
    params: LiveParams,
    recall: Recall,
    signals: tuple[Signal, ...] = (),
    present: Present | None = None,
) -> Candidates:
    """Draw the candidates of a request at each session's own time.

    - familiar: known streamers on air, the last visited first.
    - popular: the streams of the current time bin with the largest popularity; fresh: those whose
      room started last.
    - similar: of ``SIMILAR_DRAWN`` times as many uniform draws, those whose shown style has the
      highest cosine with that of the history.
    - uniform: one stream from each of as many equal strata of the streams in the current time bin
      (every stream is equally likely, none is drawn twice).

    A place is masked where its stream is not on air at this very second or was found in an earlier
    way. Where nothing is on air, place 0 offers "show nothing" (streamer ``S``), so that a policy
    always has one action.

    Args:
        state: sessions.
        u: uniforms, ``recall.draws`` per session.
        params: the world.
        recall: places that each way fills (static).
        signals: further features of rooms on air (static).
        present: in the tick clock: closed rooms are not offered, viewers are counted, and the logs
            of the last five minutes' comments, likes and gifts are three more features.

    Returns:
        Candidates, C being the sum of ``recall``. The cost is O(C log R), R rooms a streamer,
        whatever the number of streamers.
    """
    schedule, nothing = params.schedule, params.nothing
    found: list[Found] = []
    if recall.familiar:
        found.append(_familiar(state, params, recall.familiar))
    if recall.popular:
        found.append(_listed(schedule.popular, state, params, recall.popular))
    if recall.fresh:
        found.append(_listed(schedule.fresh, state, params, recall.fresh))
    if recall.similar:
        found.append(_similar(state, u[:, recall.uniform :], params, recall.similar))
    if recall.uniform:
        found.append(_uniform(state, u[:, : recall.uniform], params))
    if present is not None:
        found = [x._replace(mask=x.mask & (present.closed[x.streamer] != x.room)) for x in found]
    for i, later in enumerate(found):
        for earlier in found[:i]:
            same = later.streamer[:, :, None] == earlier.streamer[:, None, :]
            offered = jnp.any(same & earlier.mask[:, None, :], axis=2)
            found[i] = later = later._replace(mask=later.mask & ~offered)
    streamer, room, start, end, mask = (
        jnp.concatenate(parts, axis=1) for parts in zip(*found, strict=True)
    )

    streamer = jnp.where(mask, streamer, nothing)
    empty = ~jnp.any(mask, axis=1)
    ends = jnp.where(mask, end, 0)
    features = _features(state, streamer, start, params, present)
    if signals:
        further = jnp.stack([signal(state.time, room, params) for signal in signals], axis=2)
        further = jnp.where((streamer != nothing)[:, :, None], further, 0.0)
        features = jnp.concatenate([features, further.astype(features.dtype)], axis=2)
    mask = mask | (empty[:, None] & (jnp.arange(mask.shape[1]) == 0)[None])
    return Candidates(streamer, room, ends, features, mask)


def _bin(state: Session, schedule: Schedule) -> Int[Array, "N"]:
    """Return the time bin that each session is in."""
    return jnp.clip(state.time // schedule.bin_seconds, 0, schedule.count.shape[0] - 1)


def _hours(
    schedule: Schedule, room: Int[Array, "N F"], time: Int[Array, "N"]
) -> tuple[Int[Array, "N F"], Int[Array, "N F"], Bool[Array, "N F"]]:
    """Return starts and ends of rooms, and whether they are on air: ``start <= time < end``."""
    start, end = schedule.start.reshape(-1)[room], schedule.end.reshape(-1)[room]
    return start, end, (start <= time[:, None]) & (time[:, None] < end)


def _owner(schedule: Schedule, room: Int[Array, "N F"]) -> Int[Array, "N F"]:
    """Return the streamers of rooms, ``room // R``.

    Flat indices are not negative, so ``lax.div`` avoids the sign correction of ``//``.
    """
    return jax.lax.div(room, jnp.full_like(room, schedule.start.shape[-1]))


def _uniform(state: Session, u: Float[Array, "N V"], params: LiveParams) -> Found:
    """Draw one stream from each of V equal strata of the streams in the current time bin."""
    schedule = params.schedule
    at = _bin(state, schedule)
    count = schedule.count[at][:, None]
    strata = jnp.arange(u.shape[1], dtype=jnp.float32)[None]
    place = jnp.minimum(
        ((strata + u) * (count.astype(jnp.float32) / u.shape[1])).astype(jnp.int32), count - 1
    )
    width = schedule.on_air.shape[1]
    room = schedule.on_air.reshape(-1)[at[:, None] * width + jnp.maximum(place, 0)]
    # Neighbouring strata share a list place when fewer streams are on air than places offered.
    before = jnp.concatenate([jnp.full_like(room[:, :1], -1), room[:, :-1]], axis=1)
    start, end, live = _hours(schedule, room, state.time)
    return Found(_owner(schedule, room), room, start, end, (count > 0) & live & (room != before))


def _listed(table: Int[Array, "bins M"], state: Session, params: LiveParams, places: int) -> Found:
    """Return the first ``places`` streams of the current bin's list that are on air now; -1 fills
    lists that are short."""
    schedule = params.schedule
    listed = table[_bin(state, schedule)]
    room = jnp.maximum(listed, 0)
    start, end, live = _hours(schedule, room, state.time)
    live = (listed >= 0) & live
    streamer = _owner(schedule, room)
    again = jnp.any(
        jnp.tril(streamer[:, :, None] == streamer[:, None, :], -1) & live[:, None, :], axis=2
    )
    live = live & ~again
    order = jnp.arange(live.shape[1])[None]
    first = largest(jnp.where(live, -order, -live.shape[1]), places)
    return Found(
        *(jnp.take_along_axis(x, first, axis=1) for x in (streamer, room, start, end, live))
    )


def _similar(state: Session, u: Float[Array, "N V"], params: LiveParams, places: int) -> Found:
    """Return the ``places`` uniform draws whose style is nearest to that of the user's history."""
    drawn, style = _uniform(state, u, params), params.catalogue.style
    profile = mean_style(style, state.history, state.history_watch)
    near = jnp.where(drawn.mask, cosine(profile[:, None, :], style[drawn.streamer]), -2.0)
    best = largest(near, places)
    return Found(*(jnp.take_along_axis(x, best, axis=1) for x in drawn))


def _familiar(state: Session, params: LiveParams, places: int) -> Found:
    """Return the ``places`` known streamers on air that were visited last, by counting instead of
    sorting (L is small).

    They are ordered by what a platform can see: the order must not reveal how strong a hidden
    loyalty is.
    """
    room = room_at(params.schedule, state.loyalty, state.time[:, None])
    start, end, live = _hours(params.schedule, room, state.time)
    live = live & (state.loyalty_strength > 0)
    seen = jnp.where(live, state.loyalty_seen, jnp.iinfo(jnp.int32).min)
    slot = jnp.arange(seen.shape[1])
    ahead = (seen[:, None, :] > seen[:, :, None]) | (
        (seen[:, None, :] == seen[:, :, None]) & (slot[None, :] < slot[:, None])[None]
    )
    rank = jnp.sum(ahead, axis=2)
    chosen = rank[:, None, :] == jnp.arange(places)[None, :, None]  # [N, F, L], one slot per place

    def pick(x: Array) -> Array:
        return jnp.sum(jnp.where(chosen, x[:, None, :], 0), axis=2, dtype=x.dtype)

    streamer, room, start, end = map(pick, (state.loyalty, room, start, end))
    return Found(streamer, room, start, end, jnp.any(chosen & live[:, None, :], axis=2))


def _features(
    state: Session,
    streamer: Int[Array, "N C"],
    start: Int[Array, "N C"],
    params: LiveParams,
    present: Present | None,
) -> Float[Array, "N C F"]:
    """Return the features that change with time: log viewers, hours on air, followed, recency of
    the last visit.

    In the decision clock the number of viewers is exogenous, ``P_i x 24 share(hour)``; in the tick
    clock it is counted, and the logs of the last five minutes' comments, likes and gifts follow.
    Recency is ``exp(-hours since the last visit / 24)``, 0 for a streamer not in the user's loyalty
    slots.
    """
    recent: list[Array] = []
    if present is None:
        hour = (state.time % DAY) // 3600
        crowd = jnp.log(jnp.asarray(24 * HOURLY_WATCH, jnp.float32))[hour]
        viewers = params.streamers.popularity[streamer] + crowd[:, None]
    else:
        seen = jnp.concatenate(
            [jnp.log(jnp.maximum(present.viewers, 1e-3))[:, None], jnp.log1p(present.recent)],
            axis=1,
        )
        columns = seen[streamer]
        viewers, *recent = (columns[..., i] for i in range(columns.shape[-1]))
    on_air = (state.time[:, None] - start).astype(jnp.float32) / 3600
    hours = (state.time[:, None] - state.loyalty_seen).astype(jnp.float32) / 3600
    slot_recency, known = (
        jnp.exp(-hours / 24),
        jnp.where(state.loyalty_strength > 0, state.loyalty, -1),
    )
    recency, followed = jnp.zeros(streamer.shape, jnp.float32), jnp.zeros(streamer.shape, bool)
    # a loop over slots: an array [N, C, L] would cost more than everything else here
    for slot in range(known.shape[1]):
        same = streamer == known[:, slot, None]
        recency = jnp.where(same, slot_recency[:, slot, None], recency)
        followed = followed | (same & state.followed[:, slot, None])
    on_offer = streamer != params.nothing
    features = [
        viewers,
        jnp.clip(on_air, 0.0, 24.0),
        followed.astype(jnp.float32),
        recency,
        *recent,
    ]
    # the features are transposed last: vector units need long rows, not rows of four numbers
    return jnp.stack([jnp.where(on_offer, x, 0.0).astype(jnp.float16) for x in features]).transpose(
        1, 2, 0
    )
