"""Distributions as equally likely quantiles, and the quantile regression loss. The functions take
one example; callers ``vmap`` them."""

from __future__ import annotations

import chex
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from lrdqn.ops.losses import huber


def midpoints(k: int) -> np.ndarray:
    """Return ``tau_i = (2 i + 1) / (2 k)``, ``[k]`` in float32, as a numpy array: the quantiles
    that k equal weights represent best.

    Source: Dabney et al. 2018, lemma 2 (the minimiser of the Wasserstein-1 distance).
    """
    return ((2 * np.arange(k) + 1) / (2 * k)).astype(np.float32)


def quantile_huber(
    theta: Float[Array, "K"], y: Float[Array, "L"], kappa: float
) -> Float[Array, ""]:
    """Return ``sum_i mean_j |tau_i - [u_ij < 0]| L_kappa(u_ij) / kappa`` with
    ``u_ij = y_j - theta_i`` and ``tau = midpoints(K)``.

    ``L_kappa`` is Huber's loss. Divided by kappa, its slope for large errors is 1 for every kappa.
    For kappa -> 0 it becomes ``|u|``, plain quantile regression, whose minimiser is the
    tau_i-quantile of y.

    Args:
        theta: predicted quantiles ``[K]``.
        y: equally likely samples of the target ``[L]``.
        kappa: width of the parabola, in the units of y; static; 0 is plain quantile regression.

    Source: Dabney et al. 2018, equations 9 and 10 and algorithm 1; divided by kappa as in Dabney et
    al. 2018 (IQN), equation 3.
    """
    chex.assert_rank([theta, y], [1, 1])
    u = y[None, :] - theta[:, None]
    size = jnp.abs(u) if kappa == 0 else huber(u, kappa) / kappa
    weight = jnp.abs(midpoints(theta.shape[0])[:, None] - (u < 0).astype(u.dtype))
    return jnp.sum(jnp.mean(weight * size, axis=1))
