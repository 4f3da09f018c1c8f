"""Expected outcome of offering each candidate, from the true state: the input of privileged
policies.

An outcome is one impression of one stream. The watch is a mixture of two lognormals, cut by the
room's end and the user's free time, and its consequences have kinks (caps, ends of a session);
means over it are sums over equally likely quantiles of either part, put through the world's own
laws. Everything else is a probability in closed form.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import ndtri
from jaxtyping import Bool, Float

from lrdqn.envs.live.choice import CHOICE_MODELS, ChoiceModel, appeal, decayed_loyalty, odds
from lrdqn.envs.live.config import LiveConfig, UserLawConfig
from lrdqn.envs.live.engagement import (
    Engagement,
    reaction_factor,
    stay_probability,
    watch_seconds,
)
from lrdqn.envs.live.env import LiveState
from lrdqn.envs.live.prices import PRICES, gifts_by_price, price_shares
from lrdqn.envs.live.reward import reward_parts, scalarise
from lrdqn.envs.live.user_dynamics import (
    leaves,
    next_patience,
    next_satisfaction,
    return_probability,
)
from lrdqn.envs.live.world import LiveParams

NODES = 16
"""Number of quantiles of either part of the watch."""
GIFT_RATES = np.geomspace(1e-6, 1e4, 201)
"""Mean numbers of gifts at which the mean of their reward is tabled; interpolated in the log
between them."""
RANKS = np.linspace(0.0, 1.0, 9)
"""Wealth ranks at which it is tabled; interpolated linearly, since prices change smoothly with the
rank."""
MANY, DRAWS = 300, 128
"""Number of gifts above which their total is replaced by its mean, and draws of prices below it."""


class ExpectedOutcome(NamedTuple):
    """Means over one impression of each candidate, all ``[N, C]``; zeros where "nothing" would be
    shown."""

    reward: Float[Array, "N C"]
    """Reward of the impression, whenever it is paid, with the return at the end of the session
    (``episode=session``)."""
    patience: Float[Array, "N C"]
    """Change of patience, below the cap."""
    satisfaction: Float[Array, "N C"]
    """Change of satisfaction."""
    loyalty: Float[Array, "N C"]
    """Gain of loyalty."""
    fatigue: Float[Array, "N C"]
    """Minutes watched in the stream's category, over ten: the growth of fatigue."""
    minutes: Float[Array, "N C"]
    """Minutes watched."""


