"""Policies that fill slates without learning: rankings, random slates, optimised slates, and
references of ``env=recsim``."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.baselines.scored import from_scores, with_parameters
from lrdqn.baselines.simple import offered
from lrdqn.envs.recsim.config import RecsimConfig
from lrdqn.envs.recsim.evolution import sampler_of, topic_quality
from lrdqn.envs.recsim.task import Task
from lrdqn.ops.slates import OPTIMISERS, as_action, best, random_slate
from lrdqn.types import EnvSpec, Policy, PyTree, View

RENEWAL_RATE = 1.396
"""Value of a minute of budget, in minutes watched, under the best renewal policy in RecSim's
interest evolution with default settings."""

Worths = Callable[[PyTree, View], tuple[Array, Array, Array, Array]]
"""``worths(state, view) -> v [B, A], v_0 [B], q [B, A], q_0 [B]``: weights of the candidates and of
"nothing", and their values."""


def as_slate(policy: Policy, slate: int) -> Policy:
    """Return the policy on slates: its ``slate`` best-scored candidates, best first; the policy
    itself where K is 1.

    It applies to policies whose ``act`` takes the best score and leaves the state as it is.
    """
    if slate == 1:
        return policy

    def act(state: PyTree, view: View, key: PRNGKeyArray) -> tuple[Array, PyTree]:
        return best(policy.scores(state, view, key), view.obs.mask, slate), state

    return policy._replace(act=act)


def make_random_slate(spec: EnvSpec) -> Policy:
    """Build the uniform policy over slates of the candidates on offer; its scores are random too,
    and not those of the slate."""

    def act(state: PyTree, view: View, key: PRNGKeyArray) -> tuple[Array, PyTree]:
        mask = view.obs.mask
        places = random_slate(jax.random.uniform(key, (mask.shape[0], spec.slate)), mask)
        return as_action(places), state

    return from_scores(
        lambda view, key: jax.random.uniform(key, view.obs.mask.shape), offered
    )._replace(act=act)


def make_optimised(
    worths: Worths,
    optimiser: str,
    slate: int,
    init: Callable[[PRNGKeyArray], PyTree] = lambda key: (),
    privileged: bool = False,
) -> Policy:
    """Build the policy that shows the slate found by an optimiser of ``ops.slates`` for given
    weights and values; scores are ``v (q - q_0)``.

    ``act`` gives ``[B, K]``, or ``[B]`` where K is 1.
    """

    def score(state: PyTree, view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        v, _, q, q_nothing = worths(state, view)
        return v * (q - q_nothing[:, None])

    def act(state: PyTree, view: View, key: PRNGKeyArray) -> tuple[Array, PyTree]:
        del key
        v, v_nothing, q, q_nothing = worths(state, view)
        places = OPTIMISERS[optimiser](v, q, view.obs.mask, v_nothing, q_nothing, slate)
        return as_action(places), state

    return with_parameters(score, offered, init, privileged)._replace(act=act)


def make_myopic(task: Task, slate: int, optimiser: str) -> Policy:
    """Build the policy with the most clicks on the next slate: the optimiser on the choice model's
    own weights, with value 1 of a click and 0 of nothing.

    With ``topk`` these are the ``slate`` most likely documents: the top K by interest in interest
    evolution. Source: Ie et al. 2019 (SlateQ), MYOP, here with the true choice model.
    """

    def worths(state: PyTree, view: View) -> tuple[Array, Array, Array, Array]:
        del state
        v, nothing = task.weights(view.obs)
        return v, nothing, jnp.ones_like(v), jnp.zeros_like(nothing)

    return make_optimised(worths, optimiser, slate)


def make_topic_ranking(config: RecsimConfig) -> Policy:
    """Build a static ranking by the mean quality of a document's topic, the same for all users
    (envs/recsim/README.md, section 1)."""
    quality = topic_quality(config.evolution.topics)
    return as_slate(
        from_scores(lambda view, key: jnp.asarray(quality)[view.obs.topic], offered), config.slate
    )


def make_renewal(config: RecsimConfig, task: Task, optimiser: str) -> Policy:
    """Build the renewal policy: reward plus the value of the remaining budget,
    ``x_c = l + rate l (gain mu_c - 1)``, of nothing ``-rate penalty``.

    Sessions are renewals: where a minute of budget is worth ``rate``, the best slate maximises the
    expected x. The policy knows the choice model and the topics' mean quality, and treats interests
    as constant. State: the rate.
    """
    own, quality = sampler_of(config), jnp.asarray(topic_quality(config.evolution.topics))

    def worths(rate: PyTree, view: View) -> tuple[Array, Array, Array, Array]:
        v, v_nothing = task.weights(view.obs)
        by_topic = own.length * (1 + rate * (own.budget_gain * quality - 1))
        return (
            v,
            v_nothing,
            by_topic[view.obs.topic],
            jnp.broadcast_to(-rate * own.step_penalty, v_nothing.shape),
        )

    return make_optimised(worths, optimiser, config.slate, lambda key: jnp.float32(RENEWAL_RATE))


def make_clickbait(slate: int, clickbait: float) -> Policy:
    """Build the policy that shows the documents whose clickbait is nearest to a constant (long-term
    satisfaction). State: the constant."""

    def score(state: PyTree, view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        return -jnp.abs(view.obs.features[..., 0] - state)

    return as_slate(with_parameters(score, offered, lambda key: jnp.float32(clickbait)), slate)
