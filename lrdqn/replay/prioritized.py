"""Prioritised experience replay, proportional variant (Schaul, Quan, Antonoglou and Silver
2016)."""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from lrdqn.config import ReplayConfig
from lrdqn.config.fields import ConfigError
from lrdqn.ops import sum_tree
from lrdqn.ops.stratified import strata
from lrdqn.ops.sum_tree import SumTree
from lrdqn.replay import ring
from lrdqn.replay.ring import Ring
from lrdqn.types import Hypers, Replay, Sample, Transition

SMALLEST_EPSILON, LARGEST_PRIORITY = 1e-12, 1e12
"""Priorities stay between these, so that sums over 2^30 slots, probabilities and weights are all
normal float32 numbers."""

COUNTER_END = 2**31 - 1


class PrioritizedState(NamedTuple):
    """The stored transitions and the sum tree of their priorities."""

    ring: Ring
    tree: SumTree
    """Leaves ``p_i ** alpha``; 0 for empty slots."""
    max_priority: Float[Array, ""]
    """The largest p so far (before the exponent), assigned to new transitions."""
    rejected: Int[Array, ""]
    """Number of TD errors that were not finite; saturates at 2^31 - 1."""


def importance_weights(
    probabilities: Float[Array, "B"], beta: Float[Array, ""]
) -> Float[Array, "B"]:
    """Return ``w_i = (N P_i)^-beta / max_j (N P_j)^-beta = (min_j P_j / P_i)^beta``: N cancels, and
    the largest weight is exactly 1.

    Args:
        probabilities: of the draws ``[B]``, positive.
        beta: in [0, 1]; 0 gives 1 everywhere.

    Source: Schaul et al. 2016, section 3.4; the maximum is over the batch.
    """
    return jnp.power(jnp.min(probabilities) / probabilities, beta)


def make_prioritized(config: ReplayConfig) -> Replay:
    """Return proportional prioritised replay. Its state is a ``PrioritizedState``.

    ::

        p_i  = |delta_i| + epsilon
        P(i) = p_i^alpha / sum_k p_k^alpha
        w_i  = (N P(i))^-beta / max_j w_j

    A new transition gets the largest p so far (1 at first), so that each is replayed soon. Sampling
    is stratified: draw j of k comes from the j-th of k equal parts of the total. ``hypers.alpha``
    and ``hypers.beta`` are read at call time and may be traced; alpha must stay constant over a
    run, since leaves keep the exponent they were written with. A TD error that is not finite leaves
    the priority unchanged and is counted; a finite one is clipped at 1e12. Of several for one slot
    the largest is kept.

    ``sample`` costs O(batch log capacity) and needs at least one stored transition.

    Args:
        config: capacity, batch size and epsilon.

    Raises:
        ConfigError: if epsilon is outside ``[1e-12, 1e12]``.
        InputError: in ``init``, if the capacity is out of range.

    Source: Schaul et al. 2016, algorithm 1 and appendix B.2.1.
    """
    if not SMALLEST_EPSILON <= config.epsilon <= LARGEST_PRIORITY:
        allowed = (
            f"must be in [{SMALLEST_EPSILON:g}, {LARGEST_PRIORITY:g}] for priorities in float32"
        )
        raise ConfigError("replay.epsilon", config.epsilon, allowed)

    def init(example: Transition) -> PrioritizedState:
        store = ring.init(example, config.capacity)
        return PrioritizedState(
            store, sum_tree.init(config.capacity), jnp.float32(1.0), jnp.int32(0)
        )

    def add(
        state: PrioritizedState,
        transitions: Transition,
        hypers: Hypers,
        complete: Bool[Array, "n"] | None = None,
    ) -> PrioritizedState:
        store, indices = ring.add(state.ring, transitions, complete)
        leaves = jnp.broadcast_to(jnp.power(state.max_priority, hypers.alpha), indices.shape)
        if complete is not None:
            # The tree has no slot to drop into: others write the newest old leaf's own value.
            newest = (state.ring.position[None] - 1) % config.capacity
            indices = jnp.where(complete, indices, newest)
            leaves = jnp.where(complete, leaves, sum_tree.read(state.tree, newest))
        return state._replace(ring=store, tree=sum_tree.write(state.tree, indices, leaves))

    def sample(state: PrioritizedState, key: PRNGKeyArray, hypers: Hypers) -> Sample:
        total = sum_tree.total(state.tree)
        indices, leaves = sum_tree.find(state.tree, strata(key, config.batch_size, total))
        probabilities = leaves / total
        return Sample(
            ring.take(state.ring, indices),
            indices,
            probabilities,
            importance_weights(probabilities, hypers.beta),
        )

    def update_priorities(
        state: PrioritizedState,
        indices: Int[Array, "B"],
        td_error: Float[Array, "B"],
        hypers: Hypers,
    ) -> PrioritizedState:
        chex.assert_equal_shape([indices, td_error])
        finite = jnp.isfinite(td_error)
        priority = jnp.where(
            finite, jnp.minimum(jnp.abs(td_error), LARGEST_PRIORITY) + config.epsilon, 0.0
        )
        leaves = jnp.where(
            finite, jnp.power(priority, hypers.alpha), sum_tree.read(state.tree, indices)
        )
        refused = jnp.sum(~finite, dtype=jnp.int32)
        return PrioritizedState(
            ring=state.ring,
            tree=sum_tree.write(state.tree, indices, leaves),
            max_priority=jnp.maximum(state.max_priority, jnp.max(priority)),
            rejected=state.rejected + jnp.minimum(refused, COUNTER_END - state.rejected),
        )

    return Replay(init, add, sample, update_priorities)
