"""Dynamics of a user's state: fatigue, patience, satisfaction, loyalty, history, leaving, return.

Source: envs/live/README.md, section 7; w is seconds watched, Q the experience.
"""

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
"""Least time between two sessions of a user."""
LOYAL_SECONDS = 60.0
"""Length beyond which a watch can win a loyalty slot."""


def next_fatigue(
    fatigue: Float[Array, "N G"],
    category: Float[Array, "N G"],
    watched: Float[Array, "N"],
    elapsed: Float[Array, "N"],
    law: UserLawConfig,
) -> Float[Array, "N G"]:
    """Return ``f exp(-D / tau) + c (tau / 600) (1 - exp(-w / tau))``, bounded by ``tau / 600``; D
    seconds passed, tau is ``fatigue_minutes``."""
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
    """Return ``min(cap, B + dB)``: ``dB = -c_n`` without a click, ``-clip(1 - 0.2 Q, 0.25, 3)``
    after a bounce, ``c_e min(1, w / 300) max(0, 1 + Q)`` after an engaged watch.

    c_n is ``patience_no_click``, c_e ``patience_gain``. A room that ends before the user had stayed
    costs nothing.
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
    """Return ``s + alpha (x - s)``, ``x = 3 min(1, w / 600) Q`` after an engaged watch, -0.2 after
    a bounce; s otherwise.

    alpha is ``satisfaction_rate``.
    """
    x = jnp.where(e.stayed, 3 * jnp.minimum(1.0, e.seconds / 600) * experience, -0.2)
    return jnp.where(
        e.stayed | bounced(e),
        satisfaction + law.satisfaction_rate * (x - satisfaction),
        satisfaction,
    )


def return_probability(satisfaction: Float[Array, "N"], law: UserLawConfig) -> Float[Array, "N"]:
    """Return the probability of a return on the next day,
    ``sigmoid(return_bias + return_slope (s - return_mean))``.

    Source: its mean is 0.89 to 0.91 in GiftLive's statistics.
    """
    return jax.nn.sigmoid(law.return_bias + law.return_slope * (satisfaction - law.return_mean))


def next_loyalty(
    state: Session,
    streamer: Int[Array, "N"],
    e: Engagement,
    now: Int[Array, "N"],
    law: UserLawConfig,
) -> Session:
    """Return sessions with ``l <- l' + gain (1 - l') min(1, w / 600)``, l' being the strength
    decayed until the watch began; the visit is dated by the watch's end, ``now``.

    A streamer not known who was watched for more than ``LOYAL_SECONDS`` takes the weakest slot if
    that is weaker than the gain, and in any case with a follow, which is stored with the slot.
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
    """Return sessions after one impression; time advances by ``ceil(w + decision_seconds)``."""
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


def discount_units(
    seconds: Float[Array, "N"], minutes: float | None, law: UserLawConfig
) -> Float[Array, "N"]:
    """Return the discount units of one impression: 1, or with ``discount_unit=minutes:X`` the time
    that it takes, clicked or not, ``(w + decision_seconds) / (60 X)``."""
    if minutes is None:
        return jnp.ones_like(seconds)
    return (seconds + law.decision_seconds) / (60 * minutes)


def leaves(state: Session) -> Bool[Array, "N"]:
    """Return whether the session ends: patience or free time has run out."""
    return (state.patience <= 0) | (state.time >= state.until)


def _start_hour(
    z: Float[Array, "N"], user: Int[Array, "N"], params: LiveParams
) -> Float[Array, "N"]:
    """Return the hour of the day, ``N(preferred hour, START_SPREAD)`` wrapped."""
    return (params.users.active_hour[user] + START_SPREAD * z) % 24.0


def open_session(
    state: Session, arrival: Arrival, time: Int[Array, "N"], law: UserLawConfig
) -> Session:
    """Begin sessions at ``time`` with lognormal patience, its cap at twice that, and lognormal free
    time."""
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
    """Return users by uniforms, each with the probability of its share of all sessions."""
    return jnp.minimum(
        jnp.searchsorted(params.users.reach, u).astype(jnp.int32), params.users.reach.shape[0] - 1
    )


def arrive(arrival: Arrival, params: LiveParams, days: int) -> Session:
    """Begin sessions of users drawn by activity, on one of the first ``days`` days after the
    world's first.

    Each begins with the user's stored past: sessions of the same user do not affect each other,
    except those that ``episode=user`` plays in sequence.
    """
    user = by_activity(arrival.user, params)
    day = 1 + jnp.minimum((arrival.day * days).astype(jnp.int32), days - 1)
    time = day * DAY + (3600 * _start_hour(arrival.hour, user, params)).astype(jnp.int32)
    return first_session(user, time, arrival, params)


def first_session(
    user: Int[Array, "N"], time: Int[Array, "N"], arrival: Arrival, params: LiveParams
) -> Session:
    """Begin sessions of the given users at the given times, with their stored past; ``arrival``
    gives patience and minutes."""
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
    """Move sessions to ``time`` without an impression: fatigue decays."""
    gap = (time - state.time).astype(jnp.float32)
    return state._replace(
        time=time, fatigue=state.fatigue * jnp.exp(-gap / (law.fatigue_minutes * 60))[:, None]
    )


def come_back(state: Session, arrival: Arrival, params: LiveParams) -> Session:
    """Begin the same users' next sessions, on the day after these began, around the preferred hour.

    At least ``SLEEP_SECONDS`` pass, in which fatigue decays.
    """
    tomorrow = (state.started // DAY + 1) * DAY
    wished = tomorrow + (3600 * _start_hour(arrival.hour, state.user, params)).astype(jnp.int32)
    time = jnp.maximum(wished, state.time + SLEEP_SECONDS)
    rested = rest(state, time, params.law)._replace(session=state.session + 1)
    return open_session(rested, arrival, time, params.law)
