"""Returns over several steps: lambda-returns of a rollout, and n-step transitions assembled step by
step.

The functions take one session; callers ``vmap`` over sessions.
"""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from lrdqn.config import InputError
from lrdqn.types import Transition


def weighted(weight: Float[Array, "..."], x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return ``weight * x``, and 0 where the weight is 0 whatever ``x`` is: infinity and NaN under
    a weight of 0 are never read.

    Args:
        weight: a discount, a trace or a probability.
        x: of the same shape; either of the two may be a scalar.
    """
    return weight * jnp.where(weight != 0, x, 0.0)


def lambda_returns(
    r: Float[Array, "T"],
    discount: Float[Array, "T"],
    value_t: Float[Array, "T"],
    boundary: Bool[Array, "T"],
    trace: Float[Array, ""],
) -> Float[Array, "T"]:
    """Return ``G_t = r_t + discount_t ((1 - trace) v_{t+1} + trace G_{t+1})``, and
    ``G_t = r_t + discount_t v_{t+1}`` at the last step of the rollout and of each session.

    A session ends by termination or truncation; the step after it belongs to another session, so
    the return must not read it. A discount of 0 gives exactly ``r``, and no gradient flows.

    Args:
        r: rewards ``[T]``.
        discount: ``gamma ** elapsed * (1 - terminated)`` ``[T]``.
        value_t: value of the observation that each step led to ``[T]``, before any reset.
        boundary: whether the session ended at this step, terminated or truncated ``[T]``.
        trace: lambda, in [0, 1]: 0 is the one-step target, 1 the bootstrapped sum of all rewards
            ahead.

    Source: Sutton 1988; Peng and Williams 1996; for Q-learning without a replay memory Gallici et
    al. 2024 (PQN), section 4.
    """
    chex.assert_rank([r, discount, value_t, boundary, trace], [1, 1, 1, 1, 0])
    chex.assert_equal_shape([r, discount, value_t, boundary])
    last = jnp.arange(r.shape[0]) == r.shape[0] - 1
    ahead = jnp.where(boundary | last, 0.0, trace)

    def step(g: Array, now: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
        r, discount, value, trace = now
        g = r + weighted(discount, weighted(1 - trace, value) + weighted(trace, g))
        return g, g

    steps = jax.lax.stop_gradient((r, discount, value_t, ahead))
    return jax.lax.scan(step, jnp.zeros_like(r[0]), steps, reverse=True)[1]


class OpenTransitions(NamedTuple):
    """The last n - 1 transitions of a session, oldest first, each with the steps that have followed
    it so far."""

    transition: Transition
    """Leaves ``[n - 1, ...]``."""
    open: Bool[Array, "n-1"]
    """True while the session of the entry runs, so that the next step belongs to it. It differs
    from a discount above 0: a truncated entry bootstraps, but the step that follows belongs to
    another session."""


def empty(example: Transition, n: int) -> OpenTransitions:
    """Return n - 1 closed entries of zeros. The first n - 1 transitions that ``extend`` returns are
    these; the caller drops them.

    Args:
        example: one unbatched transition, for its shapes and types.
        n: steps that a transition spans at most, at least 1.

    Raises:
        InputError: if n is not positive.
    """
    if n < 1:
        raise InputError(f"n-step returns: n={n}: must be at least 1")
    zeros = jax.tree.map(lambda x: jnp.zeros((n - 1, *jnp.shape(x)), jnp.asarray(x).dtype), example)
    return OpenTransitions(zeros, jnp.zeros((n - 1,), bool))


def extend(
    pending: OpenTransitions, transition: Transition, ended: Bool[Array, ""]
) -> tuple[OpenTransitions, Transition]:
    """Advance by one step: add the step to every open entry, append it as the newest entry, and
    return the oldest entry.

    An entry that began at step t and has taken m steps holds

    ::

        reward   = sum_{k<m} (prod_{j<k} discount_{t+j}) r_{t+k}
        discount = prod_{k<m} discount_{t+k}
        next_obs = next_obs of step t+m-1

    and next_action like next_obs. It is returned with m = n, or with as many steps as its session
    had left. n is the number of entries plus 1, so that with no entries (n = 1) the transition is
    returned unchanged.

    Args:
        pending: from ``empty`` or from the step before.
        transition: the step, unbatched, with its own one-step discount.
        ended: whether the session ended with it, terminated or truncated.

    Returns:
        The entries for the next call, and the transition that began n - 1 steps ago.

    Source: Sutton 1988; in DQN Hessel et al. 2018, section "Multi-step learning".
    """
    old, runs, goes_on = pending.transition, pending.open, jnp.logical_not(ended)

    def followed(mine: Array, new: Array) -> Array:
        return jnp.where(
            runs.reshape(runs.shape + (1,) * jnp.ndim(new)), jnp.asarray(new)[None], mine
        )

    taken = old._replace(
        reward=old.reward + weighted(jnp.where(runs, old.discount, 0.0), transition.reward),
        discount=jnp.where(runs, old.discount * transition.discount, old.discount),
        next_obs=jax.tree.map(followed, old.next_obs, transition.next_obs),
        next_action=jax.tree.map(followed, old.next_action, transition.next_action),
    )
    entries = OpenTransitions(taken, runs & goes_on), OpenTransitions(transition, goes_on)
    grown = jax.tree.map(
        lambda mine, new: jnp.concatenate([mine, jnp.asarray(new)[None]]), *entries
    )
    return jax.tree.map(lambda x: x[1:], grown), jax.tree.map(lambda x: x[0], grown.transition)