def mean_gift_value(rate: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return ``E log1p(total price)`` of n ~ Poisson(rate) gifts ``[M]``, summed over n and draws
    of prices.

    The sum over n ends where less than 1e-9 is left. Above ``MANY`` gifts the total is replaced by
    its mean, n times the mean price.

    Args:
        rate: mean numbers of gifts.
        share: of the rungs of the price ladder.
    """
    most = int(rate.max() + 10 * np.sqrt(rate.max()) + 30)
    n = np.arange(1, most + 1)
    value = np.log1p(n * (share @ PRICES))
    few, u = n[:MANY].astype(np.float32), (np.arange(DRAWS, dtype=np.float32) + 0.5) / DRAWS
    counts = np.asarray(
        gifts_by_price(
            jnp.asarray(u)[None], jnp.asarray(few)[:, None], jnp.asarray(share)[None, None]
        )
    )
    value[:MANY] = np.log1p(counts @ PRICES.astype(np.float64)).mean(axis=1)
    log_factorial = np.cumsum(np.log(n))
    # one rate at a time: all at once would take gigabytes of memory
    return np.array([np.exp(n * np.log(r) - r - log_factorial) @ value for r in rate])


@functools.cache
def gift_values(price_tilt: float) -> np.ndarray:
    """Return ``mean_gift_value`` over ``RANKS`` and ``GIFT_RATES``, ``[R, M]``; cached, since it
    takes a second."""
    by_rank = np.asarray(price_shares(jnp.asarray(RANKS, jnp.float32), jnp.float32(price_tilt)))
    return np.stack([mean_gift_value(GIFT_RATES, share) for share in by_rank]).astype(np.float32)


def interpolate(
    table: Float[Array, "R M"], rank: Float[Array, "..."], rate: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Interpolate ``table`` over ``RANKS`` and ``GIFT_RATES``, linearly in the rank and in the log
    of the rate.

    Below the first rate the mean is proportional to the rate.
    """

    def place(x: Array, knots: int) -> tuple[Array, Array]:
        low = jnp.clip(jnp.floor(x).astype(jnp.int32), 0, knots - 2)
        return low, jnp.clip(x - low, 0.0, 1.0)

    first, step = np.log(GIFT_RATES[0]), np.log(GIFT_RATES[1] / GIFT_RATES[0])
    row, down = place(rank * (len(RANKS) - 1), len(RANKS))
    column, right = place((jnp.log(jnp.maximum(rate, 1e-30)) - first) / step, len(GIFT_RATES))
    upper = (1 - right) * table[row, column] + right * table[row, column + 1]
    lower = (1 - right) * table[row + 1, column] + right * table[row + 1, column + 1]
    return ((1 - down) * upper + down * lower) * jnp.minimum(rate / GIFT_RATES[0], 1.0)


class SlateOutcome(NamedTuple):
    """Parts of a slate's expected outcome: weight and watched outcome of each candidate, and the
    outcome of nothing."""

    weight: Float[Array, "N C"]
    """Against 1 for "nothing" (``choice.odds``)."""
    watched: ExpectedOutcome
    """Given that the candidate is the one that is watched."""
    nothing: ExpectedOutcome
    """Given that nothing is watched, ``[N]``."""


def make_slate_outcome(config: LiveConfig) -> Callable[[LiveState, LiveParams], SlateOutcome]:
    """Build ``slate_outcome(state, params)``, for slates of any length.

    Args:
        config: as of ``make_expected_outcome``.
    """
    chances_of = CHOICE_MODELS[config.choice_model]
    watched, passed = make_expected_outcome(config, _always), make_expected_outcome(config, _never)

    def slate_outcome(state: LiveState, params: LiveParams) -> SlateOutcome:
        session, candidates = state
        on_offer = candidates.mask & (candidates.streamer != params.nothing)
        utility = appeal(session, candidates.streamer, candidates.room, params).utility
        # the outcome of no click is the same for all candidates; masked places hold zeros
        first_offered = jnp.argmax(candidates.mask, axis=1)[:, None]
        nothing = [
            jnp.take_along_axis(x, first_offered, axis=1)[:, 0] for x in passed(state, params)
        ]
        return SlateOutcome(
            odds(chances_of, utility, on_offer, params.law),
            watched(state, params),
            ExpectedOutcome(*nothing),
        )

    return slate_outcome


def _always(
    utility: Float[Array, "*N K"], shown: Bool[Array, "*N K"], law: UserLawConfig
) -> Float[Array, "*N K"]:
    del law
    return shown.astype(utility.dtype)


def _never(
    utility: Float[Array, "*N K"], shown: Bool[Array, "*N K"], law: UserLawConfig
) -> Float[Array, "*N K"]:
    del shown, law
    return jnp.zeros_like(utility)


def make_expected_outcome(
    config: LiveConfig, choice: ChoiceModel | None = None
) -> Callable[[LiveState, LiveParams], ExpectedOutcome]:
    """Build ``expected_outcome(state, params)`` for slates of one.

    ``E[x | offer i] = P(click) sum_k (P(stay) x(engaged_k) + P(bounce) x(bounced_k)) / K
    + P(no click) x(nothing)`` with the K quantiles of ``watch_seconds`` for each part.

    Args:
        config: the world's config; says whether a return is rewarded.
        choice: P(click) of each candidate alone; ``None`` takes the world's own model.
    """
    rewarded, chances_of = config.episode == "session", choice or CHOICE_MODELS[config.choice_model]
    values = gift_values(config.law.price_tilt)

    def expected_outcome(state: LiveState, params: LiveParams) -> ExpectedOutcome:
        session, candidates = state
        law = params.law
        stream_utility = appeal(session, candidates.streamer, candidates.room, params)
        on_offer = candidates.mask & (candidates.streamer != params.nothing)
        clicks = chances_of(stream_utility.utility[..., None], on_offer[..., None], law)[..., 0]

        # [N, C, 2K + 1]: bounces, engaged watches, no click
        stays = stay_probability(stream_utility.utility, law)[..., None]
        z = ndtri((jnp.arange(NODES, dtype=jnp.float32) + 0.5) / NODES)
        number = jnp.arange(2 * NODES + 1)[None, None]
        stayed, clicked = (number >= NODES) & (number < 2 * NODES), number < 2 * NODES
        chance = jnp.concatenate(
            [
                jnp.broadcast_to(x, (*clicks.shape, NODES)) / NODES * clicks[..., None]
                for x in (1 - stays, stays)
            ]
            + [1 - clicks[..., None]],
            axis=-1,
        )
        wished = watch_seconds(jnp.concatenate([z, z, z[:1]])[None, None], stayed, law)
        left = (candidates.ends - session.time[:, None]).astype(jnp.float32)[..., None]
        free = jnp.maximum(session.until - session.time, 0).astype(jnp.float32)[:, None, None]
        seconds = jnp.where(
            clicked, jnp.clip(jnp.minimum(wished, jnp.minimum(left, free)), 0.0, None), 0.0
        )
        cut = clicked & (left < wished) & (left <= free)

        reaction_minutes = (
            seconds
            / 60
            * reaction_factor(stream_utility.utility, stream_utility.highlight, law)[..., None]
        )
        wealth = params.users.wealth[session.user][:, None, None]
        gifts = law.gift_rate * reaction_minutes * wealth
        rank = params.users.wealth_rank[session.user][:, None, None]
        gift_value = interpolate(jnp.asarray(values), jnp.broadcast_to(rank, gifts.shape), gifts)
        same = candidates.streamer[:, :, None] == session.loyalty[:, None, :]
        followed = jnp.any(same & session.followed[:, None, :], axis=2)[..., None]
        follows = jnp.where(
            (seconds > 60) & ~followed,
            jax.nn.sigmoid(law.follow_bias + stream_utility.affinity)[..., None],
            0.0,
        )
        e = Engagement(
            clicked=jnp.broadcast_to(clicked, seconds.shape),
            stayed=jnp.broadcast_to(stayed, seconds.shape),
            seconds=seconds,
            cut=cut,
            comments=law.comment_rate * reaction_minutes,
            likes=law.like_rate * reaction_minutes,
            followed=follows,
            gifts=gifts,
            by_price=jnp.zeros(
                (*seconds.shape, 1)
            ),  # set below: the mean of a log is not the log of means
        )

        experience = stream_utility.experience[..., None]
        patience, cap = session.patience[:, None, None], session.patience_cap[:, None, None]
        after = session._replace(
            patience=next_patience(patience, cap, e, experience, law),
            satisfaction=next_satisfaction(session.satisfaction[:, None, None], e, experience, law),
            time=session.time[:, None, None]
            + jnp.ceil(seconds + law.decision_seconds).astype(jnp.int32),
            until=session.until[:, None, None],
        )
        returns = (
            jnp.where(leaves(after), return_probability(after.satisfaction, law), 0.0) * rewarded
        )

        parts = reward_parts(e, returns, params.weights)._replace(gift_value=gift_value)

        def mean(x: Array) -> Array:
            return jnp.where(candidates.mask, jnp.sum(chance * x, axis=-1), 0.0)

        _, decayed = decayed_loyalty(session, law)
        loyal = jnp.sum(jnp.where(same, decayed[:, None, :], 0.0), axis=2)[..., None]
        watched = jnp.minimum(1.0, seconds / 600)
        return ExpectedOutcome(
            reward=mean(scalarise(parts, params.weights)),
            patience=mean(after.patience - patience),
            satisfaction=mean(after.satisfaction - session.satisfaction[:, None, None]),
            loyalty=mean(law.loyalty_gain * (1 - loyal) * watched),
            fatigue=mean(seconds / 600),
            minutes=mean(seconds / 60),
        )

    return expected_outcome
