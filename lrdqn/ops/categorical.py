"""Categorical distributions over a fixed grid of returns: the grid, the projection onto it and the
loss. The functions take one example; callers ``vmap`` them."""

from __future__ import annotations

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from lrdqn.config import InputError
from lrdqn.ops.returns import weighted


def support(atoms: int, v_min: float, v_max: float) -> np.ndarray:
    """Return the grid ``z_i = v_min + i (v_max - v_min) / (atoms - 1)``, ``[atoms]`` in float32, as
    a numpy array.

    Args:
        atoms: at least 2.
        v_min: lowest return.
        v_max: highest return.

    Raises:
        InputError: if there are fewer than 2 atoms, the ends are not finite or not in order, or
            float32 cannot tell neighbouring atoms apart.

    Source: Bellemare, Dabney and Munos 2017, section 4.1.
    """
    if atoms < 2:
        raise InputError(f"categorical values: atoms={atoms}: must be at least 2")
    if not (math.isfinite(v_min) and math.isfinite(v_max) and v_min < v_max):
        raise InputError(
            f"categorical values: v_min={v_min}, v_max={v_max}: "
            "must be finite, the first below the second"
        )
    with np.errstate(over="ignore"):
        z = np.linspace(v_min, v_max, atoms).astype(np.float32)
    if not (np.isfinite(z).all() and (z[1:] > z[:-1]).all()):
        raise InputError(
            f"categorical values: {atoms} atoms from {v_min} to "
            f"{v_max} are not distinct numbers in float32"
        )
    return z


def project(
    z_p: Float[Array, "M"], probs: Float[Array, "M"], z_q: Float[Array, "K"]
) -> Float[Array, "K"]:
    """Project ``sum_j probs_j delta(z_p_j)`` onto the grid ``z_q``: return the nearest distribution
    on it in the Cramer distance.

    ::

        m_i = sum_j probs_j h_i(clip(z_p_j, z_q_0, z_q_K))
        h_i = the triangle with top 1 at z_q_i and feet at its neighbours

    Neighbouring triangles sum to 1 everywhere, so probability mass is kept, also that of an atom
    exactly on the grid, and so is the mean of the mass between the ends. The sum needs no scatter:
    it is an outer difference and two reductions. An atom that is not finite gives NaN instead of
    being clipped, so that a broken reward is detected downstream and not learnt as an end of the
    grid.

    Args:
        z_p: positions of the atoms, in any order ``[M]``.
        probs: their probabilities ``[M]``.
        z_q: the grid, increasing, at least 2 points ``[K]``.

    Source: Bellemare et al. 2017, equation 7 (and algorithm 1); Rowland et al. 2018 (it is the
    Cramer projection).
    """
    chex.assert_rank([z_p, probs, z_q], [1, 1, 1])
    chex.assert_equal_shape([z_p, probs])
    inside = jnp.where(jnp.isfinite(z_p), jnp.clip(z_p, z_q[0], z_q[-1]), jnp.nan)
    gap = inside[:, None] - z_q[None, :]
    # Divide by the grid's own steps, not by their mean: an atom on the grid is then at a distance
    # of exactly 0 or 1 from every grid point next to it.
    step = z_q[1:] - z_q[:-1]
    right, left = jnp.concatenate([step, step[-1:]]), jnp.concatenate([step[:1], step])
    distance = jnp.abs(gap) / jnp.where(gap > 0, right[None, :], left[None, :])
    return jnp.sum(probs[:, None] * jnp.maximum(1 - distance, 0.0), axis=0)


def categorical_loss(
    logits: Float[Array, "K"], target: Float[Array, "K"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return ``-sum_i target_i log p_i`` with ``p = softmax(logits)``, and ``KL(target || p)``,
    which has the same gradient.

    Args:
        logits: of the prediction ``[K]``.
        target: probabilities ``[K]``; no gradient flows into them.

    Returns:
        The loss, and the divergence, which is at least 0, and 0 where the prediction equals the
        target.

    Source: Bellemare et al. 2017, algorithm 1; for the divergence as a priority Hessel et al. 2018,
    section "The Integrated Agent".
    """
    chex.assert_rank([logits, target], [1, 1])
    chex.assert_equal_shape([logits, target])
    target = jax.lax.stop_gradient(target)
    log_probs = jax.nn.log_softmax(logits)
    # Sum the differences term by term: the difference of two sums would lose the digits of a small
    # divergence.
    divergence = jnp.sum(weighted(target, jnp.log(jnp.where(target == 0, 1.0, target)) - log_probs))
    return -jnp.sum(weighted(target, log_probs)), jnp.maximum(divergence, 0.0)
