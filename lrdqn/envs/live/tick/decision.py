"""Both ends of a decision: what a request leads to at once, and what the whole watch has done to
the viewer."""

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
from lrdqn.ops.slates import first_mentions


class Rules(NamedTuple):
    """What is chosen when the environment is built."""

    drift: Drift
    delay: Delay
    horizon: int


class Request(NamedTuple):
    """Uniforms of one request, ``[N]``."""

    click: Float[Array, "N"]
    stay: Float[Array, "N"]
    watch: Float[Array, "N"]


class DecisionOutcome(NamedTuple):
    """A whole decision, ``[B]``."""

    after: Session
    engagement: Engagement
    parts: RewardParts
    truncated: Bool[Array, "B"]
    left: Bool[Array, "B"]
    """The app."""
    returned: Bool[Array, "B"]
    """Would come back the next day."""
    impatient: Bool[Array, "B"]


def of_this_moment(params: LiveParams, audience: Audience) -> LiveParams:
    """The world with streamers about what they are about now: affinity is with ``z_s`` instead of
    ``e_s``."""
    return params._replace(streamers=params.streamers._replace(style=audience.content))


def look_at(
    session: Session,
    streamer: Int[Array, "N K"],
    audience: Audience,
    params: LiveParams,
    config: TickConfig,
) -> StreamUtility:
    """How streams strike their viewers now: the decision clock's appeal with H and z of the moment,
    and the crowd."""
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
    """Show the streams at ``action``'s places: what is clicked, and the watch that begins with it;
    the streams shown."""
    n = session.time.shape[0]
    slate = action.reshape(n, -1)

    def shown(x: Array) -> Array:
        return jnp.take_along_axis(x, slate, axis=1)

    nothing = params.streamers.popularity.shape[0] - 1
    there = shown(candidates.mask) & (shown(candidates.streamer) != nothing) & first_mentions(slate)
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
    """What the decision clock does after an impression, with what the watch has gathered.

    Args:
        watch: complete.
        session: as of its click.
        over: sessions that are cut from outside; their time stops with the watch.
        later: end of the tick, where the others are served again; they leave too where their time
            is up by then.
        u: uniforms of a follow, of a return and of interests.
        params: the world, streamers being what they are at this moment (``of_this_moment``).
        rules: how interests move, when labels are paid, and at how many decisions a session is cut
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
    """Before the first action."""
    zero, none = jnp.zeros(sessions, jnp.int32), jnp.zeros(sessions, jnp.float32)
    no = jnp.zeros(sessions, bool)
    blank = Watch(
        zero, no, no, zero + nothing, zero, none, none, none, no, none, none, no, none, none, none
    )
    return blank._replace(
        action=jnp.zeros(action_shape, jnp.int32), by_price=jnp.zeros((sessions, 14), jnp.float32)
    )


def segment(values: Array, streamer: Int[Array, "M"], streamers: int) -> Array:
    """Sums of rows by streamer ``[S+1, ...]``."""
    return jax.ops.segment_sum(values, streamer, num_segments=streamers)
