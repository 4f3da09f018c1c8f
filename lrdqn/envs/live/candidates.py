"""Candidate generation: streams on air, found in several ways: known ones, popular, fresh and
similar ones, any ones."""

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

SIMILAR_DRAWN = 4
"""Streams that are looked at for each place by similarity: a pass over all of them would cost
O(streamers)."""


class Recall(NamedTuple):
    """How many places of a request each way of finding streams fills, in this order (static)."""

    familiar: int
    popular: int
    fresh: int
    similar: int
    uniform: int

    @classmethod
    def of(cls, config: LiveConfig) -> Recall:
        """As configured; what is left of ``env.candidates`` is filled uniformly."""
        named = (config.familiar, config.popular, config.fresh, config.similar)
        return cls(*named, config.candidates - sum(named))

    @property
    def draws(self) -> int:
        """Uniforms that one request takes."""
        return self.uniform + SIMILAR_DRAWN * self.similar


class Found(NamedTuple):
    """Streams by one way of finding them, ``[N, places]``."""

    streamer: Int[Array, "N F"]
    room: Int[Array, "N F"]
    start: Int[Array, "N F"]
    end: Int[Array, "N F"]
    """Of the room: looked up once, for a look into a large table is what a candidate costs."""
    mask: Bool[Array, "N F"]
    """On air at this very second, and not a repetition within."""


class Present(NamedTuple):
    """What sessions have made of the streamers by now (tick clock); in the decision clock nothing
    is known of it."""

    closed: Int[Array, "S+1"]
    """Flat index of the room that a streamer has left before its time, or stays away from; -1 for
    none."""
    viewers: Float[Array, "S+1"]
    recent: Float[Array, "S+1 3"]
    """Comments, likes and gifts of the last minutes."""


def draw_candidates(
    state: Session,
    u: Float[Array, "N V"],
    params: LiveParams,
    recall: Recall,
    signals: tuple[Signal, ...] = (),
    present: Present | None = None,
) -> Candidates:
    """Offer streams at each session's own time, found in several ways.

    - familiar: the known streamers on air that were visited last.
    - popular: those of the present time bin with the largest popularity; fresh: those whose room
      started last.
    - similar: of ``SIMILAR_DRAWN`` times as many uniform draws, those whose shown style is nearest
      to that of the history.
    - uniform: one stream from each of as many equal strata of the streams in the current time bin
      (every stream is equally likely, none twice).

    A place is masked where its stream is not on air at this very second or was found by an earlier
    way. Where nothing at all is on air, place 0 offers "show nothing" (streamer ``S``), so that a
    policy always has one action.

    Args:
        state: sessions.
        u: uniforms, ``recall.draws`` per session.
        params: the world.
        recall: places by way of finding (static).
        signals: further features of rooms on air (static).
        present: of the tick clock: rooms that were closed are not offered; viewers are those there
            are, and three more features are the logs of the last minutes' comments, likes and
            gifts.

    Returns:
        Candidates with C the sum of ``recall``. Cost is O(C log R), whatever the number of
        streamers.
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
    """The time bin that each session is in."""
    return jnp.clip(state.time // schedule.bin_seconds, 0, schedule.count.shape[0] - 1)


def _hours(
    schedule: Schedule, room: Int[Array, "N F"], time: Int[Array, "N"]
) -> tuple[Int[Array, "N F"], Int[Array, "N F"], Bool[Array, "N F"]]:
    """When rooms start and end, and whether they are on air: ``start <= time < end``."""
    start, end = schedule.start.reshape(-1)[room], schedule.end.reshape(-1)[room]
    return start, end, (start <= time[:, None]) & (time[:, None] < end)


def _owner(schedule: Schedule, room: Int[Array, "N F"]) -> Int[Array, "N F"]:
    """Whose rooms they are. Flat indices are not negative, which spares the care that ``//`` takes
    of signs."""
    return jax.lax.div(room, jnp.full_like(room, schedule.start.shape[-1]))


def _uniform(state: Session, u: Float[Array, "N V"], params: LiveParams) -> Found:
    """One stream from each of V equal strata of the streams in the current time bin."""
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
    """The first ``places`` streams of the present bin's list that are on air now; -1 fills lists
    that are short."""
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
    _, first = jax.lax.top_k(jnp.where(live, -jnp.arange(live.shape[1]), -live.shape[1]), places)
    return Found(
        *(jnp.take_along_axis(x, first, axis=1) for x in (streamer, room, start, end, live))
    )


def _similar(state: Session, u: Float[Array, "N V"], params: LiveParams, places: int) -> Found:
    """Of uniform draws, the ``places`` nearest to the viewer's history."""
    drawn, style = _uniform(state, u, params), params.catalogue.style
    profile = mean_style(style, state.history, state.history_watch)
    near = jnp.where(drawn.mask, cosine(profile[:, None, :], style[drawn.streamer]), -2.0)
    _, best = jax.lax.top_k(near, places)
    return Found(*(jnp.take_along_axis(x, best, axis=1) for x in drawn))


def _familiar(state: Session, params: LiveParams, places: int) -> Found:
    """The ``places`` known streamers on air that were visited last, by counting instead of sorting
    (L is small).

    Ordered by what the platform can see: the order of places must not tell how strong a hidden
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
    """The features that change with time: log viewers, hours on air, followed, recency of the last
    visit.

    In the decision clock viewers follow the hour-of-day mean field ``P_s x 24 share(hour)``
    (SIMULATOR rule 6: exogenous); in the tick clock they are counted, and log comments, likes and
    gifts of the last minutes follow. Recency is ``exp(-hours since the last visit / 24)``, 0 for a
    streamer that the viewer is not known to watch.
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
    # slot by slot: an array [N, C, L] would cost more than everything else here
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
    # columns are put side by side last: rows of four numbers are no work for a vector unit
    return jnp.stack([jnp.where(on_offer, x, 0.0).astype(jnp.float16) for x in features]).transpose(
        1, 2, 0
    )
