"""Full-slate Q-learning: every set of K of the C places is an action of an agent that knows nothing of slates."""

from __future__ import annotations

import itertools
import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.types import Agent, Hypers, Policy, PyTree, Sample, View


def slates_of(candidates: int, slate: int) -> Int[np.ndarray, "M K"]:
    """All sets of ``slate`` of ``candidates`` places, in lexicographic order; M is their number."""
    return np.array(list(itertools.combinations(range(candidates), slate)), np.int32)


def rank_of(places: Int[Array, "*B K"], candidates: int) -> Int[Array, "*B"]:
    """Row of ``slates_of`` that holds these places, whatever their order.

    ``rank = C(n, k) - 1 - sum_j C(n - 1 - c_j, k - j)`` with c ascending: the combinatorial number system (Lehmer 1964).
    """
    k = places.shape[-1]
    ahead = np.array([[math.comb(candidates - 1 - c, k - j) for c in range(candidates)] for j in range(k)], np.int32)
    ordered = jnp.sort(places, axis=-1)
    behind = sum(jnp.asarray(ahead[j])[ordered[..., j]] for j in range(k))
    return math.comb(candidates, k) - 1 - jnp.asarray(behind)


def over_slates(agent: Agent, candidates: int, slate: int) -> Agent:
    """An agent with M actions as one that fills slates: action m shows ``slates_of(candidates, slate)[m]``.

    Source: Ie et al. 2019 (SlateQ), section 6, full-slate Q-learning (FSQ).
    """
    table = jnp.asarray(slates_of(candidates, slate))

    def act(state: PyTree, obs: PyTree, catalogue: PyTree, epsilon: Float[Array, ""], key: PRNGKeyArray) -> Array:
        return shown(table, agent.act(state, obs, catalogue, epsilon, key))

    def update(
        state: PyTree, sample: Sample, catalogue: PyTree, hypers: Hypers, key: PRNGKeyArray
    ) -> tuple[PyTree, Float[Array, "B"], dict[str, Array]]:
        t = sample.transition
        action = rank_of(t.action.reshape(len(t.reward), slate), candidates)
        return agent.update(state, sample._replace(transition=t._replace(action=action)), catalogue, hypers, key)

    return agent._replace(act=act, update=update)


def policy_over_slates(policy: Policy, candidates: int, slate: int) -> Policy:
    """The same of a policy; its scores stay those of the M slates."""
    table = jnp.asarray(slates_of(candidates, slate))

    def act(state: PyTree, view: View, key: PRNGKeyArray) -> tuple[Array, PyTree]:
        action, state = policy.act(state, view, key)
        return shown(table, action), state

    return policy._replace(act=act)


def shown(table: Int[Array, "M K"], action: Int[Array, "B"]) -> Array:
    """The slates ``[B, K]``, or ``[B]`` where K is 1."""
    return table[action, 0] if table.shape[1] == 1 else table[action]
