"""The live world in the tick clock as an ``Env``: N sessions on one clock; a step is one tick of
all of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri
from jaxtyping import Float, PRNGKeyArray

from lrdqn.envs.live.candidates import DAY, Recall, draw_candidates
from lrdqn.envs.live.choice import CHOICE_MODELS
from lrdqn.envs.live.config import LiveConfig, discount_minutes
from lrdqn.envs.live.drift import DRIFTS
from lrdqn.envs.live.env import NOISE_STREAM
from lrdqn.envs.live.observation import (
    NOISE,
    RECENT_NOISE,
    blur,
    observable,
    revealed,
    with_hidden_user_state,
)
from lrdqn.envs.live.prices import PRICES
from lrdqn.envs.live.reward import DELAYS, scalarise
from lrdqn.envs.live.session import Arrival, Candidates, Session, select
from lrdqn.envs.live.tick.arrivals import CALLED, arrival_chance, starting_instant, who_comes
from lrdqn.envs.live.tick.audience import (
    Tally,
    closes,
    draw_audience,
    empty_audience,
    next_audience,
    present,
)
from lrdqn.envs.live.tick.decision import (
    Request,
    Rules,
    begin,
    finish,
    look_at,
    nobody,
    of_this_moment,
    segment,
)
from lrdqn.envs.live.tick.queue import first_in_line, put_back, taken
from lrdqn.envs.live.tick.state import Audience, Slot, TickState
from lrdqn.envs.live.tick.watch import TickDraws, drift_of, pace, play_tick
from lrdqn.envs.live.user_dynamics import discount_units, first_session
from lrdqn.envs.live.world import LiveParams
from lrdqn.observations import Catalogue, LiveObs
from lrdqn.types import DecisionStatus, Env, EnvSpec, TimeStep


class Served(NamedTuple):
    """Uniforms of the sessions that are offered rooms in this tick, one row each."""

    outcome: Float[Array, "3 B"]
    who: Float[Array, "B 9"]
    arrival: Arrival
    candidates: Float[Array, "B V"]


def uniforms(key: PRNGKeyArray, shape: tuple[int, ...]) -> Array:
    """Return uniforms in [1e-7, 1 - 1e-7], whose normal quantiles are finite."""
    return jnp.clip(jax.random.uniform(key, shape), 1e-7, 1 - 1e-7)


def draw_served(key: PRNGKeyArray, rows: int, candidates: int) -> Served:
    """Draw all of them from one call."""
    u = uniforms(key, (6 + CALLED + candidates, rows))
    unused = jnp.zeros(rows, jnp.float32)
    arrival = Arrival(unused, unused, unused, *ndtri(u[3:5]))
    return Served(u[:3], u[5 : 6 + CALLED].T, arrival, u[6 + CALLED :].T)


def begun_again(audience: Audience) -> Audience:
    """Return the audience at the start of the world's second day, where the clock is reset at the
    end: no room closed early, no streamer gone."""
    n = audience.gone.shape[0]
    no, zero = jnp.zeros(n, bool), jnp.zeros(n, jnp.int32)
    return audience._replace(ended=zero - 1, met=no, empty_rooms=zero, gone=no)


def make_tick_live(config: LiveConfig, sessions: int) -> Env:
    """Build the live world for ``sessions`` users on one clock.

    One step is one tick. The action of a session that is offered rooms is played; the action of a
    session that watches, queues or is away is ignored. ``TimeStep.pending`` says whose decision is
    complete. ``info`` is that of ``make_live`` for complete decisions and zero in all other ticks;
    besides, it holds ``ticks`` (1 where a session was under way), ``decisions`` (1 where one is
    complete) and ``waiting`` (rooms are on offer: the next action will be played).

    A session that has ended leaves its place empty until the next user arrives; until then ``obs``
    is its last one. Two policies share the random numbers of places and streamers in every tick;
    once their first choices differ, different sessions are served in a tick.

    Args:
        config: the world's config; validated by ``freeze``.
        sessions: N.
    """
    ticking, recall = config.tick, Recall.of(config)
    tick, rows = ticking.seconds, max(1, math.ceil(ticking.served_share * sessions))
    minutes, chances_of = discount_minutes(config.discount_unit), CHOICE_MODELS[config.choice_model]
    rules = Rules(DRIFTS[config.drift], DELAYS[config.reward.delay], config.horizon)
    days, shape = (
        max(1, config.schedule.days - 2),
        (sessions,) if config.slate == 1 else (sessions, config.slate),
    )

    def offer(
        session: Session, u: Array, key: PRNGKeyArray, audience: Audience, params: LiveParams
    ) -> Candidates:
        """Return the rooms on offer and their observed features, which stay fixed until the
        decision is complete."""
        candidates = draw_candidates(session, u, params, recall, present=present(audience))
        if config.obs == "noisy":
            noise = jax.random.normal(
                jax.random.fold_in(key, NOISE_STREAM), candidates.features.shape
            )
            return blur(candidates, config.obs_noise, noise, (*NOISE, *RECENT_NOISE))
        if config.obs == "full":
            return revealed(
                candidates, look_at(session, candidates.streamer, audience, params, ticking), params
            )
        return candidates

    def observe(session: Session, candidates: Candidates, params: LiveParams) -> LiveObs:
        return (with_hidden_user_state if config.obs == "full" else observable)(
            session, candidates, params
        )

    def reset(key: PRNGKeyArray, params: LiveParams) -> tuple[TickState, LiveObs]:
        instant_key, highlight_key, served_key = jax.random.split(key, 3)
        streamers = params.streamers.popularity.shape[0]
        now = starting_instant(uniforms(instant_key, (2,)), days, tick)
        audience = empty_audience(params, uniforms(highlight_key, (streamers,)), now, ticking)
        u = draw_served(served_key, sessions, recall.draws)
        session = first_session(
            who_comes(u.who, now, params), jnp.broadcast_to(now, (sessions,)), u.arrival, params
        )
        candidates = offer(session, u.candidates, served_key, audience, params)
        zero, watch = jnp.zeros(sessions, jnp.int32), nobody(sessions, shape, streamers - 1)
        state = TickState(
            now,
            session,
            candidates,
            zero + Slot.READY,
            zero,
            jnp.zeros(sessions, bool),
            watch,
            audience,
        )
        return state, observe(session, candidates, params)

    def step(
        key: PRNGKeyArray, state: TickState, action: Array, params: LiveParams
    ) -> tuple[TickState, TimeStep]:
        place_key, audience_key, served_key = jax.random.split(key, 3)
        u = uniforms(place_key, (8, sessions))
        now, session, audience = state.now, state.session, state.audience
        streamers, style = params.streamers.style.shape
        later = now + tick

        # Play the action of each session that is offered rooms.
        ready = state.slot == Slot.READY
        begun, shown = begin(
            Request(*u[:3]),
            action.reshape(shape).astype(jnp.int32),
            session,
            state.candidates,
            audience,
            params,
            ticking,
            chances_of,
        )
        watch = select(ready, begun, state.watch)
        slot = jnp.where(ready, jnp.where(watch.clicked, Slot.WATCHING, Slot.QUEUED), state.slot)
        impressions = segment(
            jnp.repeat(ready, config.slate).astype(jnp.float32), shown.reshape(-1), streamers
        )

        # Play one tick of every watch.
        watching = slot == Slot.WATCHING
        of_streamers = draw_audience(audience_key, streamers, style)
        closing = closes(audience.on_air, audience.viewers, of_streamers.closing, ticking)
        watch = watch._replace(
            ends=jnp.where(closing[watch.streamer], jnp.minimum(watch.ends, later), watch.ends)
        )
        is_highlight = audience.is_highlight[watch.streamer]
        drift = drift_of(audience.content, session.interest, watch.streamer, params)
        rate = pace(is_highlight, drift, ticking.dwell_highlight, ticking.dwell_content)
        watch, event = play_tick(
            TickDraws(u[3:6], u[6]), watch, session, watching, now, rate, is_highlight, tick, params
        )
        world_over = later >= params.schedule.end_of_world
        aged = later - session.started >= ticking.session_ticks * tick
        over = state.over | ((watching | (slot == Slot.QUEUED)) & (aged | world_over))
        slot = jnp.where(event.finished | (watching & over), Slot.QUEUED, slot)

        # Update the streamers.
        stays = (slot == Slot.WATCHING).astype(jnp.float32)
        spent = jnp.sum(event.by_price * jnp.asarray(PRICES)[None], axis=1)
        sums = jnp.stack(
            [event.seconds, event.comments, event.likes, event.gifts, spent, stays], axis=1
        )
        tally = Tally(*segment(sums, watch.streamer, streamers).T)
        clock = jnp.where(world_over, DAY // tick * tick, later)
        audience = audience._replace(impressions=audience.impressions + impressions)
        audience = jax.tree.map(
            lambda x, y: jnp.where(world_over, x, y), begun_again(audience), audience
        )
        audience = next_audience(
            audience, tally, closing & ~world_over, of_streamers, clock, params, ticking
        )

        # Offer rooms to sessions whose decision is over and to arrivals, as many as a tick serves.
        arrives = (slot == Slot.AWAY) & (u[7] < arrival_chance(now, ticking.arrival_rate))
        slot = jnp.where(arrives, Slot.ARRIVING, slot)
        done = session.time + jnp.ceil(watch.seconds + params.law.decision_seconds).astype(
            jnp.int32
        )
        waiting = ((slot == Slot.QUEUED) & ((done <= later) | over)) | (slot == Slot.ARRIVING)
        batch = first_in_line(waiting, state.waited, rows)
        draws = draw_served(served_key, rows, recall.draws)
        before, played, cut, comes = taken((session, watch, over, slot == Slot.ARRIVING), batch)
        out = finish(
            played, before, cut, later, draws.outcome, of_this_moment(params, audience), rules
        )
        newcomer = first_session(
            who_comes(draws.who, clock, params),
            jnp.broadcast_to(clock, (rows,)),
            draws.arrival,
            params,
        )
        following = select(comes, newcomer, out.after)
        offered = offer(following, draws.candidates, served_key, audience, params)

        complete = batch.chosen & (slot == Slot.QUEUED)
        truncated = out.truncated

        def of_complete(x: Array) -> Array:
            """Return rows of the batch at their places, and zeros where no decision is complete."""
            flag = complete.reshape(complete.shape + (1,) * (x.ndim - 1))
            return jnp.where(flag, x[batch.row], jnp.zeros((), x.dtype))

        ended = of_complete(out.left | truncated)
        e = out.engagement
        unit = discount_units(e.seconds, minutes, params.law)
        info = {
            f"reward/{name}": of_complete(value) for name, value in out.parts._asdict().items()
        } | {
            "hour": of_complete(before.time % DAY // 3600),
            "clicked": of_complete(e.clicked),
            "stayed": of_complete(e.stayed),
            "stream_ended": of_complete(e.cut),
            "left": of_complete(out.left),
            "impatient": of_complete(out.impatient),
            "returned": of_complete(out.returned),
            "seconds": of_complete(e.seconds),
            "gifts": of_complete(e.gifts),
            "spent": of_complete(e.spent),
            "gifts_by_price": of_complete(e.by_price),
        }
        session, candidates = put_back((session, state.candidates), (following, offered), batch)
        slot = jnp.where(batch.chosen, jnp.where(ended, Slot.AWAY, Slot.READY), slot)
        new = params.streamers.newcomer[shown] & (shown != streamers - 1)
        info |= {
            "cohort": params.users.cohort[state.session.user],
            "newcomers": ready
            * jnp.sum(new, axis=1)
            / jnp.maximum(jnp.sum(shown != streamers - 1, axis=1), 1),
            "ticks": (state.slot <= Slot.QUEUED).astype(jnp.int32),
            "decisions": complete.astype(jnp.int32),
            "waiting": slot == Slot.READY,
        }
        waited = jnp.where(waiting & ~batch.chosen, state.waited + 1, 0)
        obs = observe(session, candidates, params)
        timestep = TimeStep(
            obs=obs,
            reward=of_complete(scalarise(out.parts, params.weights)),
            terminated=of_complete(out.left),
            truncated=of_complete(truncated),
            final_obs=obs,
            elapsed=jnp.where(complete, unit[batch.row], 1.0),
            info=info,
            pending=DecisionStatus(watch.action, complete),
        )
        over = over & ~batch.chosen
        return TickState(clock, session, candidates, slot, waited, over, watch, audience), timestep

    def catalogue(params: LiveParams) -> Catalogue:
        return params.catalogue

    spec = EnvSpec(
        "live",
        sessions,
        config.candidates,
        config.slate,
        "candidates",
        ticking.session_ticks,
        (),
        False,
    )
    return Env(spec, reset, step, catalogue)
