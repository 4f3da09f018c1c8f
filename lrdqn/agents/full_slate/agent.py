"""Full-slate Q-learning: every slate of K of the C places is an action of an agent with a fixed
action set."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.ops.slates import as_action
from lrdqn.types import Agent, Hypers, Policy, PyTree, Sample, View


class SlateSet(NamedTuple):
    """The set of slates of K of C different places."""

    candidates: int
    slate: int
    ordered: bool
    """True if the order of a slate matters to users, so that each order is an action of its own."""


def slates_of(every: SlateSet) -> Int[np.ndarray, "M K"]:
    """Return all slates in lexicographic order: sets, each in ascending order, or every order of
    each."""
    make = itertools.permutations if every.ordered else itertools.combinations
    return np.array(list(make(range(every.candidates), every.slate)), np.int32)


def rank_of(places: Int[Array, "*B K"], every: SlateSet) -> Int[Array, "*B"]:
    """Return the row of ``slates_of`` that holds these places, which must be different; for sets,
    in whatever order they are given.

    The row is ``C(n, k) - 1 - sum_j C(n - 1 - c_j, k - j)`` for sets, c ascending (the
    combinatorial number system, Lehmer 1964), and
    ``sum_j (c_j - |{i < j: c_i < c_j}|) P(n - 1 - j, k - 1 - j)`` for ordered slates.
    """
    n, k, ordered = every
    if ordered:
        smaller = jnp.tril(places[..., None, :] < places[..., :, None], -1).sum(-1)
        weights = np.array([math.perm(n - 1 - j, k - 1 - j) for j in range(k)], np.int32)
        return jnp.sum(
            (places - smaller) * jnp.asarray(weights).reshape((1,) * (places.ndim - 1) + (k,)),
            axis=-1,
        )
    ahead = np.array([[math.comb(n - 1 - c, k - j) for c in range(n)] for j in range(k)], np.int32)
    ascending = jnp.sort(places, axis=-1)
    return (
        math.comb(n, k)
        - 1
        - sum((jnp.asarray(ahead[j])[ascending[..., j]] for j in range(k)), jnp.int32(0))
    )


def over_slates(agent: Agent, every: SlateSet) -> Agent:
    """Turn an agent with M actions into one that fills slates: action m shows row m of
    ``slates_of``.

    Source: Ie et al. 2019 (SlateQ), section 6, full-slate Q-learning (FSQ).
    """
    table = jnp.asarray(slates_of(every))

    def act(
        state: PyTree, obs: PyTree, catalogue: PyTree, epsilon: Float[Array, ""], key: PRNGKeyArray
    ) -> Array:
        return as_action(table[agent.act(state, obs, catalogue, epsilon, key)])

    def update(
        state: PyTree, sample: Sample, catalogue: PyTree, hypers: Hypers, key: PRNGKeyArray
    ) -> tuple[PyTree, Float[Array, "B"], dict[str, Array]]:
        t = sample.transition
        action = rank_of(t.action.reshape(len(t.reward), every.slate), every)
        return agent.update(
            state, sample._replace(transition=t._replace(action=action)), catalogue, hypers, key
        )

    return agent._replace(act=act, update=update)


def policy_over_slates(policy: Policy, every: SlateSet) -> Policy:
    """Turn a policy with M actions into one that fills slates; its scores remain those of the M
    slates."""
    table = jnp.asarray(slates_of(every))

    def act(state: PyTree, view: View, key: PRNGKeyArray) -> tuple[Array, PyTree]:
        action, state = policy.act(state, view, key)
        return as_action(table[action]), state

    return policy._replace(act=act)
