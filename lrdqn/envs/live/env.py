"""The live world in the decision clock as an ``Env``: N sessions that step together, each at a time
of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, PRNGKeyArray

from lrdqn.envs.live.candidates import Recall, draw_candidates
from lrdqn.envs.live.choice import CHOICE_MODELS, appeal
from lrdqn.envs.live.config import LiveConfig, discount_minutes
from lrdqn.envs.live.daily_patterns import DAY
from lrdqn.envs.live.drift import DRIFTS
from lrdqn.envs.live.engagement import engage
from lrdqn.envs.live.observation import NOISE, OBSERVE, blur
from lrdqn.envs.live.reward import DELAYS, reward_parts, scalarise
from lrdqn.envs.live.session import Arrival, Candidates, Session, draw, select
from lrdqn.envs.live.signals import SIGNAL_NOISE, SIGNALS
from lrdqn.envs.live.user_dynamics import (
    arrive,
    come_back,
    discount_units,
    leaves,
    return_probability,
    update_user,
)
from lrdqn.envs.live.world import LiveParams
from lrdqn.observations import Catalogue, LiveObs
from lrdqn.ops.choice import choose
from lrdqn.ops.slates import existing, first_mentions
from lrdqn.types import Env, EnvSpec, TimeStep


class LiveState(NamedTuple):
    """Sessions and the candidates on offer to them."""

    session: Session
    candidates: Candidates


class RequestNoise(NamedTuple):
    """Random numbers of one request: uniforms of its candidates, normals of a noisy observation."""

    u: Float[Array, "N V"]
    blur: Float[Array, "N C F"] | None


class Ending(NamedTuple):
    """Consequences of leaving the app (envs/live/README.md, section 12)."""

    session: Session
    terminated: Bool[Array, "N"]
    truncated: Bool[Array, "N"]
    comeback: Float[Array, "N"]
    """1 where a return is rewarded."""
    elapsed: Float[Array, "N"]
    """Discount units added to the step's own."""


RESET_DIVISOR = 8
"""Ended sessions begin anew in batches of ``N / RESET_DIVISOR``: two or three times as many as end
in a step, so that one batch is mostly enough."""
NOISE_STREAM = 1
"""Folded into the step's key for a noisy observation; everything else is drawn from the key
itself."""

EndRule = Callable[[Session, Bool[Array, "N"], Bool[Array, "N"], Arrival, LiveParams], Ending]


def end_session(
    state: Session, left: Array, returned: Array, arrival: Arrival, params: LiveParams
) -> Ending:
    """Terminate sessions whose user leaves, and reward a return on the next day
    (``episode=session``)."""
    del arrival, params
    none = jnp.zeros(left.shape, jnp.float32)
    return Ending(state, left, jnp.zeros_like(left), (left & returned).astype(jnp.float32), none)


