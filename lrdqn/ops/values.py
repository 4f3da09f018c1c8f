"""Representations of value, the last axis of a Q-network's output: an expected return, a
categorical distribution or quantiles.

``mean`` and ``lift`` take any leading axes; ``mix`` and ``loss`` take one example, and callers
``vmap`` them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from lrdqn.config import InputError
from lrdqn.ops.categorical import categorical_loss, project, support
from lrdqn.ops.losses import Loss
from lrdqn.ops.quantile import quantile_huber
from lrdqn.ops.returns import weighted


class Values(NamedTuple):
    """The representation of value as pure functions on the K numbers per action of a Q-network's
    output.

    ``loss`` compares a prediction with ``r + discount * (the return that raw_t describes)``. No
    gradient flows through r, discount or raw_t, and where the discount is 0 the target is that of r
    alone, whatever raw_t holds.
    """

    outputs: int
    """K."""
    mean: Callable[[Float[Array, "*B K"]], Float[Array, "*B"]]
    """``mean(raw) -> q``: the expected return."""
    lift: Callable[[Float[Array, "*B K"], Float[Array, "*B"]], Float[Array, "*B K"]]
    """``lift(raw, x) -> raw``: raises the expected return by x, a prior that is added to the
    network's output."""
    mix: Callable[[Float[Array, "A"], Float[Array, "A K"]], Float[Array, "K"]]
    """``mix(policy, raw) -> raw``: the value of a state under a policy; actions of probability 0
    are never read."""
    loss: Callable[
        [Float[Array, "K"], Float[Array, ""], Float[Array, ""], Float[Array, "K"]],
        tuple[Float[Array, ""], Float[Array, ""]],
    ]
    """``loss(raw_tm1, r_t, discount_t, raw_t) -> loss, td_error``."""


