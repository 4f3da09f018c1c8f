"""Horizons of stored transitions: one step, n steps, or a lambda-return over the rollout.

Replay holds (s, a, reward, discount, s') for every horizon: n and lambda enter reward and discount,
and no loss depends on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, PRNGKeyArray

from lrdqn.config import AgentConfig
from lrdqn.config.family import NEXT_ACTION, Needs
from lrdqn.ops.masking import masked
from lrdqn.ops.returns import empty, extend, lambda_returns
from lrdqn.types import Hypers, Network, Params, PyTree, Transition


class Horizon(NamedTuple):
    """Pure functions from one-step transitions of N sessions to what replay stores."""

    fill: int
    """Rounds to play before the first transition is complete; their output is not stored."""
    init: Callable[[Transition, int], PyTree]
    """``init(example, sessions) -> state``, from one unbatched transition."""
    extend: Callable[
        [PyTree, Transition, Bool[Array, "T N"], Params, PyTree, Hypers, PRNGKeyArray],
        tuple[PyTree, Transition],
    ]
    """``extend(state, rollout, ended, params, catalogue, hypers, key) -> state, transitions``:
    leaves ``[T, N, ...]`` in, ``[M, ...]`` out. ``ended``: the session was terminated or truncated
    at that step."""


def flat(rollout: Transition) -> Transition:
    """Reshape leaves ``[T, N, ...]`` to ``[T * N, ...]``, oldest first."""
    return jax.tree.map(lambda x: x.reshape((x.shape[0] * x.shape[1], *x.shape[2:])), rollout)


def one_step() -> Horizon:
    """Make the horizon that returns transitions unchanged."""

    def through(
        state: PyTree,
        rollout: Transition,
        ended: Array,
        params: Params,
        catalogue: PyTree,
        hypers: Hypers,
        key: PRNGKeyArray,
    ) -> tuple[PyTree, Transition]:
        del ended, params, catalogue, hypers, key
        return state, flat(rollout)

    return Horizon(0, lambda example, sessions: (), through)


def n_step(n: int) -> Horizon:
    """Make the horizon of n-step returns:
    ``r_1 + discount_1 r_2 + discount_1 discount_2 r_3 + ...`` over n steps or to the end of the
    session, whichever comes first, and the product of the discounts.

    Each round completes the transition that a session began n - 1 rounds ago. A terminated session
    does not bootstrap, a truncated one bootstraps from its last observation; nothing of the next
    session enters.

    Args:
        n: at least 2; 1 is ``one_step``.

    Source: Sutton 1988; in DQN Hessel et al. 2018, section "Multi-step learning". The return is
    uncorrected (no importance weights), so off its own policy the fixed point is biased
    (Hernandez-Garcia and Sutton 2019).
    """

    def init(example: Transition, sessions: int) -> PyTree:
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (sessions, *x.shape)), empty(example, n))

    def gather(
        state: PyTree,
        rollout: Transition,
        ended: Array,
        params: Params,
        catalogue: PyTree,
        hypers: Hypers,
        key: PRNGKeyArray,
    ) -> tuple[PyTree, Transition]:
        del params, catalogue, hypers, key
        state, complete = jax.lax.scan(
            lambda s, step: jax.vmap(extend)(s, *step), state, (rollout, ended)
        )
        return state, flat(complete)

    return Horizon(n - 1, init, gather)


def with_next_action(horizon: Horizon) -> Horizon:
    """Extend a horizon's transitions by the action in their last state, ``next_action``; -1 where
    the session had ended. Every step waits one round for the next.

    Source: Rummery and Niranjan 1994 (SARSA).
    """

    def init(example: Transition, sessions: int) -> PyTree:
        known = example._replace(next_action=jnp.zeros_like(example.action))
        waiting = jax.tree.map(lambda x: jnp.zeros((sessions, *x.shape), x.dtype), example)
        return waiting, jnp.ones(sessions, bool), horizon.init(known, sessions)

    def gather(
        state: PyTree,
        rollout: Transition,
        ended: Array,
        params: Params,
        catalogue: PyTree,
        hypers: Hypers,
        key: PRNGKeyArray,
    ) -> tuple[PyTree, Transition]:
        waiting, over, further = state
        steps, ends = jax.tree.map(
            lambda a, b: jnp.concatenate([a[None], b]), (waiting, over), (rollout, ended)
        )
        done, ends_of_done = jax.tree.map(lambda x: x[:-1], (steps, ends))
        absent = ends_of_done.reshape(ends_of_done.shape + (1,) * (rollout.action.ndim - 2))
        done = done._replace(next_action=jnp.where(absent, -1, rollout.action))
        further, complete = horizon.extend(
            further, done, ends_of_done, params, catalogue, hypers, key
        )
        last = jax.tree.map(lambda x: x[-1], (steps, ends))
        return (*last, further), complete

    return Horizon(horizon.fill + 1, init, gather)


def lambda_return(network: Network, passes: int) -> Horizon:
    """Make the horizon that replaces rewards by lambda-returns of the rollout and discounts by 0,
    so that learning is a regression.

    It bootstraps from ``v(s') = max_{a in mask} Q(s', a; theta)`` with the parameters that played
    the rollout. The rollout comes out ``passes`` times, each time in another order: a queue read in
    batches gives as many epochs of shuffled minibatches.

    Args:
        network: the Q-function.
        passes: epochs.

    Source: Gallici et al. 2024 (PQN), section 4 and algorithm 2.
    """

    def regress(
        state: PyTree,
        rollout: Transition,
        ended: Array,
        params: Params,
        catalogue: PyTree,
        hypers: Hypers,
        key: PRNGKeyArray,
    ) -> tuple[PyTree, Transition]:
        steps, sessions = ended.shape
        out = network.apply(params, flat(rollout).next_obs, catalogue, None)
        offered = jnp.any(out.mask, axis=-1)
        value = jnp.where(offered, jnp.max(masked(out.q, out.mask), axis=-1), 0.0).reshape(
            steps, sessions
        )
        returns = jax.vmap(lambda_returns, in_axes=(1, 1, 1, 1, None), out_axes=1)
        reward = returns(rollout.reward, rollout.discount, value, ended, hypers.trace)
        learnt = flat(rollout._replace(reward=reward, discount=jnp.zeros_like(rollout.discount)))
        orders = [
            jax.random.permutation(k, steps * sessions) for k in jax.random.split(key, passes)
        ]
        return state, jax.tree.map(lambda x: x[jnp.concatenate(orders)], learnt)

    return Horizon(0, lambda example, sessions: (), regress)


def make_horizon(config: AgentConfig, network: Network, passes: int, needs: Needs) -> Horizon:
    """Make the horizon that the agent needs.

    Args:
        config: ``n_steps``.
        network: read by lambda-returns only.
        passes: epochs over a rollout, for them only.
        needs: ``fresh`` (lambda-returns) and ``stored``.
    """
    if needs.fresh:
        return lambda_return(network, passes)
    plain = one_step() if config.n_steps == 1 else n_step(config.n_steps)
    return with_next_action(plain) if NEXT_ACTION in needs.stored else plain
