"""What an impression does to the viewer: fatigue, patience, satisfaction, loyalty, history,
leaving, return (SIMULATOR 6)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.choice import decayed_loyalty
from lrdqn.envs.live.config import UserLawConfig
from lrdqn.envs.live.daily_patterns import DAY, START_SPREAD
from lrdqn.envs.live.engagement import Engagement, bounced
from lrdqn.envs.live.session import Arrival, Session
from lrdqn.envs.live.world import LiveParams
from lrdqn.observations import Reaction

SLEEP_SECONDS = 4 * 3600
"""The least time between two sessions of a user."""
LOYAL_SECONDS = 60.0
"""A watch must last this long to win a loyalty slot."""


def next_fatigue(
    fatigue: Float[Array, "N G"],
    category: Float[Array, "N G"],
    watched: Float[Array, "N"],
    elapsed: Float[Array, "N"],
    law: UserLawConfig,
) -> Float[Array, "N G"]:
    """``f <- f e^{-D/tau} + c (tau / 600) (1 - e^{-w/tau})``: bounded (correction 3); D seconds
    passed, w watched."""
    tau = law.fatigue_minutes * 60
    won = tau / 600 * (1 - jnp.exp(-watched / tau))
    return fatigue * jnp.exp(-elapsed / tau)[:, None] + category * won[:, None]


def next_patience(
    patience: Float[Array, "N"],
    cap: Float[Array, "N"],
    e: Engagement,
    experience: Float[Array, "N"],
    law: UserLawConfig,
) -> Float[Array, "N"]:
    """No click -.5; bounce ``-clip(1 - .2 Q, .25, 3)``; engaged ``+3 min(1, w/300) max(0, 1 + Q)``;
    capped at twice the start.

    A room that ends under a viewer who had not stayed is free. Source: SIMULATOR section 0, set J.
    """
    gain = law.patience_gain * jnp.minimum(1.0, e.seconds / 300) * jnp.maximum(0.0, 1 + experience)
    loss = jnp.clip(1 - 0.2 * experience, 0.25, 3.0)
    change = jnp.where(e.stayed, gain, jnp.where(bounced(e), -loss, 0.0))
    change = jnp.where(e.clicked, change, -law.patience_no_click)
    return jnp.minimum(patience + change, cap)


def next_satisfaction(
    satisfaction: Float[Array, "N"],
    e: Engagement,
    experience: Float[Array, "N"],
    law: UserLawConfig,
) -> Float[Array, "N"]:
    """``s <- s + .05 (x - s)``, x = ``3 min(1, w/600) Q`` if engaged, -.2 after a bounce; unchanged
    otherwise (set J)."""
    x = jnp.where(e.stayed, 3 * jnp.minimum(1.0, e.seconds / 600) * experience, -0.2)
    return jnp.where(
        e.stayed | bounced(e),
        satisfaction + law.satisfaction_rate * (x - satisfaction),
        satisfaction,
    )


def return_probability(satisfaction: Float[Array, "N"], law: UserLawConfig) -> Float[Array, "N"]:
    """``sigmoid(2.98 + 6 (s - .015))``: the chance of coming back the next day (set J; mean target
    .89 to .91)."""
    return jax.nn.sigmoid(law.return_bias + law.return_slope * (satisfaction - law.return_mean))


def next_loyalty(
    state: Session,
    streamer: Int[Array, "N"],
    e: Engagement,
    now: Int[Array, "N"],
    law: UserLawConfig,
) -> Session:
    """``l <- l + .3 (1 - l) min(1, w/600)`` from the value decayed until the watch began; the visit
    is dated by its end.

    A newcomer who was watched for a minute takes the weakest slot if it is weaker, or in any case
    with a follow, which is remembered with its slot. Source: SIMULATOR section 6 and correction 4.
    """
    _, decayed = decayed_loyalty(state, law)
    same = (state.loyalty == streamer[:, None]) & (state.loyalty_strength > 0)
    gain = law.loyalty_gain * jnp.minimum(1.0, e.seconds / 600)
    met = jnp.any(same, axis=1)
    weakest = jnp.arange(decayed.shape[1])[None] == jnp.argmin(decayed, axis=1)[:, None]
    stronger = (e.seconds > LOYAL_SECONDS) & (gain > jnp.min(decayed, axis=1))
    newcomer = e.clicked & ~met & (stronger | e.followed)
    touched = jnp.where(e.clicked[:, None], same | (weakest & newcomer[:, None]), False)
    old = jnp.where(same, decayed, 0.0)
    followed = state.followed & (same | ~touched) | (touched & e.followed[:, None])
    return state._replace(
        loyalty=jnp.where(touched, streamer[:, None], state.loyalty),
        loyalty_strength=jnp.where(
            touched, old + (1 - old) * gain[:, None], state.loyalty_strength
        ),
        loyalty_seen=jnp.where(touched, now[:, None], state.loyalty_seen),
        followed=followed,
    )


def remember(state: Session, streamer: Int[Array, "N"], e: Engagement) -> Session:
    """Push a watch onto the history, newest first; impressions without a click leave it as it
    is."""
    bits = (
        Reaction.LIKE * (e.likes > 0)
        + Reaction.COMMENT * (e.comments > 0)
        + Reaction.GIFT * (e.gifts > 0)
        + Reaction.FOLLOW * e.followed
    )

    def push(old: Array, new: Array) -> Array:
        return jnp.where(
            e.clicked[:, None],
            jnp.concatenate([new.astype(old.dtype)[:, None], old[:, :-1]], axis=1),
            old,
        )

    return state._replace(
        history=push(state.history, streamer),
        history_watch=push(state.history_watch, jnp.log1p(e.seconds)),
        history_reaction=push(state.history_reaction, bits),
    )


def update_user(
    state: Session,
    streamer: Int[Array, "N"],
    e: Engagement,
    experience: Float[Array, "N"],
    params: LiveParams,
) -> Session:
    """The viewer after one impression: the clock moves by the watch and the few seconds that a
    decision costs."""
    law = params.law
    spent = e.seconds + law.decision_seconds
    now = state.time + jnp.ceil(spent).astype(jnp.int32)
    state = next_loyalty(state, streamer, e, now, law)
    state = remember(state, streamer, e)
    return state._replace(
        time=now,
        patience=next_patience(state.patience, state.patience_cap, e, experience, law),
        satisfaction=next_satisfaction(state.satisfaction, e, experience, law),
        fatigue=next_fatigue(
            state.fatigue, params.streamers.category[streamer], e.seconds, spent, law
        ),
        misses=state.misses + (~e.clicked | bounced(e)),
        decisions=state.decisions + 1,
    )


def leaves(state: Session) -> Bool[Array, "N"]:
    """The session ends when patience or free time has run out."""
    return (state.patience <= 0) | (state.time >= state.until)


def _start_hour(
    z: Float[Array, "N"], user: Int[Array, "N"], params: LiveParams
) -> Float[Array, "N"]:
    """Hour of the day, ``Normal(preferred hour, 2 h)`` wrapped."""
    return (params.users.active_hour[user] + START_SPREAD * z) % 24.0


def open_session(
    state: Session, arrival: Arrival, time: Int[Array, "N"], law: UserLawConfig
) -> Session:
    """Fresh patience ``LogNormal(ln 10, .4)`` and free time ``LogNormal(ln 1.5 h, .6)`` at
    ``time``."""
    patience = law.patience_median * jnp.exp(law.patience_sigma * arrival.patience)
    free = 3600 * law.session_hours * jnp.exp(law.session_sigma * arrival.minutes)
    return state._replace(
        time=time,
        started=time,
        until=time + free.astype(jnp.int32),
        patience=patience,
        patience_cap=2 * patience,
        misses=jnp.zeros_like(state.misses),
    )


def by_activity(u: Float[Array, "N"], params: LiveParams) -> Int[Array, "N"]:
    """Users by uniforms, each as likely as its share of all sessions."""
    return jnp.minimum(
        jnp.searchsorted(params.users.reach, u).astype(jnp.int32), params.users.reach.shape[0] - 1
    )


def arrive(arrival: Arrival, params: LiveParams, days: int) -> Session:
    """Sessions of users drawn by their activity, on one of the first ``days`` days after the
    world's first.

    They begin with the user's past: sessions of one user, too, know nothing of each other
    (``episode=user`` follows one on).
    """
    user = by_activity(arrival.user, params)
    day = 1 + jnp.minimum((arrival.day * days).astype(jnp.int32), days - 1)
    time = day * DAY + (3600 * _start_hour(arrival.hour, user, params)).astype(jnp.int32)
    return first_session(user, time, arrival, params)


def first_session(
    user: Int[Array, "N"], time: Int[Array, "N"], arrival: Arrival, params: LiveParams
) -> Session:
    """Sessions of these users, who come at these times with their past; of ``arrival``, patience
    and minutes are read."""
    users, n = params.users, user.shape[0]
    zero, none = jnp.zeros(n, jnp.int32), jnp.zeros(n, jnp.float32)
    blank = Session(
        user=user,
        time=time,
        started=time,
        until=time,
        interest=users.interest[user],
        category_bias=users.category_bias[user],
        patience=none,
        patience_cap=none,
        satisfaction=jnp.full((n,), params.law.return_mean, jnp.float32),
        fatigue=jnp.zeros((n, users.category_bias.shape[1]), jnp.float32),
        loyalty=users.loyalty[user],
        loyalty_strength=users.loyalty_strength[user],
        loyalty_seen=time[:, None] - (3600 * users.loyalty_hours[user]).astype(jnp.int32),
        followed=users.followed[user],
        history=users.history[user],
        history_watch=users.history_watch[user],
        history_reaction=users.history_reaction[user],
        misses=zero,
        pending_reward=jnp.zeros((n, 2), jnp.float32),
        decisions=zero,
        session=zero,
    )
    return open_session(blank, arrival, time, params.law)


def rest(state: Session, time: Int[Array, "N"], law: UserLawConfig) -> Session:
    """Nothing happens until ``time``, but that fatigue decays."""
    gap = (time - state.time).astype(jnp.float32)
    return state._replace(
        time=time, fatigue=state.fatigue * jnp.exp(-gap / (law.fatigue_minutes * 60))[:, None]
    )


def come_back(state: Session, arrival: Arrival, params: LiveParams) -> Session:
    """The same user's session on the day after this one began, around the preferred hour but hours
    later at the least.

    Fatigue has decayed over the night.
    """
    tomorrow = (state.started // DAY + 1) * DAY
    wished = tomorrow + (3600 * _start_hour(arrival.hour, state.user, params)).astype(jnp.int32)
    time = jnp.maximum(wished, state.time + SLEEP_SECONDS)
    rested = rest(state, time, params.law)._replace(session=state.session + 1)
    return open_session(rested, arrival, time, params.law)
