"""Delayed signals of a highlight that a platform can observe: recent reactions and the room's
sound.

Each is a function of room and time alone, with a hash of both for randomness: all users and
policies see the same, and a second request reveals nothing new. ``env.live_signals`` appends them
to the features of a candidate. Source: envs/live/README.md, section 9.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri
from jaxtyping import Float, Int

from lrdqn.envs.live.choice import HIGHLIGHT_SHARE, highlight, mixed
from lrdqn.envs.live.daily_patterns import DAY, HOURLY_WATCH
from lrdqn.envs.live.engagement import poisson_quantile
from lrdqn.envs.live.world import LiveParams

Signal = Callable[[Int[Array, "N"], Int[Array, "N C"], LiveParams], Float[Array, "N C"]]
"""``signal(time, room, params)``, with a mean near 0 and a spread near 1; rooms are flat indices
and on air."""

COUNTED_MINUTES = 5
MINUTES_PER_DAY = DAY // 60
AUDIO_DELAY = 30
AUDIO_NOISE = 1.0
"""Standard deviation of the noise over that of the highlight (design)."""
REACTION_STREAM, AUDIO_STREAM = 0x51ED270B, 0x2545F491
"""Separate these hashes from that of the highlights and from each other; any constants do."""


def hash_uniform(
    room: Int[Array, "..."], at: Int[Array, "..."], salt: Int[Array, ""], stream: int
) -> Float[Array, "..."]:
    """Return a uniform in (0, 1) that is a function of (room, at): the upper 23 bits of a hash,
    which float32 holds exactly."""
    bits = mixed(room, at, salt.astype(jnp.uint32) ^ jnp.uint32(stream))
    return ((bits >> jnp.uint32(9)).astype(jnp.float32) + 0.5) / 2**23


def expected_reactions(
    room: Int[Array, "..."], minute: Int[Array, "..."], params: LiveParams
) -> Float[Array, "..."]:
    """Return the comments, likes and gifts of a room's viewers in a full minute, averaged over
    highlights.

    ``viewers (rate_c + rate_l + rate_g)`` with ``viewers = P_i 24 share(hour)``, as in the feature
    log viewers.
    """
    law, rooms = params.law, params.schedule.start.shape[-1]
    share = jnp.asarray(24 * HOURLY_WATCH, jnp.float32)[minute % MINUTES_PER_DAY // 60]
    return (
        jnp.exp(params.streamers.popularity[room // rooms])
        * share
        * (law.comment_rate + law.like_rate + law.gift_rate)
    )


def recent_reactions(
    time: Int[Array, "N"], room: Int[Array, "N C"], params: LiveParams
) -> Float[Array, "N C"]:
    """Return ``log((n + 1/2) / (m + 1/2))``: reactions counted in the last five full minutes over
    those expected.

    The count of a minute is Poisson with mean ``e exp(xi (H - 0.3)) / E[exp(xi (H - 0.3))]``, e as
    ``expected_reactions``, H the highlight of the minute's two-minute bin, xi
    ``law.reaction_highlight``. A minute that is not over is not counted, so the count is half a
    minute old on average. Minutes before the room went on air count neither in n nor in m. In rooms
    with few viewers the signal stays near 0.
    """
    xi, start = params.law.reaction_highlight, params.schedule.start.reshape(-1)[room]
    mean = HIGHLIGHT_SHARE * jnp.exp(xi * (1 - HIGHLIGHT_SHARE)) + (1 - HIGHLIGHT_SHARE) * jnp.exp(
        -xi * HIGHLIGHT_SHARE
    )
    back = jnp.arange(1, COUNTED_MINUTES + 1)
    minute = (time // 60)[:, None, None] - back[None, None] + jnp.zeros_like(room)[:, :, None]
    rooms = room[:, :, None] + jnp.zeros_like(minute)
    expected = jnp.where(
        minute * 60 >= start[:, :, None], expected_reactions(rooms, minute, params), 0.0
    )
    lively = jnp.exp(xi * (highlight(rooms, minute * 60, params.salt) - HIGHLIGHT_SHARE)) / mean
    counted = poisson_quantile(
        hash_uniform(rooms, minute, params.salt, REACTION_STREAM), expected * lively
    )
    return jnp.log((jnp.sum(counted, axis=2) + 0.5) / (jnp.sum(expected, axis=2) + 0.5))


def audio_cue(
    time: Int[Array, "N"], room: Int[Array, "N C"], params: LiveParams
) -> Float[Array, "N C"]:
    """Return ``(H(t - AUDIO_DELAY) - 0.3) / sqrt(0.21) + sigma eps``: a delayed, noisy highlight; 0
    before the room began.

    eps is a normal drawn anew every ``AUDIO_DELAY`` seconds, sigma ``AUDIO_NOISE`` (design).
    """
    then = (time - AUDIO_DELAY)[:, None] + jnp.zeros_like(room)
    spread = (HIGHLIGHT_SHARE * (1 - HIGHLIGHT_SHARE)) ** 0.5
    heard = (highlight(room, then, params.salt) - HIGHLIGHT_SHARE) / spread
    noise = AUDIO_NOISE * ndtri(hash_uniform(room, then // AUDIO_DELAY, params.salt, AUDIO_STREAM))
    return jnp.where(then >= params.schedule.start.reshape(-1)[room], heard + noise, 0.0)


SIGNALS: tuple[Signal, ...] = (recent_reactions, audio_cue)
"""In the order of their columns."""
SIGNAL_NOISE = (0.5, 0.5)
"""Standard deviation of the noise of ``env.obs=noisy`` on each of them."""
