"""The live world as an ``Env``: N sessions that step together, each on a clock of its own (decision
clock)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, PRNGKeyArray

from lrdqn.envs.live.candidates import DAY, Recall, draw_candidates
from lrdqn.envs.live.choice import CHOICE_MODELS, appeal
from lrdqn.envs.live.config import LiveConfig, discount_minutes
from lrdqn.envs.live.drift import DRIFTS
from lrdqn.envs.live.engagement import engage
from lrdqn.envs.live.observation import NOISE, OBSERVE, blur
from lrdqn.envs.live.reward import DELAYS, reward_parts, scalarise
from lrdqn.envs.live.session import Arrival, Candidates, Session, draw, select
from lrdqn.envs.live.signals import SIGNAL_HAZE, SIGNALS
from lrdqn.envs.live.user_dynamics import (
    arrive,
    come_back,
    leaves,
    return_probability,
    update_user,
)
from lrdqn.envs.live.world import LiveParams
from lrdqn.observations import Catalogue, LiveObs
from lrdqn.ops.choice import choose
from lrdqn.ops.slates import first_mentions
from lrdqn.types import Env, EnvSpec, TimeStep


class LiveState(NamedTuple):
    """Sessions and what they are being offered."""

    session: Session
    candidates: Candidates


class RequestNoise(NamedTuple):
    """What a request takes of chance."""

    u: Float[Array, "N V"]
    noise: Float[Array, "N C F"] | None


class Ending(NamedTuple):
    """What leaving the app leads to (DESIGN P24)."""

    session: Session
    terminated: Bool[Array, "N"]
    truncated: Bool[Array, "N"]
    comeback: Float[Array, "N"]
    """1 where a return is rewarded."""
    elapsed: Float[Array, "N"]
    """Discount units added to the step's own."""


RENEWED = 8
"""One session in so many begins anew at a time: two or three times as many as end at a step, so
that once is mostly enough."""
NOISE_STREAM = 1
"""What the step's key is folded with for a noisy observation; everything else is drawn from the key
itself."""

EndRule = Callable[[Session, Bool[Array, "N"], Bool[Array, "N"], Arrival, LiveParams], Ending]


def end_session(
    state: Session, left: Array, returned: Array, arrival: Arrival, params: LiveParams
) -> Ending:
    """``episode=session``: leaving terminates, and coming back the next day is rewarded there."""
    del arrival, params
    none = jnp.zeros(left.shape, jnp.float32)
    return Ending(state, left, jnp.zeros_like(left), (left & returned).astype(jnp.float32), none)


def end_user(return_elapsed: float, max_sessions: int) -> EndRule:
    """``episode=user``: leaving leads on to the user's next session; not coming back terminates; no
    reward for returning.

    After ``max_sessions`` sessions the window of observation ends: truncated.
    """

    def rule(
        state: Session, left: Array, returned: Array, arrival: Arrival, params: LiveParams
    ) -> Ending:
        over = left & returned & (state.session + 1 >= max_sessions)
        onward = left & returned
        following = select(onward, come_back(state, arrival, params), state)
        none = jnp.zeros(left.shape, jnp.float32)
        return Ending(
            following, left & ~returned, over, none, jnp.where(onward, return_elapsed, 0.0)
        )

    return rule