def end_user(return_elapsed: float, max_sessions: int) -> EndRule:
    """Build the rule of ``episode=user``: leaving leads to the user's next session, not returning
    terminates.

    A return is not rewarded. After ``max_sessions`` sessions the episode is truncated.
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
    """Build the live world for ``sessions`` users that step together.

    One step is one recommendation request. The action is the place of a candidate, ``[N]``, or a
    slate of places ``[N, K]``, top first; a place that is not on offer, is named again or does not
    exist shows nothing.

    ``info`` holds, per session: every part of the reward (``reward/...``), ``hour`` of the day,
    ``cohort`` of the user (0 cold, 1 warm, 2 active), ``newcomers`` (share of the slate),
    ``clicked``, ``stayed``, ``stream_ended``, ``left`` (the app), ``impatient`` (left for that
    reason), ``returned``, ``seconds``, ``gifts``, ``spent``, and ``gifts_by_price`` ``[N, 14]``.

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

    batch = max(1, sessions // RESET_DIVISOR)
    observe_session, signals = OBSERVE[config.obs], SIGNALS if config.live_signals else ()
    scale = (*NOISE, *SIGNAL_NOISE[: len(signals)])

    def request_noise(
        u: Float[Array, "2N V"], key: PRNGKeyArray
    ) -> tuple[RequestNoise, RequestNoise]:
        """Return the random numbers of two requests: of the sessions that go on, and of new ones in
        their place."""
        normals = None
        if config.obs == "noisy":
            normals = jax.random.normal(
                jax.random.fold_in(key, NOISE_STREAM), (2 * sessions, places, len(scale))
            )
        both = RequestNoise(u, normals)
        return jax.tree.map(lambda x: x[:sessions], both), jax.tree.map(
            lambda x: x[sessions:], both
        )

    def offer(session: Session, noise: RequestNoise, params: LiveParams) -> LiveState:
        candidates = draw_candidates(session, noise.u, params, recall, signals)
        if noise.blur is not None:
            candidates = blur(candidates, config.obs_noise, noise.blur, scale)
        return LiveState(session, candidates)

    def reset_ended(
        state: LiveState,
        ended: Bool[Array, "N"],
        arrival: Arrival,
        noise: RequestNoise,
        params: LiveParams,
    ) -> LiveState:
        """Replace ended sessions by new ones.

        Few end in a step, so new ones are made ``batch`` at a time, not N at once.
        """
        total = jnp.sum(ended)
        places_of = jnp.nonzero(ended, size=sessions + batch, fill_value=sessions)[0]

        def some(carry: tuple[Array, LiveState]) -> tuple[Array, LiveState]:
            done, state = carry
            rows = jax.lax.dynamic_slice_in_dim(places_of, done, batch)
            own_arrival, own_noise = jax.tree.map(
                lambda x: x[jnp.minimum(rows, sessions - 1)], (arrival, noise)
            )
            fresh = offer(arrive(own_arrival, params, days), own_noise, params)
            return done + batch, jax.tree.map(
                lambda x, y: x.at[rows].set(y, mode="drop"), state, fresh
            )

        return jax.lax.while_loop(
            lambda carry: carry[0] < total, some, (jnp.zeros_like(total), state)
        )[1]

    def observe(state: LiveState, params: LiveParams) -> LiveObs:
        return observe_session(*state, params)

    def reset(key: PRNGKeyArray, params: LiveParams) -> tuple[LiveState, LiveObs]:
        _, arrival, u = draw(key, sessions, recall.draws)
        state = offer(arrive(arrival, params, days), request_noise(u, key)[0], params)
        return state, observe(state, params)

    def step(
        key: PRNGKeyArray, state: LiveState, action: Array, params: LiveParams
    ) -> tuple[LiveState, TimeStep]:
        before, offered = state
        draws, arrival, u_offer = draw(key, sessions, recall.draws)
        named = action.reshape(sessions, config.slate)
        slate, exists = existing(named, places)

        def shown(x: Array) -> Array:
            return jnp.take_along_axis(x, slate, axis=1)

        streamers, rooms = shown(offered.streamer), shown(offered.room)
        nothing = params.nothing
        stream_utility = appeal(before, streamers, rooms, params)
        on_offer = exists & shown(offered.mask) & (streamers != nothing) & first_mentions(named)
        clicked, place = choose(
            draws.click, chances_of(stream_utility.utility, on_offer, params.law)
        )

        def of_clicked(x: Array) -> Array:
            return jnp.take_along_axis(x, place[:, None], axis=1)[:, 0]

        streamer = jnp.where(clicked, of_clicked(streamers), nothing)
        utility, experience, taste, is_highlight = map(of_clicked, stream_utility)
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

        noise_ongoing, noise_fresh = request_noise(u_offer, key)
        final = offer(ending.session._replace(pending_reward=pending_reward), noise_ongoing, params)
        following = reset_ended(final, terminated | truncated, arrival, noise_fresh, params)

        unit = discount_units(e.seconds, minutes, params.law)
        info = {f"reward/{name}": value for name, value in parts._asdict().items()} | {
            "hour": before.time % DAY // 3600,
            "cohort": params.users.cohort[before.user],
            "newcomers": jnp.sum(params.streamers.newcomer[streamers] & on_offer, axis=1)
            / jnp.maximum(jnp.sum(on_offer, axis=1), 1),
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
