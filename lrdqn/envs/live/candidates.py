"""Candidate generation: streams on air, drawn uniformly, with places kept for streamers the viewer knows."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.population import HOURLY_WATCH
from lrdqn.envs.live.schedule import is_live, room_at
from lrdqn.envs.live.session import Candidates, Session
from lrdqn.envs.live.world import LiveParams

DAY = 86_400


def draw_candidates(state: Session, u: Float[Array, "N V"], params: LiveParams, familiar: int) -> Candidates:
    """Offer ``familiar + V`` places at each session's own time.

    Familiar places hold the known streamers on air that were visited last. The others hold one stream from each of V equal
    strata of the streams in the current time bin (every stream is equally likely, none twice), masked where it is not on air
    at this very second or already offered as familiar. Where nothing at all is on air, place 0 offers "show nothing" (streamer
    ``S``), so that a policy always has one action.

    Args:
        state: sessions.
        u: uniforms, one per place of the second kind.
        params: the world.
        familiar: places of the first kind (static).

    Returns:
        Candidates with C = familiar + V. Cost is O(C log R), whatever the number of streamers.
    """
    schedule, nothing = params.schedule, params.streamers.popularity.shape[0] - 1
    time = state.time[:, None]
    rooms = schedule.start.shape[-1]

    at = jnp.clip(state.time // schedule.bin_seconds, 0, schedule.count.shape[0] - 1)
    count = schedule.count[at][:, None]
    strata = jnp.arange(u.shape[1], dtype=jnp.float32)[None]
    place = jnp.minimum(((strata + u) * (count.astype(jnp.float32) / u.shape[1])).astype(jnp.int32), count - 1)
    width = schedule.on_air.shape[1]
    room = schedule.on_air.reshape(-1)[at[:, None] * width + jnp.maximum(place, 0)]
    streamer = room // rooms
    # Neighbouring strata share a list place when fewer streams are on air than places offered.
    repeated = jnp.concatenate([jnp.zeros_like(place[:, :1], bool), place[:, 1:] == place[:, :-1]], axis=1)
    mask = (count > 0) & is_live(schedule, room, time) & ~repeated

    if familiar:
        known, known_room, known_mask = _familiar(state, params, familiar)
        offered = jnp.any((streamer[:, :, None] == known[:, None, :]) & known_mask[:, None, :], axis=2)
        streamer = jnp.concatenate([known, streamer], axis=1)
        room = jnp.concatenate([known_room, room], axis=1)
        mask = jnp.concatenate([known_mask, mask & ~offered], axis=1)

    streamer = jnp.where(mask, streamer, nothing)
    empty = ~jnp.any(mask, axis=1)
    ends = jnp.where(mask, schedule.end.reshape(-1)[room], 0)
    features = _features(state, streamer, room, params)
    mask = mask.at[:, 0].set(mask[:, 0] | empty)
    return Candidates(streamer, room, ends, features, mask)


def _familiar(
    state: Session, params: LiveParams, places: int
) -> tuple[Int[Array, "N F"], Int[Array, "N F"], Bool[Array, "N F"]]:
    """The ``places`` known streamers on air that were visited last, by counting instead of sorting (L is small).

    Ordered by what the platform can see: the order of places must not tell how strong a hidden loyalty is.
    """
    room = room_at(params.schedule, state.loyalty, state.time[:, None])
    live = is_live(params.schedule, room, state.time[:, None]) & (state.loyalty_strength > 0)
    seen = jnp.where(live, state.loyalty_seen, jnp.iinfo(jnp.int32).min)
    slot = jnp.arange(seen.shape[1])
    ahead = (seen[:, None, :] > seen[:, :, None]) | (
        (seen[:, None, :] == seen[:, :, None]) & (slot[None, :] < slot[:, None])[None]
    )
    rank = jnp.sum(ahead, axis=2)
    chosen = rank[:, None, :] == jnp.arange(places)[None, :, None]  # [N, F, L], one slot per place

    def pick(x: Array) -> Array:
        return jnp.sum(jnp.where(chosen, x[:, None, :], 0), axis=2, dtype=x.dtype)

    return pick(state.loyalty), pick(room), jnp.any(chosen & live[:, None, :], axis=2)


def _features(
    state: Session, streamer: Int[Array, "N C"], room: Int[Array, "N C"], params: LiveParams
) -> Float[Array, "N C 4"]:
    """The features that change with time: log viewers, hours on air, followed, recency of the last visit.

    Viewers follow the hour-of-day mean field ``P_s x 24 share(hour)`` (SIMULATOR rule 6, first version: exogenous).
    Recency is ``exp(-hours since the last visit / 24)``, 0 for a streamer that the viewer is not known to watch.
    """
    hour = (state.time % DAY) // 3600
    crowd = jnp.log(jnp.asarray(24 * HOURLY_WATCH, jnp.float32))[hour]
    viewers = params.streamers.popularity[streamer] + crowd[:, None]
    on_air = (state.time[:, None] - params.schedule.start.reshape(-1)[room]).astype(jnp.float32) / 3600
    same = (streamer[:, :, None] == state.loyalty[:, None, :]) & (state.loyalty_strength > 0)[:, None, :]
    hours = (state.time[:, None] - state.loyalty_seen).astype(jnp.float32) / 3600
    recency = jnp.sum(jnp.where(same, jnp.exp(-hours / 24)[:, None, :], 0.0), axis=2)
    followed = jnp.any(same & state.followed[:, None, :], axis=2)
    there = streamer != params.streamers.popularity.shape[0] - 1
    features = jnp.stack([viewers, jnp.clip(on_air, 0.0, 24.0), followed.astype(jnp.float32), recency], axis=2)
    return jnp.where(there[:, :, None], features, 0.0).astype(jnp.float16)
