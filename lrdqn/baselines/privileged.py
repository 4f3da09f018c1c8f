"""Privileged references, which see the true state: the attainable return, and the part of it that
planning ahead gives."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.baselines.scored import with_parameters
from lrdqn.baselines.simple import offered
from lrdqn.baselines.slates import make_optimised
from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.expected_outcome import (
    ExpectedOutcome,
    make_expected_outcome,
    make_slate_outcome,
)
from lrdqn.types import Policy, PyTree, View

MYOPIC_WEIGHTS = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Weight on the next reward alone."""
PLANNER_WEIGHTS = (1.0, 1.22, 20.9, -0.3, -0.94, 0.09)
"""Found on the default world by ``benchmarks/acceptance_live.py``."""


def make_index(config: LiveConfig, weights: tuple[float, ...] = MYOPIC_WEIGHTS) -> Policy:
    """Build an index policy on hidden state:
    ``argmax_i w . E[reward, patience, satisfaction, loyalty, fatigue, minutes | offer i]``.

    Its state is the weights ``[6]``, in rewards per unit. With ``MYOPIC_WEIGHTS`` it is the
    privileged myopic policy; with weights found by search (``evaluation.cem``) it is the privileged
    planner.

    Args:
        config: of the world in which it is played.
        weights: of the means (``envs.live.expected_outcome.ExpectedOutcome``).
    """
    outlook = make_expected_outcome(config)

    def score(state: PyTree, view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        return jnp.tensordot(state, jnp.stack(outlook(*view.truth)), axes=1)

    return with_parameters(
        score, offered, lambda key: jnp.asarray(weights, jnp.float32), privileged=True
    )


def make_slate_index(
    config: LiveConfig, optimiser: str, weights: tuple[float, ...] = MYOPIC_WEIGHTS
) -> Policy:
    """Build an index policy on slates: the slate with the largest expected
    ``w . E[reward, patience, ... | what is watched]``.

    ``q_i = w . outlook(i is watched)``, ``q_0 = w . outlook(nothing is)``, and the weights v are
    the odds that each room is watched when shown alone. With ``MYOPIC_WEIGHTS`` and ``exact`` no
    full slate has a larger expected reward where the choice model is ``mnl`` or ``proportional``.
    Rooms are ordered by ``v (q - value of the slate)``: with ``position_mnl`` within 0.1 % of the
    best slate on average, with ``pbm``, ``bernoulli`` and ``cascade`` within 2 % (small worlds, 3
    of 8 rooms). State: w.

    Args:
        config: of the world in which it is played.
        optimiser: of ``ops.slates``.
        weights: as of ``make_index``.
    """
    prospects = make_slate_outcome(config)

    def worths(state: PyTree, view: View) -> tuple[Array, Array, Array, Array]:
        v, watched, nothing = prospects(*view.truth)

        def worth(outlook: ExpectedOutcome) -> Array:
            return jnp.tensordot(state, jnp.stack(outlook), axes=1)

        return v, jnp.ones_like(v[:, 0]), worth(watched), worth(nothing)

    return make_optimised(
        worths,
        optimiser,
        config.slate,
        lambda key: jnp.asarray(weights, jnp.float32),
        privileged=True,
    )
