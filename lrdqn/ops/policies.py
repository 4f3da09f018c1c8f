"""Policies over a changing action set that targets assume for the next state. The functions take
one example; callers ``vmap`` them.

Every member of the DQN family bootstraps from ``sum_a pi(a) Q(s', a; theta^-)``; they differ in
``pi`` and in what they add to the reward. ``agents.dqn.targets`` evaluates the networks;
``ops.values`` forms ``r + discount * value`` and the loss.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from lrdqn.ops.masking import masked


def epsilon_greedy_policy(
    q: Float[Array, "A"], mask: Bool[Array, "A"], epsilon: Float[Array, ""]
) -> Float[Array, "A"]:
    """Return ``pi(a) = epsilon / |mask| + (1 - epsilon) [a = argmax q]`` over the available
    actions, 0 for all others.

    Args:
        q: action values ``[A]``; ties go to the lowest index.
        mask: available actions ``[A]``; with none of them all entries are 0.
        epsilon: in [0, 1].

    Source: Sutton and Barto 2018, section 6.6 (the policy of expected SARSA).
    """
    chex.assert_rank([q, mask, epsilon], [1, 1, 0])
    count = jnp.maximum(jnp.sum(mask), 1).astype(q.dtype)
    best = jnp.arange(q.shape[0]) == jnp.argmax(masked(q, mask))
    return jnp.where(mask, epsilon / count + (1 - epsilon) * best.astype(q.dtype), 0.0)


def log_softmax_policy(
    q: Float[Array, "A"], mask: Bool[Array, "A"], temperature: Float[Array, ""]
) -> Float[Array, "A"]:
    """Return ``log pi`` with
    ``pi(a) = exp(q(a) / temperature) / sum_{b in mask} exp(q(b) / temperature)``; 0 for unavailable
    actions.

    The largest value is subtracted first, so that a temperature near 0 gives the greedy policy and
    not an overflow.

    Args:
        q: action values ``[A]``.
        mask: available actions ``[A]``.
        temperature: positive, in the units of ``q``.

    Source: Vieillard, Pietquin and Geist 2020, equation 3 and appendix B.1 (the stable form).
    """
    chex.assert_rank([q, mask, temperature], [1, 1, 0])
    best = jnp.max(masked(q, mask))
    advantage = jnp.where(mask, jnp.minimum(q - best, 0.0), 0.0) / temperature
    mass = jnp.sum(jnp.where(mask, jnp.exp(advantage), 0.0))
    return jnp.where(mask, advantage - jnp.log(jnp.maximum(mass, 1.0)), 0.0)


def munchausen_bonus(
    log_policy: Float[Array, ""],
    share: Float[Array, ""],
    temperature: Float[Array, ""],
    lowest: float,
) -> Float[Array, ""]:
    """Return ``share * clip(temperature * log pi(a | s), lowest, 0)``, which Munchausen adds to the
    reward of the action taken.

    Args:
        log_policy: of the action taken.
        share: alpha of the paper, in [0, 1]; 0 leaves soft Q-learning.
        temperature: tau of the paper.
        lowest: ``l_0`` of the paper, at most 0.

    Source: Vieillard et al. 2020, equation 1 and section 4 (clipping).
    """
    return share * jnp.clip(temperature * log_policy, lowest, 0.0)


def policy_entropy(log_policy: Float[Array, "A"], mask: Bool[Array, "A"]) -> Float[Array, ""]:
    """Return ``-sum_{a in mask} pi(a) log pi(a)``, in nats.

    Args:
        log_policy: from ``log_softmax_policy`` ``[A]``.
        mask: available actions ``[A]``.
    """
    return -jnp.sum(jnp.where(mask, jnp.exp(log_policy) * log_policy, 0.0))


def discount_where_offered(
    discount_t: Float[Array, ""], mask_t: Bool[Array, "A"]
) -> Float[Array, ""]:
    """Return ``discount``, or 0 where no action is available in s': the target is then the reward
    alone."""
    return jax.lax.stop_gradient(jnp.where(jnp.any(mask_t), discount_t, jnp.zeros_like(discount_t)))