def backed_up(
    r_t: Float[Array, ""], discount_t: Float[Array, ""], x: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Return ``r + discount * x`` without a gradient; exactly ``r`` where the discount is 0."""
    return jax.lax.stop_gradient(r_t + weighted(discount_t, x))


def average(policy: Float[Array, "A"], raw: Float[Array, "A K"]) -> Float[Array, "K"]:
    """Return ``sum_a policy(a) raw(a)``."""
    chex.assert_rank([policy, raw], [1, 2])
    return jnp.sum(weighted(policy[:, None], raw), axis=0)


def check_example(
    outputs: int, raw_tm1: Array, r_t: Array, discount_t: Array, raw_t: Array
) -> None:
    """Raise unless the arguments of a loss are those of one example."""
    chex.assert_rank([r_t, discount_t], [0, 0])
    chex.assert_shape([raw_tm1, raw_t], (outputs,))


def make_expected(loss: Loss) -> Values:
    """Return the representation by the expected return itself, K = 1: ``y = r + discount * raw_t``,
    ``td_error = y - raw_tm1``, ``loss(td_error)``.

    Args:
        loss: of one TD error.

    Source: Mnih et al. 2015, algorithm 1.
    """

    def mean(raw: Float[Array, "*B 1"]) -> Float[Array, "*B"]:
        chex.assert_shape(raw, (..., 1))
        return raw[..., 0]

    def of(raw_tm1: Array, r_t: Array, discount_t: Array, raw_t: Array) -> tuple[Array, Array]:
        check_example(1, raw_tm1, r_t, discount_t, raw_t)
        td = backed_up(r_t, discount_t, raw_t[0]) - raw_tm1[0]
        return loss(td), td

    return Values(1, mean, lambda raw, x: raw + x[..., None], average, of)


def make_categorical(atoms: int, v_min: float, v_max: float) -> Values:
    """Return the representation by K logits of the probabilities of K returns ``z_i``, evenly
    spaced from ``v_min`` to ``v_max`` (C51 where K = 51).

    ::

        mean  sum_i softmax(raw)_i z_i
        lift  raw_i + x (z_i - mean z) / Var z
        mix   log sum_a policy(a) softmax(raw(a))
        loss  cross-entropy of m against softmax(raw_tm1),
              m the projection of r + discount * z under softmax(raw_t)
        td    KL(m || softmax(raw_tm1)), never negative: the priority of Rainbow

    ``lift`` is an exponential tilt: the mean grows with x, by x to first order where raw is even.

    Args:
        atoms: K, at least 2.
        v_min: lowest return of the grid, in the units of the reward.
        v_max: highest.

    Raises:
        InputError: as ``support``.

    Source: Bellemare, Dabney and Munos 2017, algorithm 1; Hessel et al. 2018, section "The
    Integrated Agent" (priority).
    """
    z = support(atoms, v_min, v_max)
    centred = z.astype(np.float64) - z.mean(dtype=np.float64)
    tilt = (centred / np.square(centred).mean()).astype(np.float32)

    def along(x: np.ndarray, raw: Array) -> Array:
        chex.assert_shape(raw, (..., atoms))
        return jnp.asarray(x).reshape((1,) * (raw.ndim - 1) + x.shape)

    def mean(raw: Float[Array, "*B K"]) -> Float[Array, "*B"]:
        # A sum of products, not a matrix product, which accelerators round to fewer digits.
        return jnp.sum(jax.nn.softmax(raw, axis=-1) * along(z, raw), axis=-1)

    def lift(raw: Float[Array, "*B K"], x: Float[Array, "*B"]) -> Float[Array, "*B K"]:
        return raw + x[..., None] * along(tilt, raw)

    def mix(policy: Float[Array, "A"], raw: Float[Array, "A K"]) -> Float[Array, "K"]:
        chex.assert_rank([policy, raw], [1, 2])
        held = (policy > 0)[:, None]
        log_policy = jnp.log(jnp.where(held, policy[:, None], 1.0))
        log_probs = jax.nn.log_softmax(jnp.where(held, raw, 0.0), axis=-1)
        mixed = jax.nn.logsumexp(log_policy + log_probs, axis=0, where=held)
        # With no action of positive probability the sum is empty and its logarithm minus infinity.
        return jnp.where(jnp.any(held), mixed, 0.0)

    def loss(raw_tm1: Array, r_t: Array, discount_t: Array, raw_t: Array) -> tuple[Array, Array]:
        check_example(atoms, raw_tm1, r_t, discount_t, raw_t)
        # Where the discount is 0 all atoms fall on r, so that any finite probabilities will do.
        probs = jax.nn.softmax(jnp.where(discount_t != 0, raw_t, 0.0))
        return categorical_loss(
            raw_tm1, project(backed_up(r_t, discount_t, jnp.asarray(z)), probs, jnp.asarray(z))
        )

    return Values(atoms, mean, lift, mix, loss)


def make_quantile(atoms: int, kappa: float) -> Values:
    """Return the representation by K equally likely quantiles of the return, at
    ``tau_i = (2 i + 1) / (2 K)`` (QR-DQN).

    ::

        mean  mean_i raw_i
        lift  raw + x
        mix   sum_a policy(a) raw(a), quantile by quantile
        loss  sum_i mean_j |tau_i - [u_ij < 0]| L_kappa(u_ij) / kappa,
              u_ij = r + discount * raw_t_j - raw_tm1_i
        td    mean_j (r + discount * raw_t_j) - mean_i raw_tm1_i

    The mixture keeps the mean and the number of quantiles; it averages the quantile functions, not
    the distributions.

    Args:
        atoms: K, at least 1.
        kappa: width of Huber's parabola; 0 is plain quantile regression.

    Raises:
        InputError: if one of them is out of range.

    Source: Dabney et al. 2018, algorithm 1; the mixture as in Vieillard, Pietquin and Geist 2020
    (Munchausen-IQN).
    """
    if atoms < 1:
        raise InputError(f"quantile values: atoms={atoms}: must be at least 1")
    if not 0 <= kappa < math.inf:
        raise InputError(f"quantile values: kappa={kappa}: must be finite and not negative")

    def mean(raw: Float[Array, "*B K"]) -> Float[Array, "*B"]:
        chex.assert_shape(raw, (..., atoms))
        return jnp.mean(raw, axis=-1)

    def loss(raw_tm1: Array, r_t: Array, discount_t: Array, raw_t: Array) -> tuple[Array, Array]:
        check_example(atoms, raw_tm1, r_t, discount_t, raw_t)
        y = backed_up(r_t, discount_t, raw_t)
        return quantile_huber(raw_tm1, y, kappa), jnp.mean(y) - jnp.mean(raw_tm1)

    return Values(atoms, mean, lambda raw, x: raw + x[..., None], average, loss)