def make_live(config: LiveConfig, sessions: int) -> Env:
    """Build the live world for ``sessions`` viewers that step together.

    One step is one recommendation request. The action is the place of a candidate, ``[N]``, or a
    slate of places ``[N, K]``, top first; one that is not on offer, or is named again, shows
    nothing. ``info`` holds, per session: every part of the reward (``reward/...``), ``hour`` of the
    day, ``cohort`` of the viewer (0 cold, 1 warm, 2 active), ``newcomers`` (share of what was
    shown), ``clicked``, ``stayed``, ``stream_ended``, ``left`` (the app), ``impatient`` (left for
    that reason), ``returned``, ``seconds``, ``gifts``, ``spent``, and ``gifts_by_price``
    ``[N, 14]``.

    Args:
        config: the world's config; validated by ``freeze``.
        sessions: N.
    """
    places, recall = config.candidates, Recall.of(config)
    minutes, chances_of = discount_minutes(config.discount_unit), CHOICE_MODELS[config.choice_model]
    drift, delay = DRIFTS[config.drift], DELAYS[config.reward.delay]
    # Sessions start early enough for a whole episode to fit into the schedule.
    days = max(
        1, config.schedule.days - 2 - (config.max_sessions if config.episode == "user" else 0)
    )
    rule = (
        end_session
        if config.episode == "session"
        else end_user(config.return_elapsed, config.max_sessions)
    )

    batch = max(1, sessions // RENEWED)
    see, signals = OBSERVE[config.obs], SIGNALS if config.live_signals else ()
    scale = (*NOISE, *SIGNAL_HAZE[: len(signals)])

    def luck(u: Float[Array, "2N V"], key: PRNGKeyArray) -> tuple[RequestNoise, RequestNoise]:
        """What requests take of chance: those of the sessions as they are, and those of new ones in
        their place."""
        noise = None
        if config.obs == "noisy":
            noise = jax.random.normal(
                jax.random.fold_in(key, NOISE_STREAM), (2 * sessions, places, len(scale))
            )
        both = RequestNoise(u, noise)
        return jax.tree.map(lambda x: x[:sessions], both), jax.tree.map(
            lambda x: x[sessions:], both
        )

    def offer(session: Session, luck: RequestNoise, params: LiveParams) -> LiveState:
        candidates = draw_candidates(session, luck.u, params, recall, signals)
        if luck.noise is not None:
            candidates = blur(candidates, config.obs_noise, luck.noise, scale)
        return LiveState(session, candidates)

    def reset_ended(
        state: LiveState,
        ended: Bool[Array, "N"],
        arrival: Arrival,
        luck: RequestNoise,
        params: LiveParams,
    ) -> LiveState:
        """Sessions that have ended begin anew. A few do at each step, so they are made ``batch`` at
        a time, not N at once."""
        total = jnp.sum(ended)
        places_of = jnp.nonzero(ended, size=sessions + batch, fill_value=sessions)[0]

        def some(carry: tuple[Array, LiveState]) -> tuple[Array, LiveState]:
            done, state = carry
            rows = jax.lax.dynamic_slice_in_dim(places_of, done, batch)
            own_arrival, own_luck = jax.tree.map(
                lambda x: x[jnp.minimum(rows, sessions - 1)], (arrival, luck)
            )
            fresh = offer(arrive(own_arrival, params, days), own_luck, params)
            return done + batch, jax.tree.map(
                lambda x, y: x.at[rows].set(y, mode="drop"), state, fresh
            )

        return jax.lax.while_loop(
            lambda carry: carry[0] < total, some, (jnp.zeros_like(total), state)
        )[1]

    def observe(state: LiveState, params: LiveParams) -> LiveObs:
        return see(*state, params)

    def reset(key: PRNGKeyArray, params: LiveParams) -> tuple[LiveState, LiveObs]:
        _, arrival, u = draw(key, sessions, recall.draws)
        state = offer(arrive(arrival, params, days), luck(u, key)[0], params)
        return state, observe(state, params)

    def step(
        key: PRNGKeyArray, state: LiveState, action: Array, params: LiveParams
    ) -> tuple[LiveState, TimeStep]:
        before, offered = state
        draws, arrival, u_offer = draw(key, sessions, recall.draws)
        slate = action.reshape(sessions, config.slate)

        def shown(x: Array) -> Array:
            return jnp.take_along_axis(x, slate, axis=1)

        streamers, rooms = shown(offered.streamer), shown(offered.room)
        nothing = params.streamers.popularity.shape[0] - 1
        look = appeal(before, streamers, rooms, params)
        there = shown(offered.mask) & (streamers != nothing) & first_mentions(slate)
        clicked, place = choose(draws.click, chances_of(look.utility, there, params.law))

        def of_clicked(x: Array) -> Array:
            return jnp.take_along_axis(x, place[:, None], axis=1)[:, 0]

        streamer = jnp.where(clicked, of_clicked(streamers), nothing)
        utility, experience, taste, is_highlight = map(of_clicked, look)
        followed = jnp.any((before.loyalty == streamer[:, None]) & before.followed, axis=1)
        left_on_air = (of_clicked(shown(offered.ends)) - before.time).astype(jnp.float32)
        free = jnp.maximum(before.until - before.time, 0).astype(jnp.float32)
        wealth, rank = params.users.wealth[before.user], params.users.wealth_rank[before.user]
        e = engage(
            draws,
            clicked,
            utility,
            taste,
            is_highlight,
            wealth,
            rank,
            followed,
            left_on_air,
            free,
            params.law,
        )

        after = drift(
            update_user(before, streamer, e, experience, params), streamer, e, draws.drift, params
        )
        left = leaves(after)
        returned = draws.comeback < return_probability(after.satisfaction, params.law)
        ending = rule(after, left, returned, arrival, params)
        over = (after.decisions >= config.horizon) | (
            ending.session.time >= params.schedule.end_of_world
        )
        terminated, truncated = ending.terminated, ending.truncated | over
        earned = reward_parts(e, ending.comeback, params.weights)
        parts, pending_reward = delay(earned, before.pending_reward, left | terminated | truncated)

        going_on, anew = luck(u_offer, key)
        final = offer(ending.session._replace(pending_reward=pending_reward), going_on, params)
        following = reset_ended(final, terminated | truncated, arrival, anew, params)

        unit = (
            jnp.ones_like(e.seconds)
            if minutes is None
            else jnp.maximum(e.seconds, 1.0) / (60 * minutes)
        )
        info = {f"reward/{name}": value for name, value in parts._asdict().items()} | {
            "hour": before.time % DAY // 3600,
            "cohort": params.users.cohort[before.user],
            "newcomers": jnp.sum(params.streamers.newcomer[streamers] & there, axis=1)
            / jnp.maximum(jnp.sum(there, axis=1), 1),
            "clicked": e.clicked,
            "stayed": e.stayed,
            "stream_ended": e.cut,
            "left": left,
            "impatient": left & (after.patience <= 0),
            "returned": left & returned,
            "seconds": e.seconds,
            "gifts": e.gifts,
            "spent": e.spent,
            "gifts_by_price": e.by_price,
        }
        timestep = TimeStep(
            obs=observe(following, params),
            reward=scalarise(parts, params.weights),
            terminated=terminated,
            truncated=truncated,
            final_obs=observe(final, params),
            elapsed=unit + ending.elapsed,
            info=info,
            clicked_place=jnp.where(clicked, place, config.slate).astype(jnp.int8),
        )
        return following, timestep

    def catalogue(params: LiveParams) -> Catalogue:
        return params.catalogue

    spec = EnvSpec("live", sessions, places, config.slate, "candidates", config.horizon, ())
    return Env(spec, reset, step, catalogue)
