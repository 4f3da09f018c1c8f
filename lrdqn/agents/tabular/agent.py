"""Tabular Q-learning, double Q-learning and value iteration as agents on one-hot observations,
against which the deep agents are tested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.agents.tabular.config import TabularConfig
from lrdqn.ops.exploration import epsilon_greedy
from lrdqn.types import Agent, EnvSpec, Hypers, Params, PyTree, Sample


class TableState(NamedTuple):
    """The table of action values and the number of updates of each entry."""

    table: Float[Array, "S A"]
    visits: Int[Array, "S A"]


class TwoTables(NamedTuple):
    """Two tables ``[2, S, A]``, each of which evaluates the actions that the other selects."""

    table: Float[Array, "2 S A"]
    visits: Int[Array, "2 S A"]
    mean: Float[Array, "S A"]
    """Mean of the two tables, on which the agent acts."""


def random_argmax(q: Float[Array, "A"], key: PRNGKeyArray) -> Int[Array, ""]:
    """Return ``argmax q``, ties broken uniformly at random."""
    best = q == jnp.max(q)
    return jnp.argmax(jnp.where(best, jax.random.uniform(key, q.shape), -1.0)).astype(jnp.int32)


def act_on(q: Float[Array, "N A"], epsilon: Float[Array, ""], key: PRNGKeyArray) -> Int[Array, "N"]:
    """Return epsilon-greedy actions as ``ops.exploration`` draws them, but with ties broken
    uniformly at random."""
    explore_key, tie_key = jax.random.split(key)
    u = jax.random.uniform(explore_key, q.shape[:1])
    best = jax.vmap(random_argmax)(q, jax.random.split(tie_key, q.shape[0]))
    preferred = (jnp.arange(q.shape[1])[None] == best[:, None]).astype(q.dtype)
    return jax.vmap(epsilon_greedy, in_axes=(0, 0, 0, None))(
        u, preferred, jnp.ones(q.shape, bool), epsilon
    )


def update_sequentially(
    one: Callable[[Any, tuple[Array, ...], Hypers], tuple[Any, tuple[Array, Array]]],
    state: Any,
    sample: Sample,
    hypers: Hypers,
    key: Array,
) -> tuple[Any, Array, dict[str, Array]]:
    """Apply the updates of a batch one after the other, each on the table that the ones before it
    left; a TD error that is not finite changes nothing and is counted."""
    t = sample.transition
    s, after = (jnp.argmax(x, axis=-1) for x in (t.obs, t.next_obs))
    keys = jax.random.split(key, t.reward.shape[0])
    rows = (s, t.action, t.reward, t.discount, after, sample.weights, keys)
    state, (td, q) = jax.lax.scan(lambda state, row: one(state, row, hypers), state, rows)
    finite = jnp.isfinite(td)
    size = jnp.where(finite, jnp.abs(td), 0.0)
    metrics = {
        "loss": jnp.mean(sample.weights * 0.5 * jnp.square(size)),
        "q": jnp.mean(q),
        "td_error": jnp.mean(size),
        "grad_norm": jnp.zeros(()),
        "nonfinite": jnp.sum(~finite),
    }
    return state, td, metrics


def one_step_target(r: Array, discount: Array, value: Array) -> Array:
    """Return ``r + discount * value``; ``r`` alone where the discount is 0."""
    return r + jnp.where(discount != 0, discount * value, 0.0)


def make_q_learning(config: TabularConfig, spec: EnvSpec) -> Agent:
    """Return Q-learning, ``Q(s, a) <- Q(s, a) + w a_n [r + discount max_b Q(s', b) - Q(s, a)]``
    with ``a_n = learning_rate * n(s, a)^-step_decay``.

    n(s, a) counts the updates of the entry and w is the replay's importance weight. The transitions
    of a batch are applied one after the other.

    Args:
        config: ``step_decay``; 0 keeps the step size constant, values in (0.5, 1] converge.
        spec: the environment's specification, with one-hot observations.

    Source: Watkins and Dayan 1992; step sizes as in Even-Dar and Mansour 2003.
    """
    shape = (spec.obs_size, spec.actions)

    def one(
        state: TableState, row: tuple[Array, ...], hypers: Hypers
    ) -> tuple[TableState, tuple[Array, Array]]:
        s, a, r, discount, after, weight, _ = row
        q = state.table[s, a]
        td = one_step_target(r, discount, jnp.max(state.table[after])) - q
        visits = state.visits.at[s, a].add(jnp.isfinite(td).astype(jnp.int32))
        rate = hypers.learning_rate * jnp.power(
            jnp.maximum(visits[s, a], 1).astype(jnp.float32), -config.step_decay
        )
        return TableState(
            state.table.at[s, a].add(jnp.where(jnp.isfinite(td), weight * rate * td, 0.0)), visits
        ), (td, q)

    def init(key: PRNGKeyArray) -> TableState:
        del key
        return TableState(jnp.zeros(shape), jnp.zeros(shape, jnp.int32))

    def act(
        state: TableState, obs: PyTree, catalogue: PyTree, epsilon: Array, key: PRNGKeyArray
    ) -> Int[Array, "N"]:
        del catalogue
        return act_on(obs @ state.table, epsilon, key)

    def update(
        state: TableState, sample: Sample, catalogue: PyTree, hypers: Hypers, key: PRNGKeyArray
    ) -> Any:
        del catalogue
        return update_sequentially(one, state, sample, hypers, key)

    return Agent(
        init, act, update, lambda state, hypers: state, lambda state: {"table": state.table}
    )


def make_double_q_learning(config: TabularConfig, spec: EnvSpec) -> Agent:
    """Return double Q-learning: a fair coin picks the table to update, and the other table
    evaluates the action that it selects.

    ::

        Q_A(s, a) <- Q_A(s, a) + w a_n [r + discount Q_B(s', argmax_b Q_A(s', b)) - Q_A(s, a)]

    The agent acts on the mean of both. Ties are broken at random, in acting and in the argmax.

    Args:
        config: ``step_decay``, as in Q-learning; each table counts its own visits.
        spec: the environment's specification, with one-hot observations.

    Source: van Hasselt 2010, algorithm 1.
    """
    shape = (2, spec.obs_size, spec.actions)

    def one(
        state: TwoTables, row: tuple[Array, ...], hypers: Hypers
    ) -> tuple[TwoTables, tuple[Array, Array]]:
        s, a, r, discount, after, weight, key = row
        coin_key, tie_key = jax.random.split(key)
        k = jax.random.bernoulli(coin_key).astype(jnp.int32)
        best = random_argmax(state.table[k, after], tie_key)
        q = state.table[k, s, a]
        td = one_step_target(r, discount, state.table[1 - k, after, best]) - q
        visits = state.visits.at[k, s, a].add(jnp.isfinite(td).astype(jnp.int32))
        rate = hypers.learning_rate * jnp.power(
            jnp.maximum(visits[k, s, a], 1).astype(jnp.float32), -config.step_decay
        )
        moved = state.table.at[k, s, a].add(jnp.where(jnp.isfinite(td), weight * rate * td, 0.0))
        return TwoTables(moved, visits, state.mean), (td, q)

    def init(key: PRNGKeyArray) -> TwoTables:
        del key
        return TwoTables(jnp.zeros(shape), jnp.zeros(shape, jnp.int32), jnp.zeros(shape[1:]))

    def act(
        state: TwoTables, obs: PyTree, catalogue: PyTree, epsilon: Array, key: PRNGKeyArray
    ) -> Int[Array, "N"]:
        del catalogue
        return act_on(obs @ state.mean, epsilon, key)

    def update(
        state: TwoTables, sample: Sample, catalogue: PyTree, hypers: Hypers, key: PRNGKeyArray
    ) -> Any:
        del catalogue
        state, td, metrics = update_sequentially(one, state, sample, hypers, key)
        return state._replace(mean=jnp.mean(state.table, axis=0)), td, metrics

    return Agent(
        init, act, update, lambda state, hypers: state, lambda state: {"table": state.mean}
    )


def sweep(
    table: Float[Array, "S A"],
    reward: Array,
    successors: Array,
    probabilities: Array,
    gamma: Float[Array, ""],
) -> Float[Array, "S A"]:
    """Return ``R + gamma sum_s' P(s' | s, a) max_b Q(s', b)`` for all states and actions at
    once."""
    return reward + gamma * jnp.sum(probabilities * jnp.max(table, axis=1)[successors], axis=2)


def value_iteration(
    reward: Float[Array, "S A"],
    successors: Int[Array, "S A b"],
    probabilities: Float[Array, "S A b"],
    gamma: Float[Array, ""],
    sweeps: int,
) -> Float[Array, "S A"]:
    """Return ``Q*`` to within ``gamma^sweeps max R / (1 - gamma)``, by synchronous sweeps from
    zero.

    Args:
        reward: mean reward ``[S, A]``.
        successors: states that can follow ``[S, A, b]``.
        probabilities: of each of them ``[S, A, b]``.
        gamma: below 1.
        sweeps: number of sweeps.

    Source: Bellman 1957; Sutton and Barto 2018, section 4.4.
    """
    start = jnp.zeros(reward.shape, jnp.float32)
    return jax.lax.fori_loop(
        0, sweeps, lambda _, q: sweep(q, reward, successors, probabilities, gamma), start
    )


def make_value_iteration(config: TabularConfig, spec: EnvSpec) -> Agent:
    """Return value iteration as an agent: an update is one sweep of the environment's model over
    all states, whatever was sampled.

    The model is the catalogue (``envs.garnet.env.GarnetWorld``); ``hypers.reward_scale`` scales its
    rewards as it does stored ones. The TD errors are the Bellman residuals at the sampled states
    and actions.

    Args:
        config: unused; all agents have the same signature.
        spec: the environment's specification, with one-hot observations.

    Source: Bellman 1957; Sutton and Barto 2018, section 4.4.
    """
    del config

    def init(key: PRNGKeyArray) -> Params:
        del key
        return {"table": jnp.zeros((spec.obs_size, spec.actions))}

    def act(
        state: Params, obs: PyTree, catalogue: PyTree, epsilon: Array, key: PRNGKeyArray
    ) -> Int[Array, "N"]:
        del catalogue
        return act_on(obs @ state["table"], epsilon, key)

    def update(
        state: Params, sample: Sample, catalogue: Any, hypers: Hypers, key: PRNGKeyArray
    ) -> tuple[Params, Array, dict[str, Array]]:
        del key
        old, s, a = (
            state["table"],
            jnp.argmax(sample.transition.obs, axis=-1),
            sample.transition.action,
        )
        reward = hypers.reward_scale * catalogue.reward
        table = sweep(old, reward, catalogue.successors, catalogue.probabilities, hypers.gamma)
        td = (table - old)[s, a]
        metrics = {
            "loss": jnp.mean(0.5 * jnp.square(td)),
            "q": jnp.mean(old[s, a]),
            "td_error": jnp.mean(jnp.abs(td)),
            "grad_norm": jnp.zeros(()),
            "nonfinite": jnp.sum(~jnp.isfinite(td)),
        }
        return {"table": table}, td, metrics

    return Agent(init, act, update, lambda state, hypers: state, lambda state: state)
