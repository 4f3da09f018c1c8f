"""Outcome of a click: staying or bouncing, seconds watched, comments, likes, follows, gifts.

Source: envs/live/README.md, section 6.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri
from jaxtyping import Bool, Float

from lrdqn.envs.live.choice import HIGHLIGHT_SHARE
from lrdqn.envs.live.config import UserLawConfig
from lrdqn.envs.live.prices import PRICES, along_last, gifts_by_price, price_shares
from lrdqn.envs.live.session import Draws

BOUNCE_SECONDS = 3.0
POISSON_TERMS = 32
"""At rate ``POISSON_NORMAL``, more events have a probability of 7e-9, less than 1 - u ever is."""
POISSON_NORMAL = 10.0


class Engagement(NamedTuple):
    """Outcome of one impression, ``[N]``; zeros where nothing was clicked."""

    clicked: Bool[Array, "N"]
    stayed: Bool[Array, "N"]
    seconds: Float[Array, "N"]
    cut: Bool[Array, "N"]
    """The room went off air before the user had finished."""
    comments: Float[Array, "N"]
    likes: Float[Array, "N"]
    followed: Bool[Array, "N"]
    gifts: Float[Array, "N"]
    by_price: Float[Array, "N 14"]
    """The gifts on each rung of ``PRICES``."""

    @property
    def spent(self) -> Float[Array, "N"]:
        """Return the total price of the gifts ``[N]``."""
        return jnp.sum(self.by_price * along_last(PRICES, self.by_price.ndim), axis=-1)


def poisson_quantile(u: Float[Array, "..."], rate: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the u-quantile of Poisson(rate): the same uniform gives more events at a higher rate.

    Exact inversion ``min{k : F(k) >= u}`` up to rate 10; above, the normal approximation
    ``floor(rate + sqrt(rate) z + (z^2 - 1) / 6 + 1/2)`` (Cornish-Fisher, first correction). No
    rejection loop, so it vmaps.
    """
    low = jnp.minimum(rate, POISSON_NORMAL)

    def add_term(k: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        term, total, count = carry
        term = term * low / k.astype(low.dtype)
        return term, total + term, count + (u > total)

    first = jnp.exp(-low)
    # A loop, not unrolled terms: the compiler would fuse a copy of them into every consumer.
    _, _, count = jax.lax.fori_loop(
        1, POISSON_TERMS + 1, add_term, (first, first, jnp.zeros_like(low)), unroll=4
    )
    z = ndtri(u)
    high = jnp.floor(rate + jnp.sqrt(jnp.maximum(rate, 0.0)) * z + (z * z - 1) / 6 + 0.5)
    # Below a u within rounding of 1, the sum may stop growing, and every term would count.
    count = jnp.minimum(count, jnp.maximum(high, 0.0) + 1)
    return jnp.where(rate <= POISSON_NORMAL, count, jnp.maximum(high, 0.0))


def watch_seconds(
    z: Float[Array, "N"], stayed: Bool[Array, "N"], law: UserLawConfig
) -> Float[Array, "N"]:
    """Return the seconds that a user would watch, ``median exp(sigma z)``: ``dwell_*`` if the user
    stays, ``bounce_*`` if not.

    z is standard normal. Source: the mixture is fitted to KuaiLive's mean of 82.6 s and median of
    4.87 s per click.
    """
    engaged = law.dwell_median * jnp.exp(law.dwell_sigma * z)
    bounced = law.bounce_median * jnp.exp(law.bounce_sigma * z)
    return jnp.where(stayed, engaged, bounced)


def stay_probability(utility: Float[Array, "N"], law: UserLawConfig) -> Float[Array, "N"]:
    """Return ``P(stay) = sigmoid(engage_bias + engage_slope V)``; the bias is fitted to KuaiLive's
    mean watch."""
    return jax.nn.sigmoid(law.engage_bias + law.engage_slope * utility)


def reaction_factor(
    utility: Float[Array, "N"], is_highlight: Float[Array, "N"], law: UserLawConfig
) -> Float[Array, "N"]:
    """Return the multiplier of all reaction rates, ``m = exp(xi (H - 0.3) + eta V) / m_0``, about 1
    on average.

    xi is ``reaction_highlight``, eta ``reaction_utility``, m_0 ``reaction_norm``. Source:
    envs/live/README.md, section 6.
    """
    return (
        jnp.exp(
            law.reaction_highlight * (is_highlight - HIGHLIGHT_SHARE)
            + law.reaction_utility * utility
        )
        / law.reaction_norm
    )


def reactions(
    u: Float[Array, "3 N"],
    per_minute: Float[Array, "N"],
    wealth: Float[Array, "N"],
    law: UserLawConfig,
) -> Float[Array, "3 N"]:
    """Draw comments, likes and gifts, ``Poisson(rate x per_minute)``; the rate of gifts is times
    wealth.

    Args:
        u: uniforms.
        per_minute: minutes watched times ``reaction_factor``.
        wealth: W_u of the user, mean 1 over sessions.
        law: constants; the rates are KuaiLive's per viewer-minute.
    """
    rates = jnp.stack(
        [
            law.comment_rate * per_minute,
            law.like_rate * per_minute,
            law.gift_rate * per_minute * wealth,
        ]
    )
    return poisson_quantile(u, rates)


def follows(
    u: Float[Array, "N"],
    seconds: Float[Array, "N"],
    taste: Float[Array, "N"],
    already: Bool[Array, "N"],
    law: UserLawConfig,
) -> Bool[Array, "N"]:
    """Draw follows, ``Bernoulli(sigmoid(follow_bias + a))`` after watches over 60 s, once per
    pair."""
    return (seconds > 60) & ~already & (u < jax.nn.sigmoid(law.follow_bias + taste))


def engage(
    draws: Draws,
    clicked: Bool[Array, "N"],
    utility: Float[Array, "N"],
    taste: Float[Array, "N"],
    is_highlight: Float[Array, "N"],
    wealth: Float[Array, "N"],
    rank: Float[Array, "N"],
    already_followed: Bool[Array, "N"],
    left: Float[Array, "N"],
    free: Float[Array, "N"],
    law: UserLawConfig,
) -> Engagement:
    """Draw the watch, reactions, follow and gifts of one impression.

    ``w = min(wished, left, free)``; the watch is cut where the room's end is the shortest.

    Args:
        draws: random numbers of this step.
        clicked: whether there was a click.
        utility, taste, is_highlight: V, a and H of the clicked stream.
        wealth, rank: W_u of the user, and the rank of it among all users, in (0, 1).
        already_followed: whether the user follows the streamer; a follow fires once per pair.
        left: seconds until the room goes off air.
        free: seconds until the user's free time ends.
        law: constants.

    Returns:
        ``Engagement``, with ``reactions`` over the watch and ``follows`` at its end.
    """
    stayed = clicked & (draws.stay < stay_probability(utility, law))
    wished = watch_seconds(draws.watch, stayed, law)
    seconds = jnp.where(
        clicked, jnp.clip(jnp.minimum(wished, jnp.minimum(left, free)), 0.0, None), 0.0
    )
    cut = clicked & (left < wished) & (left <= free)
    per_minute = seconds / 60 * reaction_factor(utility, is_highlight, law)
    comments, likes, gifts = reactions(draws.reactions, per_minute, wealth, law)
    follow = follows(draws.follow, seconds, taste, already_followed, law)
    return Engagement(
        clicked=clicked,
        stayed=stayed,
        seconds=seconds,
        cut=cut,
        comments=comments,
        likes=likes,
        followed=follow,
        gifts=gifts,
        by_price=gifts_by_price(draws.price, gifts, price_shares(rank, law.price_tilt)),
    )


def bounced(e: Engagement) -> Bool[Array, "N"]:
    """Return whether a click did not hold the user; a watch that the room's end cut does not
    count."""
    return e.clicked & ~e.stayed & ~e.cut
