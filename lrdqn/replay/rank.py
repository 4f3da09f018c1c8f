"""Prioritised experience replay, rank-based variant (Schaul, Quan, Antonoglou and Silver 2016)."""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from lrdqn.config import ReplayConfig
from lrdqn.ops.stratified import strata
from lrdqn.replay import ring
from lrdqn.replay.prioritized import COUNTER_END, LARGEST_PRIORITY, importance_weights
from lrdqn.replay.ring import Ring
from lrdqn.types import Hypers, Replay, Sample, Transition

UNFILLED = -1.0


class RankState(NamedTuple):
    """The stored transitions and the absolute TD error of each when it was last sampled."""

    ring: Ring
    priority: Float[Array, "capacity"]
    """``|delta|``; ``UNFILLED`` for empty slots."""
    max_priority: Float[Array, ""]
    """The largest ``|delta|`` so far, assigned to new transitions; 1 at first."""
    rejected: Int[Array, ""]
    """Number of TD errors that were not finite; saturates at 2^31 - 1."""


def rank_masses(
    capacity: int, size: Int[Array, ""], alpha: Float[Array, ""]
) -> Float[Array, "capacity"]:
    """Return ``k^-alpha`` of ranks k = 1, 2, ..., and 0 beyond ``size``: their probabilities before
    they are divided by their sum.

    Args:
        capacity: length of the result.
        size: filled slots, at least 1.
        alpha: exponent; 0 gives 1.

    Source: Schaul et al. 2016, equation 1 and section 3.3.
    """
    rank = jnp.arange(1, capacity + 1, dtype=jnp.int32)
    return jnp.where(rank <= size, jnp.power(rank.astype(jnp.float32), -alpha), 0.0)


def draw_ranks(
    key: PRNGKeyArray, n: int, masses: Float[Array, "capacity"], size: Int[Array, ""]
) -> tuple[Int[Array, "n"], Float[Array, "n"]]:
    """Draw n ranks (from 0), stratified, in proportion to their masses, and return them with their
    probabilities. Sums are float64: in float32 they would lose the masses of late ranks."""
    with jax.enable_x64(True):
        upto = jnp.cumsum(masses.astype(jnp.float64))
        rank = jnp.searchsorted(upto, strata(key, n, upto[-1]), side="right").astype(jnp.int32)
        rank = jnp.minimum(rank, size - jnp.int32(1))
        return rank, (masses[rank].astype(jnp.float64) / upto[-1]).astype(jnp.float32)


def replaced(
    sizes: Float[Array, "capacity"], indices: Int[Array, "B"], new: Float[Array, "B"]
) -> Float[Array, "capacity"]:
    """Return ``sizes`` with ``new >= 0`` at ``indices``; of several values for one slot the largest
    is kept, in whatever order a device writes."""
    cleared = sizes.at[indices].set(0.0, mode="promise_in_bounds")
    return cleared.at[indices].max(new, mode="promise_in_bounds")


def make_rank(config: ReplayConfig) -> Replay:
    """Return rank-based prioritised replay. Its state is a ``RankState``.

    ::

        p_i  = 1 / rank(i)
        P(i) = p_i^alpha / sum_k p_k^alpha
        w_i  = (N P(i))^-beta / max_j w_j

    Rank 1 is the largest ``|delta|``; ties are ordered by slot. Ranks are exact: every ``sample``
    sorts, which costs O(capacity log capacity), where the paper reads a heap that is sorted only
    now and then, and thus samples from slightly stale ranks. Sampling is stratified: draw j of k
    comes from the j-th of k segments of equal probability. A new transition gets the largest
    ``|delta|`` so far. Probabilities depend on the order of the errors alone, not on the size of an
    outlier. ``hypers.alpha`` and ``hypers.beta`` are read at call time. A TD error that is not
    finite leaves the priority unchanged and is counted; of several for one slot the largest is
    kept.

    Args:
        config: capacity and batch size.

    Raises:
        InputError: in ``init``, if the capacity is out of range.

    Source: Schaul et al. 2016, sections 3.3 and 3.4, appendix B.2.1.
    """

    def init(example: Transition) -> RankState:
        store = ring.init(example, config.capacity)
        return RankState(
            store,
            jnp.full((config.capacity,), UNFILLED, jnp.float32),
            jnp.float32(1.0),
            jnp.int32(0),
        )

    def add(
        state: RankState,
        transitions: Transition,
        hypers: Hypers,
        complete: Bool[Array, "n"] | None = None,
    ) -> RankState:
        del hypers
        store, indices = ring.add(state.ring, transitions, complete)
        mode = "promise_in_bounds" if complete is None else "drop"
        errors = state.priority.at[indices].set(state.max_priority, mode=mode, unique_indices=True)
        return state._replace(ring=store, priority=errors)

    def sample(state: RankState, key: PRNGKeyArray, hypers: Hypers) -> Sample:
        by_rank = jnp.argsort(-state.priority, stable=True).astype(jnp.int32)
        masses = rank_masses(config.capacity, state.ring.size, hypers.alpha)
        rank, drawn = draw_ranks(key, config.batch_size, masses, state.ring.size)
        indices = by_rank[rank]
        return Sample(
            ring.take(state.ring, indices), indices, drawn, importance_weights(drawn, hypers.beta)
        )

    def update_priorities(
        state: RankState, indices: Int[Array, "B"], td_error: Float[Array, "B"], hypers: Hypers
    ) -> RankState:
        del hypers
        chex.assert_equal_shape([indices, td_error])
        finite = jnp.isfinite(td_error)
        size = jnp.where(
            finite, jnp.minimum(jnp.abs(td_error), LARGEST_PRIORITY), state.priority[indices]
        )
        refused = jnp.sum(~finite, dtype=jnp.int32)
        return RankState(
            ring=state.ring,
            priority=replaced(state.priority, indices, size),
            max_priority=jnp.maximum(state.max_priority, jnp.max(jnp.where(finite, size, 0.0))),
            rejected=state.rejected + jnp.minimum(refused, COUNTER_END - state.rejected),
        )

    return Replay(init, add, sample, update_priorities)
