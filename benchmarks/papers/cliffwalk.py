"""The Blind Cliffwalk: its memory of every action sequence, and the number of updates that a replay
rule needs to learn it.

n states in a row and two actions. The right one leads on, in the last state to reward 1 and the
end; the wrong one ends the episode without reward. Which one is right alternates.

Source: Schaul et al. 2016, section 3.1 and appendix B.1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import hypers
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from lrdqn.config import ReplayConfig
from lrdqn.replay import make_prioritized, make_rank, make_uniform
from lrdqn.types import Hypers, Replay, Sample, Transition

STEP, SPREAD, CLOSE = 0.25, 0.1, 1e-3
"""Step size, spread of the initial parameters, and the mean squared error at which a learner is
done."""


class Rule(NamedTuple):
    """A replay rule: how the transition of an update is chosen, and what the values are linear
    in."""

    replay: str
    """``uniform``, ``prioritized``, ``rank``, ``greedy`` (largest last-seen |TD error|) or
    ``oracle`` (hindsight)."""
    alpha: float
    linear: bool
    """True where a bias per action stands beside the table, so that states are not independent."""


class GreedyState(NamedTuple):
    """All transitions, and the |TD error| of each when it was last seen; infinite before that."""

    data: Transition
    error: Float[Array, "N"]


def size_of(n: int) -> int:
    """Return the number of transitions in the memory."""
    return 2 ** (n + 1) - 2


def right_action(state: Any) -> Any:
    return state % 2


def memory_of(n: int, rng: np.random.Generator) -> Transition:
    """Return every sequence of n actions, executed until it ends, in random order: ``[2^(n+1) -
    2]`` transitions.

    Of the 2^n sequences, ``2^(n-1-j)`` go right j times and then fail; one arrives.
    """
    lengths = np.append(np.repeat(np.arange(n) + 1, 2 ** np.arange(n)[::-1]), n)
    fails = np.append(np.ones(2**n - 1, bool), False)
    order = rng.permutation(2**n)
    lengths, fails = lengths[order], fails[order]
    ends = np.cumsum(lengths) - 1
    state = np.arange(lengths.sum()) - np.repeat(ends + 1 - lengths, lengths)
    wrong = np.zeros(state.size, bool)
    wrong[ends] = fails
    arrives = (state == n - 1) & ~wrong
    discount = np.where(wrong | arrives, 0.0, 1 - 1 / n)
    action = np.where(wrong, 1 - right_action(state), right_action(state))
    follower = np.minimum(state + 1, n - 1)
    kinds = (np.int32, np.int32, np.float32, np.float32, np.int32)
    fields = (state, action, arrives, discount, follower)
    return Transition(*(jnp.asarray(x.astype(kind)) for x, kind in zip(fields, kinds, strict=True)))


def true_values(n: int) -> Float[Array, "n 2"]:
    """Return ``gamma^(n-1-s)`` for the right action, 0 for the wrong one."""
    states = np.arange(n)
    values = np.zeros((n, 2), np.float32)
    values[states, right_action(states)] = (1 - 1 / n) ** (n - 1 - states)
    return jnp.asarray(values)


def values_of(theta: Float[Array, "n+1 2"], linear: bool) -> Float[Array, "n 2"]:
    """Return ``Q(s, a) = theta[s, a]``, plus the bias ``theta[n, a]`` where values are
    ``linear``."""
    return theta[:-1] + theta[-1:] * linear


def learn(
    theta: Float[Array, "n+1 2"], t: Transition, linear: bool
) -> tuple[Float[Array, "n+1 2"], Float[Array, ""]]:
    """Take one step of Q-learning on one transition: return ``theta + eta delta phi``, and
    delta."""
    q = values_of(theta, linear)
    delta = t.reward + t.discount * jnp.max(q[t.next_obs]) - q[t.obs, t.action]
    return theta.at[t.obs, t.action].add(STEP * delta).at[-1, t.action].add(
        STEP * delta * linear
    ), delta


def make_greedy(transitions: int) -> Replay:
    """Return greedy replay: the transition whose TD error was largest when last seen, unseen ones
    first, ties by age.

    Source: Schaul et al. 2016, section 3.2 ("greedy TD-error prioritization").
    """

    def init(example: Transition) -> GreedyState:
        data = jax.tree.map(lambda x: jnp.zeros((transitions,), x.dtype), example)
        return GreedyState(data, jnp.full(transitions, jnp.inf))

    def add(state: GreedyState, batch: Transition, given: Hypers) -> GreedyState:
        del given
        return state._replace(data=batch)

    def sample(state: GreedyState, key: PRNGKeyArray, given: Hypers) -> Sample:
        del key, given
        index = jnp.argmax(state.error)[None]
        return Sample(jax.tree.map(lambda x: x[index], state.data), index, jnp.ones(1), jnp.ones(1))

    def update_priorities(
        state: GreedyState, indices: Array, td_error: Array, given: Hypers
    ) -> GreedyState:
        del given
        return state._replace(error=state.error.at[indices].set(jnp.abs(td_error)))

    return Replay(init, add, sample, update_priorities)


def make_replay(name: str, transitions: int) -> Replay:
    """Return the agents' replay, one transition at a time, with the exponents of the recorded
    medians: epsilon 1e-3 and no importance weights."""
    if name == "greedy":
        return make_greedy(transitions)
    makers = {"uniform": make_uniform, "prioritized": make_prioritized, "rank": make_rank}
    return makers[name](ReplayConfig(name=name, capacity=transitions, batch_size=1, epsilon=1e-3))


def make_oracle_step(n: int, linear: bool) -> Callable[[Array], Array]:
    """Return the update after which all values together are closest to the truth; equal transitions
    are tried once.

    Source: Schaul et al. 2016, section 3.1 (the hindsight oracle).
    """
    truth, state = true_values(n), np.repeat(np.arange(n), 2)
    action = np.tile(np.arange(2), n)
    right, last = action == right_action(state), state == n - 1
    discount = np.where(right & ~last, 1 - 1 / n, 0).astype(np.float32)
    follower = np.minimum(state + 1, n - 1)
    every = Transition(
        *map(jnp.asarray, (state, action, (right & last).astype(np.float32), discount, follower))
    )

    def step(theta: Array) -> Array:
        tried = jax.vmap(lambda t: learn(theta, t, linear)[0])(every)
        errors = jax.vmap(lambda x: jnp.mean((values_of(x, linear) - truth) ** 2))(tried)
        return tried[jnp.argmin(errors)]

    return step


@partial(jax.jit, static_argnums=(0, 1, 4))
def updates_needed(
    rule: Rule, n: int, memories: Transition, keys: PRNGKeyArray, limit: int
) -> Int[Array, "seeds"]:
    """Return the updates of each seed until the mean squared error of all values is below
    ``CLOSE``; ``limit`` where it never is.

    Args:
        rule: what is replayed.
        n: states.
        memories: ``[seeds, 2^(n+1) - 2]`` transitions.
        keys: one per seed.
        limit: updates after which to give up.
    """
    replay, truth = (
        make_replay("uniform" if rule.replay == "oracle" else rule.replay, size_of(n)),
        true_values(n),
    )
    given, oracle = hypers.make(alpha=rule.alpha, beta=0.0), make_oracle_step(n, rule.linear)

    def one(memory: Transition, key: PRNGKeyArray) -> Int[Array, ""]:
        begin, play = jax.random.split(key)
        store = replay.add(replay.init(jax.tree.map(lambda x: x[0], memory)), memory, given)
        theta = SPREAD * jax.random.normal(begin, (n + 1, 2))

        def far(carry: tuple) -> Bool[Array, ""]:
            theta, _, count = carry
            error = jnp.mean((values_of(theta, rule.linear) - truth) ** 2)
            return (count == 0) | (error >= CLOSE) & (count < limit)

        def update(carry: tuple) -> tuple:
            theta, store, count = carry
            if rule.replay == "oracle":
                return oracle(theta), store, count + 1
            sample = replay.sample(store, jax.random.fold_in(play, count), given)
            theta, delta = learn(
                theta, jax.tree.map(lambda x: x[0], sample.transition), rule.linear
            )
            return (
                theta,
                replay.update_priorities(store, sample.indices, delta[None], given),
                count + 1,
            )

        return jax.lax.while_loop(far, update, (theta, store, jnp.int32(0)))[2]

    # One after the other: seeds side by side would all go on until the slowest is there, and share
    # no work.
    return jax.lax.map(lambda of: one(*of), (memories, keys))


def solve(rule: Rule, n: int, seeds: int) -> Int[np.ndarray, "seeds"]:
    """Return the updates that each seed needs; memories and initial values do not depend on the
    rule."""
    memories = [memory_of(n, np.random.default_rng([n, seed])) for seed in range(seeds)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *memories)
    keys = jax.random.split(jax.random.key(n), seeds)
    return np.asarray(updates_needed(rule, n, stacked, keys, 100 * size_of(n) + 10_000))
