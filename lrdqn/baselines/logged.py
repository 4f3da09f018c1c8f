"""Policies that know what a platform's log tells (``env.log.*``): content ranking by profile,
greedy ranking by supervised predictions, and index policies on estimates of the hidden state.

The constants turn the columns of the catalogue into such estimates; they are regressions on the
truth of ten default worlds.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.baselines.privileged import MYOPIC_WEIGHTS
from lrdqn.baselines.scored import from_scores, with_parameters
from lrdqn.baselines.simple import offered
from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.env import LiveState
from lrdqn.envs.live.expected_outcome import make_expected_outcome
from lrdqn.envs.live.world import LiveParams
from lrdqn.networks.live_features import live_features
from lrdqn.observations import Catalogue, LiveObs
from lrdqn.ops.history import history_evidence
from lrdqn.types import Policy, PyTree, View

INTEREST = (0.189, 0.131, 0.167)
"""Coefficients of logged taste, of all watches of the history, and of its stays: they explain 0.72
of an interest's product with a style."""
CATEGORY_BIAS = 0.125
SKILL = (0.39, 0.02, 0.13, -0.10, 0.10, 0.09, 0.02, 0.26)
HOOK = (0.29, 0.01, 0.08, 0.16, -0.15, -0.10, -0.05, 0.45)
"""Coefficients of the columns of a streamer's record; they explain 0.33 and 0.45."""
OBSERVABLE_PLANNER_WEIGHTS = (1.0, 0.73, 4.94, 0.93, -0.16, 0.01)
"""As ``PLANNER_WEIGHTS``, found by cross-entropy search (``evaluation.cem``) on six default worlds
for what these estimates show."""
AFFINITY_SCALE = 4.8
"""Weight of an interest's product with a style beside a category bias: utility counts the
standardised product 1.2 times, and that is 4 times the product."""


def estimated_interest(obs: LiveObs, catalogue: Catalogue) -> Float[Array, "N d"]:
    """Return the interest that log and history let expect."""
    width = catalogue.style.shape[1]
    parts = (
        catalogue.taste[obs.user][:, :width],
        *history_evidence(catalogue.style, obs.history, obs.history_watch),
    )
    return sum((a * part for a, part in zip(INTEREST, parts, strict=True)), jnp.zeros(()))


def estimated_bias(obs: LiveObs, catalogue: Catalogue) -> Float[Array, "N G"]:
    """Return the category bias that the log lets expect."""
    return CATEGORY_BIAS * catalogue.taste[obs.user][:, catalogue.style.shape[1] :]


def make_profile() -> Policy:
    """Build content ranking by profile: the room whose style and category are nearest to the taste
    estimated from the platform's log and the user's history."""

    def score(view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        obs, catalogue = view.obs, view.catalogue
        interest, bias = estimated_interest(obs, catalogue), estimated_bias(obs, catalogue)
        near = jnp.einsum("nd,ncd->nc", interest, catalogue.style[obs.candidates])
        usual = jnp.einsum("ng,ncg->nc", bias, catalogue.category[obs.candidates])
        return AFFINITY_SCALE * near + usual

    return from_scores(score, offered)


def make_predicted(column: int) -> Policy:
    """Build the policy that is greedy on a prediction supervised on the platform's log
    (``envs.live.log.predictions``).

    Column 0 is the reward of the request, the usual way to rank; column 1 is the return of the
    session from there on under the logging policy: one step of policy improvement, without a
    session played.
    """

    def score(view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        return live_features(view.obs, view.catalogue).predicted[..., column]

    return from_scores(score, offered)


def believed(view: View) -> tuple[LiveState, LiveParams]:
    """Return state and world with estimates in place of interest, category bias, skill and hook;
    highlights are not seen."""
    state, world = view.truth
    obs, catalogue = view.obs, view.catalogue
    session = state.session._replace(
        interest=estimated_interest(obs, catalogue), category_bias=estimated_bias(obs, catalogue)
    )
    streamers = world.streamers._replace(
        skill=catalogue.record @ jnp.asarray(SKILL), hook=catalogue.record @ jnp.asarray(HOOK)
    )
    none = jnp.zeros_like(world.law.highlight)
    law = world.law._replace(highlight=none, reaction_highlight=none)
    return state._replace(session=session), world._replace(streamers=streamers, law=law)


def make_observable_index(
    config: LiveConfig, weights: tuple[float, ...] = MYOPIC_WEIGHTS
) -> Policy:
    """Build the index policy of ``privileged.make_index`` on what can be known of users' tastes and
    streamers' qualities: the observable ceiling of a policy, greedy or planning.

    It knows the laws, and the user's present patience, satisfaction, fatigue and free time, whose
    hiding costs an index next to nothing. State: the weights ``[6]``.

    Args:
        config: of the world, with a log and ``env.content=exact``.
        weights: as of ``make_index``.
    """
    outlook = make_expected_outcome(config)

    def score(state: PyTree, view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        return jnp.tensordot(state, jnp.stack(outlook(*believed(view))), axes=1)

    return with_parameters(
        score, offered, lambda key: jnp.asarray(weights, jnp.float32), privileged=True
    )
