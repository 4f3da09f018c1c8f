"""Beginning and end of a decision: the choice that starts a watch, and the effects of the finished
watch on the user."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri
from jaxtyping import Bool, Float, Int

from lrdqn.envs.live.choice import ChoiceModel, StreamUtility, appeal_at
from lrdqn.envs.live.drift import Drift
from lrdqn.envs.live.engagement import Engagement, follows, stay_probability
from lrdqn.envs.live.reward import Delay, RewardParts, reward_parts
from lrdqn.envs.live.session import Candidates, Session
from lrdqn.envs.live.tick.audience import crowding
from lrdqn.envs.live.tick.config import TickConfig
from lrdqn.envs.live.tick.state import Audience, Watch
from lrdqn.envs.live.tick.watch import budget_of
from lrdqn.envs.live.user_dynamics import leaves, rest, return_probability, update_user
from lrdqn.envs.live.world import LiveParams
from lrdqn.ops.choice import choose
from lrdqn.ops.slates import existing, first_mentions


class Rules(NamedTuple):
    """Functions and limits that are fixed when the environment is built."""

    drift: Drift
    delay: Delay
    horizon: int


class Request(NamedTuple):
    """Uniforms of one request, ``[N]``."""

    click: Float[Array, "N"]
    stay: Float[Array, "N"]
    watch: Float[Array, "N"]


class DecisionOutcome(NamedTuple):
    """Outcome of a complete decision, ``[B]``."""

    after: Session
    engagement: Engagement
    parts: RewardParts
    truncated: Bool[Array, "B"]
    left: Bool[Array, "B"]
    """The user has left the app."""
    returned: Bool[Array, "B"]
    """The user comes back the next day."""
    impatient: Bool[Array, "B"]


def of_this_moment(params: LiveParams, audience: Audience) -> LiveParams:
    """Return the world with each streamer's style replaced by the current content: affinity is with
    ``z_s`` instead of ``e_s``."""
    return params._replace(streamers=params.streamers._replace(style=audience.content))


def look_at(
    session: Session,
    streamer: Int[Array, "N K"],
    audience: Audience,
    params: LiveParams,
    config: TickConfig,
) -> StreamUtility:
    """Return the utility of streams to their users now: the decision clock's, with the current H
    and z, plus crowding."""
    look = appeal_at(
        session, streamer, audience.is_highlight[streamer], of_this_moment(params, audience)
    )
    return look._replace(utility=look.utility + crowding(audience.viewers, config)[streamer])


def begin(
    u: Request,
    action: Int[Array, "N ..."],
    session: Session,
    candidates: Candidates,
    audience: Audience,
    params: LiveParams,
    config: TickConfig,
    chances_of: ChoiceModel,
) -> tuple[Watch, Int[Array, "N K"]]:
    """Show the rooms at ``action``'s places, and return the watch that begins with the click and
    the streamers shown."""
    n = session.time.shape[0]
    named = action.reshape(n, -1)
    slate, exists = existing(named, candidates.mask.shape[1])

    def shown(x: Array) -> Array:
        return jnp.take_along_axis(x, slate, axis=1)

    nothing = params.streamers.popularity.shape[0] - 1
    on_offer = shown(candidates.mask) & (shown(candidates.streamer) != nothing)
    there = exists & on_offer & first_mentions(named)
    streamers = jnp.where(there, shown(candidates.streamer), nothing)
    look = look_at(session, streamers, audience, params, config)
    clicked, place = choose(u.click, chances_of(look.utility, there, params.law))

    def of_clicked(x: Array) -> Array:
        return jnp.take_along_axis(x, place[:, None], axis=1)[:, 0]

    streamer = jnp.where(clicked, of_clicked(streamers), nothing)
    utility, experience, taste, _ = map(of_clicked, look)
    none = jnp.zeros(n, jnp.float32)
    watch = Watch(
        action=action,
        clicked=clicked,
        stayed=clicked & (u.stay < stay_probability(utility, params.law)),
        streamer=streamer,
        ends=of_clicked(shown(candidates.ends)),
        utility=utility,
        experience=experience,
        taste=taste,
        followed=jnp.any((session.loyalty == streamer[:, None]) & session.followed, axis=1),
        budget=budget_of(ndtri(u.watch)),
        seconds=none,
        cut=jnp.zeros(n, bool),
        comments=none,
        likes=none,
        by_price=jnp.zeros((n, 14), jnp.float32),
    )
    return watch, streamers


def finish(
    watch: Watch,
    session: Session,
    over: Bool[Array, "B"],
    later: Int[Array, ""],
    u: Float[Array, "3 B"],
    params: LiveParams,
    rules: Rules,
) -> DecisionOutcome:
    """Return the outcome of a complete watch: the decision clock's update of the user after an
    impression.

    Args:
        watch: complete.
        session: as of its click.
        over: sessions that are cut from outside; their time stops with the watch.
        later: end of the tick, where the others are served again; a session also ends if its time
            is up by then.
        u: uniforms of a follow, of a return and of interests.
        params: the world with the current content as style (``of_this_moment``).
        rules: interest drift, reward delay and the number of decisions at which a session is cut
            (static).
    """
    e = Engagement(
        clicked=watch.clicked,
        stayed=watch.stayed,
        seconds=watch.seconds,
        cut=watch.cut,
        comments=watch.comments,
        likes=watch.likes,
        followed=watch.clicked
        & follows(u[0], watch.seconds, watch.taste, watch.followed, params.law),
        gifts=jnp.sum(watch.by_price, axis=1),
        by_price=watch.by_price,
    )
    after = update_user(session, watch.streamer, e, watch.experience, params)
    after = rules.drift(after, watch.streamer, e, u[2], params)
    after = rest(after, jnp.where(over, after.time, jnp.maximum(after.time, later)), params.law)
    left = leaves(after)
    returned = left & (u[1] < return_probability(after.satisfaction, params.law))
    truncated = over | (after.decisions >= rules.horizon)
    earned = reward_parts(e, returned.astype(jnp.float32), params.weights)
    parts, pending_reward = rules.delay(earned, session.pending_reward, left | truncated)
    return DecisionOutcome(
        after._replace(pending_reward=pending_reward),
        e,
        parts,
        truncated,
        left,
        returned,
        left & (after.patience <= 0),
    )


def nobody(sessions: int, action_shape: tuple[int, ...], nothing: int) -> Watch:
    """Return the watch before the first action."""
    zero, none = jnp.zeros(sessions, jnp.int32), jnp.zeros(sessions, jnp.float32)
    no = jnp.zeros(sessions, bool)
    blank = Watch(
        zero, no, no, zero + nothing, zero, none, none, none, no, none, none, no, none, none, none
    )
    return blank._replace(
        action=jnp.zeros(action_shape, jnp.int32), by_price=jnp.zeros((sessions, 14), jnp.float32)
    )


def segment(values: Array, streamer: Int[Array, "M"], streamers: int) -> Array:
    """Return the sums of rows by streamer ``[S+1, ...]``."""
    return jax.ops.segment_sum(values, streamer, num_segments=streamers)
