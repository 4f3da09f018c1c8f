"""Schedule of rooms: drawn on the host, liveness in closed form on the device.

A streamer's rooms are two sorted arrays ``start[S, R]``, ``end[S, R]``; liveness at a second is
exact. A table of rooms by time bin lets a request draw streams that are on air in O(candidates),
whatever the number of streamers. Source: envs/live/README.md, section 3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Int

from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.daily_patterns import DAY
from lrdqn.envs.live.population import sample_start_hour
from lrdqn.envs.live.population_arrays import Population

NEVER = np.iinfo(np.int32).max
"""Start of a room that does not exist, in seconds."""


class Schedule(NamedTuple):
    """Rooms, and the table of rooms on air by time bin, in int32 seconds since the world began. Row
    ``S`` has no rooms."""

    start: Any  # [S+1, R] sorted, NEVER where there is no room
    end: Any  # [S+1, R]
    on_air: Any  # [bins, M] flat room indices s * R + r, arbitrary past the count
    count: Any  # [bins]
    # [bins, P] the rooms on air of the most popular streamers, best first, -1 past the last
    popular: Any
    fresh: Any  # [bins, Q] the rooms on air that started last, newest first
    bin_seconds: Any
    end_of_world: Any


def sample_schedule(
    config: LiveConfig, population: Population, rng: np.random.Generator
) -> Schedule:
    """Draw rooms: Poisson numbers, starts by hour of day, category and habit, lognormal lengths,
    pauses, early ends.

    With probability ``habit`` an intended start is normal, sd 1 h, around the streamer's preferred
    hour, else it follows the density of ``sample_start_hour``. A start that falls into the previous
    room or its pause is delayed, not dropped, so the rate holds; a newcomer has no room before the
    debut. A streamer gives up an empty room with hazard ``h_0 exp(-P / N_0)``, P being the average
    number of viewers (the decision clock has no other), so ``length = min(D, Exp(hazard))``.

    Args:
        config: the world's config.
        population: whose streamers open the rooms.
        rng: source of randomness.

    Source: KuaiLive (rooms per streamer-day, hours), KuaiLive-Agent (lengths).
    """
    law = config.schedule
    n = len(population.room_rate)
    wanted = rng.poisson(
        np.outer(population.room_rate, np.ones(law.days))
    )  # rooms of streamer s on day j
    owner = np.repeat(np.tile(np.arange(n)[:, None], (1, law.days)).ravel(), wanted.ravel())
    on_day = np.repeat(np.tile(np.arange(law.days), n), wanted.ravel())
    total = len(owner)
    habitual = rng.random(total) < law.habit
    phase = (population.category @ population.phase)[owner]
    hour = np.where(
        habitual,
        population.start_hour[owner] + rng.normal(0, 1, total),
        sample_start_hour(config, rng, phase),
    )
    intended = np.maximum(on_day * DAY + hour * 3600.0, 0.0)
    since_debut = np.flatnonzero(intended >= 3600.0 * population.debut[owner])
    order = since_debut[np.lexsort((intended[since_debut], owner[since_debut]))]
    total = len(order)
    owner, intended = owner[order], intended[order]
    mu = np.log(law.room_hours * 3600) - law.room_sigma**2 / 2
    length = np.clip(np.exp(mu + law.room_sigma * rng.normal(size=total)), 60.0, DAY)
    # in the tick clock, rooms close by the viewers that they really have
    given_up = law.empty_hazard if config.clock == "decision" else 0.0
    alone = given_up / 3600 * np.exp(-np.exp(population.log_popularity[owner]) / law.empty_viewers)
    length = np.maximum(
        np.minimum(length, rng.exponential(size=total) / np.maximum(alone, 1e-12)), 60.0
    )
    gap = law.gap_hours * 3600 * np.exp(law.gap_sigma * rng.normal(size=total))

    first = np.searchsorted(owner, np.arange(n))
    rank = np.arange(total) - first[owner]
    width = int(rank.max(initial=0)) + 1
    start = np.full((n + 1, width), NEVER, np.int64)
    end = np.full((n + 1, width), NEVER, np.int64)
    free = np.zeros(n)
    for r in range(width):
        rows = np.flatnonzero(rank == r)
        s = owner[rows]
        begin = np.maximum(intended[rows], free[s])
        start[s, r], end[s, r] = begin, begin + length[rows]
        free[s] = begin + length[rows] + gap[rows]
    world = law.days * DAY
    late = start >= world
    start[late], end[late] = NEVER, NEVER

    on_air, count = _bin_rooms(start[:n], end[:n], law.bin_minutes * 60, world, rng)
    unlisted = np.zeros((len(count), 0), np.int32)
    seconds = np.int32(law.bin_minutes * 60)
    return Schedule(
        start.astype(np.int32),
        end.astype(np.int32),
        on_air,
        count,
        unlisted,
        unlisted,
        seconds,
        np.int32(world),
    )


def with_lists(schedule: Schedule, popularity: np.ndarray, popular: int, fresh: int) -> Schedule:
    """Return the schedule with lists of the most popular and of the newest rooms of every time bin.

    A list holds the rooms that have started when its bin begins.

    Args:
        schedule: rooms and the table of who is on air.
        popularity: of streamers ``[S+1]``.
        popular, fresh: places of a request that they fill. The lists are longer, since some of
            their rooms will have gone off air; -1 fills them up.
    """
    room, width = schedule.on_air, schedule.start.shape[1]
    listed_in_bin = np.arange(room.shape[1])[None] < schedule.count[:, None]
    begins = np.arange(len(room))[:, None] * int(schedule.bin_seconds)
    eligible = listed_in_bin & (schedule.start.ravel()[room] <= begins)

    def best(score: np.ndarray, places: int) -> np.ndarray:
        length = 2 * places + 4 if places else 0
        order = np.argsort(-np.where(eligible, score, -np.inf), axis=1, kind="stable")[:, :length]
        listed = np.where(
            np.take_along_axis(eligible, order, axis=1), np.take_along_axis(room, order, axis=1), -1
        )
        return np.pad(listed, ((0, 0), (0, length - listed.shape[1])), constant_values=-1).astype(
            np.int32
        )

    newest = schedule.start.ravel()[room].astype(float)
    return schedule._replace(
        popular=best(popularity[room // width], popular), fresh=best(newest, fresh)
    )


def drop_out(schedule: Schedule, share: float, rng: np.random.Generator) -> Schedule:
    """Return the schedule after an outage: a share of the rooms over an hour goes off air once, for
    U[2, 20] minutes.

    The second part is another room of the same streamer: users who watched are cut off and must be
    offered it again.
    """
    width, seconds = schedule.start.shape[1], int(schedule.bin_seconds)
    start, end = (x[:-1].astype(np.int64).ravel() for x in (schedule.start, schedule.end))
    streamers = len(start) // width
    room = np.flatnonzero(start < NEVER)
    hit = room[(rng.random(len(room)) < share) & (end[room] - start[room] > 3600)]
    # at least a quarter of an hour is left on either side
    pause = rng.uniform(120, 1200, len(hit))
    at = start[hit] + 900 + rng.random(len(hit)) * (end[hit] - start[hit] - 1800 - pause)
    begins, ends = np.append(start[room], (at + pause).astype(np.int64)), end.copy()
    ends[hit] = at.astype(np.int64)
    ends = np.append(ends[room], end[hit])
    owner = np.append(room, hit) // width
    within = begins < schedule.end_of_world
    owner, begins, ends = owner[within], begins[within], ends[within]
    order = np.lexsort((begins, owner))
    owner, begins, ends = owner[order], begins[order], ends[order]
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    rooms = np.full((2, streamers + 1, int(rank.max(initial=0)) + 1), NEVER, np.int64)
    rooms[0][owner, rank], rooms[1][owner, rank] = begins, ends
    on_air, count = _bin_rooms(
        rooms[0][:-1], rooms[1][:-1], seconds, int(schedule.end_of_world), rng
    )
    return schedule._replace(
        start=rooms[0].astype(np.int32), end=rooms[1].astype(np.int32), on_air=on_air, count=count
    )


def _bin_rooms(
    start: np.ndarray, end: np.ndarray, seconds: int, world: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the table of rooms by time bin and its counts, in an order shuffled per bin (draws by
    position must not favour neighbours)."""
    bins = -(-world // seconds)
    room = np.flatnonzero(start.ravel() < NEVER)
    low = start.ravel()[room] // seconds
    high = np.minimum((end.ravel()[room] - 1) // seconds, bins - 1)
    spans = high - low + 1
    which = np.repeat(np.arange(len(room)), spans)
    at = low[which] + np.arange(spans.sum()) - np.repeat(np.cumsum(spans) - spans, spans)
    order = np.lexsort((rng.random(len(at)), at))
    count = np.bincount(at, minlength=bins)
    table = np.zeros((bins, max(int(count.max(initial=0)), 1)), np.int32)
    column = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
    table[at[order], column] = room[which[order]]
    return table, count.astype(np.int32)


def widen(schedule: Schedule, rooms: int, columns: int) -> Schedule:
    """Pad to ``rooms`` per streamer and ``columns`` of the table of rooms on air, so that worlds of
    several seeds stack."""
    had = schedule.start.shape[1]
    more = ((0, 0), (0, rooms - had))
    table = np.pad(schedule.on_air, ((0, 0), (0, columns - schedule.on_air.shape[1])))

    def renumbered(room: np.ndarray) -> np.ndarray:
        """Return the flat room indices ``s R + r`` for the new R."""
        return np.where(room < 0, room, room // had * rooms + room % had)

    return schedule._replace(
        start=np.pad(schedule.start, more, constant_values=NEVER),
        end=np.pad(schedule.end, more, constant_values=NEVER),
        on_air=renumbered(table),
        popular=renumbered(schedule.popular),
        fresh=renumbered(schedule.fresh),
    )


def room_at(
    schedule: Schedule, streamer: Int[Array, "..."], time: Int[Array, "..."]
) -> Int[Array, "..."]:
    """Return the flat index of the newest room of ``streamer`` that has started by ``time`` (its
    first one where none has).

    Binary search over the sorted starts: ``ceil(log2(R))`` gathers. Combine with ``is_live``.
    """
    rooms = schedule.start.shape[-1]
    base = streamer * rooms
    starts = schedule.start.reshape(-1)
    low = jnp.zeros_like(streamer)
    step = 1 << max(rooms - 1, 1).bit_length()
    while step > 1:
        step //= 2
        probe = jnp.minimum(low + step, rooms - 1)
        low = jnp.where(starts[base + probe] <= time, probe, low)
    return base + low


def is_live(schedule: Schedule, room: Int[Array, "..."], time: Int[Array, "..."]) -> Array:
    """Return ``start[room] <= time < end[room]`` for flat room indices."""
    return (schedule.start.reshape(-1)[room] <= time) & (time < schedule.end.reshape(-1)[room])
