"""References that are given the true state: what there is to win, and what of it by looking ahead."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.baselines.scored import with_parameters
from lrdqn.baselines.simple import offered
from lrdqn.config import LiveConfig
from lrdqn.envs.live.outlook import make_outlook
from lrdqn.types import Policy, PyTree, View

MYOPIC_WEIGHTS = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""The next reward alone."""
PLANNER_WEIGHTS = (1.0, 1.22, 20.9, -0.3, -0.94, 0.09)
"""Found on the default world by ``benchmarks/acceptance_live.py``."""


def make_index(config: LiveConfig, weights: tuple[float, ...] = MYOPIC_WEIGHTS) -> Policy:
    """An index policy on hidden state: ``argmax_i w . E[reward, patience, satisfaction, loyalty, fatigue, minutes | offer i]``.

    Its state is the weights ``[6]``, in rewards per unit. With ``MYOPIC_WEIGHTS`` it is the privileged myopic policy; with
    weights found by search (``evaluate.search``) the first of the two planners that SIMULATOR's header names.

    Args:
        config: of the world that it is played in.
        weights: of the means (``envs.live.outlook.Outlook``).
    """
    outlook = make_outlook(config)

    def score(state: PyTree, view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        return jnp.tensordot(state, jnp.stack(outlook(*view.truth)), axes=1)

    return with_parameters(score, offered, lambda key: jnp.asarray(weights, jnp.float32), privileged=True)
