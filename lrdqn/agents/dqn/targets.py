"""Target rules of the DQN family: each evaluates the networks on the next state and returns what
the target bootstraps from.

A rule returns a ``Bootstrap``; the loss of ``ops.values`` turns it into
``reward + discount * value(raw)``. A new rule is one function here, one YAML in ``conf/agent/`` and
one test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.networks.candidates import take_candidates
from lrdqn.ops.largest import largest
from lrdqn.ops.masking import masked
from lrdqn.ops.policies import (
    discount_where_offered,
    epsilon_greedy_policy,
    log_softmax_policy,
    munchausen_bonus,
    policy_entropy,
)
from lrdqn.ops.values import Values
from lrdqn.types import Hypers, Network, Params, PyTree, QOutput, Transition


class Bootstrap(NamedTuple):
    """Bootstrap of a transition: the reward and the discount of its target, and the K numbers of
    the next state's value."""

    reward: Float[Array, "B"]
    discount: Float[Array, "B"]
    raw: Float[Array, "B K"]


class TargetInputs(NamedTuple):
    """Inputs of a target rule: the Q-function, its online and its target parameters, the catalogue
    and the hyper-parameters."""

    network: Network
    values: Values
    params: Params
    target_params: Params
    catalogue: PyTree
    hypers: Hypers


TargetRule = Callable[[TargetInputs, Transition, PRNGKeyArray], Bootstrap]


def available_discount(t: Transition, out: QOutput) -> Float[Array, "B"]:
    """Return the discount, 0 where no action is available in the next state."""
    return jax.vmap(discount_where_offered)(t.discount, out.mask)


def best_action(out: QOutput) -> Int[Array, "B"]:
    """Return ``argmax_{a in mask} q``; ties go to the lowest index."""
    return jnp.argmax(masked(out.q, out.mask), axis=-1).astype(jnp.int32)


def max_target(inputs: TargetInputs, t: Transition, key: PRNGKeyArray) -> Bootstrap:
    """Return ``y = r + discount * max_{a in mask} Q(s', a; theta^-)``.

    Source: Mnih et al. 2015, algorithm 1; for distributions Bellemare et al. 2017, algorithm 1 (the
    action with the best mean).
    """
    out = inputs.network.apply(inputs.target_params, t.next_obs, inputs.catalogue, key)
    raw = jnp.take_along_axis(out.raw, best_action(out)[:, None, None], axis=1)[:, 0]
    return Bootstrap(t.reward, available_discount(t, out), raw)


def double_target(inputs: TargetInputs, t: Transition, key: PRNGKeyArray) -> Bootstrap:
    """Return ``y = r + discount * Q(s', argmax_{a in mask} Q(s', a; theta); theta^-)``: the online
    network selects the action, the target network evaluates it.

    The target network is read at one action only, which for a scorer is one candidate instead of
    all.

    Source: van Hasselt, Guez and Silver 2016, equation 4.
    """
    select_key, evaluate_key = jax.random.split(key)
    out = inputs.network.apply(inputs.params, t.next_obs, inputs.catalogue, select_key)
    raw = inputs.network.value(
        inputs.target_params, t.next_obs, best_action(out), inputs.catalogue, evaluate_key
    )
    return Bootstrap(t.reward, available_discount(t, out), raw)


def expected_sarsa_target(inputs: TargetInputs, t: Transition, key: PRNGKeyArray) -> Bootstrap:
    """Return ``y = r + discount * sum_a pi(a) Q(s', a; theta^-)`` with pi epsilon-greedy in
    ``Q(.; theta^-)`` at the present epsilon.

    Source: van Seijen et al. 2009, equation 5.
    """
    out = inputs.network.apply(inputs.target_params, t.next_obs, inputs.catalogue, key)
    policy = jax.vmap(epsilon_greedy_policy, in_axes=(0, 0, None))(
        out.q, out.mask, inputs.hypers.epsilon
    )
    return Bootstrap(
        t.reward, available_discount(t, out), jax.vmap(inputs.values.mix)(policy, out.raw)
    )


def make_munchausen_target(lowest: float) -> TargetRule:
    """Return the Munchausen rule, whose pi is the softmax of ``Q(.; theta^-) / tau``.

    ::

        y = r + a clip(tau log pi(a|s), l_0, 0)
              + discount * sum_b pi(b|s') (Q(s', b; theta^-) - tau log pi(b|s'))

    a and tau are ``hypers.munchausen`` and ``hypers.temperature``. If the value is a distribution,
    the entropy term shifts the mixture as a whole.

    Args:
        lowest: ``l_0``.

    Source: Vieillard, Pietquin and Geist 2020, equation 1.
    """

    def target(inputs: TargetInputs, t: Transition, key: PRNGKeyArray) -> Bootstrap:
        now_key, next_key = jax.random.split(key)
        tau = inputs.hypers.temperature
        log_policy = jax.vmap(log_softmax_policy, in_axes=(0, 0, None))
        now = inputs.network.apply(inputs.target_params, t.obs, inputs.catalogue, now_key)
        taken = jnp.take_along_axis(log_policy(now.q, now.mask, tau), t.action[:, None], axis=1)[
            :, 0
        ]
        out = inputs.network.apply(inputs.target_params, t.next_obs, inputs.catalogue, next_key)
        log_next, discount = log_policy(out.q, out.mask, tau), available_discount(t, out)
        entropy = tau * jax.vmap(policy_entropy)(log_next, out.mask)
        bonus = munchausen_bonus(taken, inputs.hypers.munchausen, tau, lowest)
        reward = t.reward + bonus + jnp.where(discount != 0, discount * entropy, 0.0)
        policy = jnp.where(out.mask, jnp.exp(log_next), 0.0)
        return Bootstrap(reward, discount, jax.vmap(inputs.values.mix)(policy, out.raw))

    return target


def stored_return(inputs: TargetInputs, t: Transition, key: PRNGKeyArray) -> Bootstrap:
    """Return ``y = r``: the stored reward is a lambda-return already (``train.horizon``), and no
    target network is read.

    Source: Gallici et al. 2024 (PQN), algorithm 1.
    """
    del key
    return Bootstrap(
        t.reward, jnp.zeros_like(t.reward), jnp.zeros((*t.reward.shape, inputs.values.outputs))
    )


def make_target(config: DQNConfig) -> TargetRule:
    """Return the target rule named ``config.target``."""
    rules: dict[str, TargetRule] = {
        "max": max_target,
        "double": double_target,
        "expected_sarsa": expected_sarsa_target,
        "munchausen": make_munchausen_target(config.log_policy_min),
        "lambda": stored_return,
    }
    rule = rules[config.target]
    some = config.target_candidates
    return rule if some is None else on_some_candidates(rule, some)


def on_some_candidates(rule: TargetRule, candidates: int) -> TargetRule:
    """Return a rule that looks at only so many candidates of the next state, drawn at random among
    those on offer.

    The maximum over k of C candidates is cheaper, overestimates less, and is that of a policy which
    is offered k candidates: on average lower, by the more the fewer they are.

    Source: Ghasemipour et al. 2021 (EMaQ), equation 4, with the offer in place of a behaviour
    policy.
    """

    def target(inputs: TargetInputs, t: Transition, key: PRNGKeyArray) -> Bootstrap:
        draw_key, rule_key = jax.random.split(key)
        mask = t.next_obs.mask
        order = jax.random.uniform(draw_key, mask.shape) + mask
        places = largest(order, candidates)
        few = t._replace(next_obs=take_candidates(t.next_obs, places))
        return rule(inputs, few, rule_key)

    return target
