"""Signs of a highlight that a platform can see, some time after it: recent reactions and the sound
of the room (SIMULATOR 3).

Each is a function of room and time alone, its luck a hash of both: all viewers and all policies see
the same, and asking again tells nothing new. ``env.live_signals`` puts them behind the other
changing features of a candidate.
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
"""Set these hashes apart from the one of the highlights and from each other; any constants do."""


def hash_uniform(
    room: Int[Array, "..."], at: Int[Array, "..."], salt: Int[Array, ""], stream: int
) -> Float[Array, "..."]:
    """A uniform in (0, 1) that belongs to (room, at): the upper 23 bits of a hash, so that float32
    holds it exactly."""
    bits = mixed(room, at, salt.astype(jnp.uint32) ^ jnp.uint32(stream))
    return ((bits >> jnp.uint32(9)).astype(jnp.float32) + 0.5) / 2**23


def expected_reactions(
    room: Int[Array, "..."], minute: Int[Array, "..."], params: LiveParams
) -> Float[Array, "..."]:
    """Comments, likes and gifts that a room's crowd gives in a full minute, on average over
    highlights.

    ``viewers (r_comment + r_like + r_gift)`` with ``viewers = P_s 24 share(hour)``, as in the
    feature log viewers.
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
    """``log((n + 1/2) / (m + 1/2))``: reactions counted in the last five full minutes over those to
    be expected.

    The count of a minute is Poisson with mean ``e exp(xi (H - .3)) / E[exp(xi (H - .3))]``, e as
    ``expected_reactions``, H the highlight of the two-minute bin that it lies in, xi
    ``law.reaction_highlight``. A minute that is not over is not counted, so the news is half a
    minute old on average. Minutes before the room went on air count neither in n nor in m. Where
    hardly anybody watches, the sign says little, and stays near 0.

    Source: SIMULATOR section 3 (highlight seen through recent reactions), section 5 (their rates).
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
    """``(H(t - 30 s) - .3) / sqrt(.21) + sigma eps``: the highlight half a minute ago through
    noise; 0 before there was sound.

    eps is a normal drawn anew every half a minute. Source: SIMULATOR section 3 (audio, delay 30 s);
    sigma a design choice.
    """
    then = (time - AUDIO_DELAY)[:, None] + jnp.zeros_like(room)
    spread = (HIGHLIGHT_SHARE * (1 - HIGHLIGHT_SHARE)) ** 0.5
    heard = (highlight(room, then, params.salt) - HIGHLIGHT_SHARE) / spread
    noise = AUDIO_NOISE * ndtri(hash_uniform(room, then // AUDIO_DELAY, params.salt, AUDIO_STREAM))
    return jnp.where(then >= params.schedule.start.reshape(-1)[room], heard + noise, 0.0)


SIGNALS: tuple[Signal, ...] = (recent_reactions, audio_cue)
"""In the order of their columns."""
SIGNAL_NOISE = (0.5, 0.5)
"""What ``observation.NOISE`` is for them."""
