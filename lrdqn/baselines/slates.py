"""Policies that fill slates without learning: random ones, and references of ``env=recsim``."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from lrdqn.config import RecsimConfig
from lrdqn.envs.recsim.evolution import sampler_of, topic_quality
from lrdqn.envs.recsim.task import Task
from lrdqn.ops.masking import masked
from lrdqn.ops.slates import OPTIMISERS, best, random_slate
from lrdqn.types import EnvSpec, Policy, PyTree, TimeStep, View

RENEWAL_RATE = 1.396
"""What a minute of budget is worth, in minutes watched, under the best such policy of the default world (RECSIM section 1)."""

Score = Callable[[PyTree, View, PRNGKeyArray], Float[Array, "B A"]]


def from_ranking(score: Score, slate: int, init: Callable[[PRNGKeyArray], PyTree] = lambda key: ()) -> Policy:
    """The ``slate`` best-scored candidates on offer; ``score(state, view, key) -> [B, A]``. The state never changes."""
    return with_slates(score, lambda state, view, scores: best(scores, view.obs.mask, slate), slate, init)


def with_slates(
    score: Score,
    fill: Callable[[PyTree, View, Array], Array],
    slate: int,
    init: Callable[[PRNGKeyArray], PyTree] = lambda key: (),
) -> Policy:
    """A policy that makes slates of scores: ``fill(state, view, scores) -> places [B, K]``.

    ``act`` gives ``[B, K]``, or ``[B]`` where K is 1.
    """

    def scores(state: PyTree, view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        return masked(score(state, view, key), view.obs.mask)

    def act(state: PyTree, view: View, key: PRNGKeyArray) -> tuple[Array, PyTree]:
        places = fill(state, view, score(state, view, key))
        return places[:, 0] if slate == 1 else places, state

    def observe(state: PyTree, timestep: TimeStep) -> PyTree:
        del timestep
        return state

    return Policy(init, scores, act, observe)


def make_random_slate(spec: EnvSpec) -> Policy:
    """Uniform over the slates of what is on offer; its scores are random too, and not those of the slate."""

    def act(state: PyTree, view: View, key: PRNGKeyArray) -> tuple[Array, PyTree]:
        mask = view.obs.mask
        places = random_slate(jax.random.uniform(key, (mask.shape[0], spec.slate)), mask)
        return places[:, 0] if spec.slate == 1 else places, state

    return from_ranking(lambda state, view, key: jax.random.uniform(key, view.obs.mask.shape), spec.slate)._replace(act=act)


def make_myopic(task: Task, slate: int, optimiser: str) -> Policy:
    """Most clicks on the next slate: the optimiser on the choice model's own weights, every click being worth 1 and nothing 0.

    With ``topk`` these are the ``slate`` likeliest documents, top-K by interest in interest evolution. Source: Ie et al. 2019
    (SlateQ), MYOP, here with the true choice model.
    """

    def fill(state: PyTree, view: View, scores: Array) -> Array:
        del state
        v, nothing = task.weights(view.obs)
        return OPTIMISERS[optimiser](v, jnp.ones_like(scores), view.obs.mask, nothing, jnp.zeros_like(nothing), slate)

    return with_slates(lambda state, view, key: task.weights(view.obs)[0], fill, slate)


def make_topic_ranking(config: RecsimConfig) -> Policy:
    """A static ranking: by the mean quality of a document's topic, whoever the user is (RECSIM section 1)."""
    quality = topic_quality(config.evolution.topics)
    return from_ranking(lambda state, view, key: jnp.asarray(quality)[view.obs.topic], config.slate)


def make_renewal(config: RecsimConfig, task: Task, optimiser: str) -> Policy:
    """Reward plus the worth of the budget that is left: ``x_c = l + rate l (gain mu_c - 1)``, of nothing ``-rate penalty``.

    Sessions are renewals: where a minute of budget is worth ``rate``, the best slate maximises the expected x. It sees how
    users choose and the topics' mean quality, and takes interests as if they stood still. State: the rate.
    """

    own, quality = sampler_of(config), jnp.asarray(topic_quality(config.evolution.topics))

    def values(rate: PyTree, view: View) -> tuple[Array, Array]:
        by_topic = own.length * (1 + rate * (own.budget_gain * quality - 1))
        return by_topic[view.obs.topic], -rate * own.step_penalty

    def score(state: PyTree, view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        worth, nothing = values(state, view)
        return task.weights(view.obs)[0] * (worth - nothing)

    def fill(state: PyTree, view: View, scores: Array) -> Array:
        del scores
        (v, v_nothing), (worth, nothing) = task.weights(view.obs), values(state, view)
        return OPTIMISERS[optimiser](
            v, worth, view.obs.mask, v_nothing, jnp.broadcast_to(nothing, v_nothing.shape), config.slate
        )

    return with_slates(score, fill, config.slate, lambda key: jnp.float32(RENEWAL_RATE))


def make_clickbait(slate: int, clickbait: float) -> Policy:
    """The documents whose clickbait is nearest to a constant (long-term satisfaction). State: the constant."""

    def score(state: PyTree, view: View, key: PRNGKeyArray) -> Float[Array, "B A"]:
        del key
        return -jnp.abs(view.obs.features[..., 0] - state)

    return from_ranking(score, slate, lambda key: jnp.float32(clickbait))
