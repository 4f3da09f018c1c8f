"""Long-term satisfaction ("choc and kale"): clickbait engages at once and wears satisfaction down.

Source: RECSIM section 3; Ie et al. 2019 (RecSim, arXiv 1909.04847), long-term satisfaction.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from lrdqn.envs.recsim.config import RecsimConfig, SatisfactionConfig
from lrdqn.envs.recsim.draws import cut, halves, normal, uniform, words_for
from lrdqn.envs.recsim.task import Answer, Documents, Response, Task, topics_of
from lrdqn.observations import DocumentObs

MOST_SEEN = 100.0
"""Engagement above this is not told in the observation; the reward has all of it."""


class Satisfied(NamedTuple):
    """N users; all of it hidden."""

    exposure: Float[Array, "N"]
    """Net positive exposure."""
    left: Int[Array, "N"]
    """Steps left."""


class SatisfactionDraws(NamedTuple):
    """Random numbers of a step: engagement and innovation (standard normal), a new user, clickbait
    on offer."""

    engagement: Float[Array, "N"]
    innovation: Float[Array, "N"]
    exposure: Float[Array, "N"]
    clickbait: Float[Array, "N C"]


def satisfaction(exposure: Float[Array, "N"], law: SatisfactionConfig) -> Float[Array, "N"]:
    """``SAT = sigmoid(sensitivity NPE)``."""
    return jax.nn.sigmoid(law.sensitivity * exposure)


def exposed(
    exposure: Float[Array, "N"],
    clickbait: Float[Array, "N"],
    noise: Float[Array, "N"],
    law: SatisfactionConfig,
) -> Float[Array, "N"]:
    """``NPE' = discount NPE - 2 (c - 1/2) + innovation noise``; the code's sign, not its
    docstring's (RECSIM section 3)."""
    return law.memory_discount * exposure - 2 * (clickbait - 0.5) + law.innovation * noise


def engaged(
    exposure: Float[Array, "N"],
    clickbait: Float[Array, "N"],
    noise: Float[Array, "N"],
    law: SatisfactionConfig,
) -> Float[Array, "N"]:
    """``exp(SAT (c choc + (1 - c) kale) + (c choc_sigma + (1 - c) kale_sigma) noise)``."""
    mean = clickbait * law.choc_mean + (1 - clickbait) * law.kale_mean
    sigma = clickbait * law.choc_sigma + (1 - clickbait) * law.kale_sigma
    return jnp.exp(satisfaction(exposure, law) * mean + sigma * noise)


def make_satisfaction(config: RecsimConfig, sessions: int) -> Task:
    """Build it. The first document of a slate is always watched; reward is engagement; a session
    lasts ``budget`` steps.

    Documents are told apart by their clickbait in [0, 1], which is seen and stands for their
    quality in responses.

    Args:
        config: validated by ``freeze``.
        sessions: N.
    """
    law, places = config.satisfaction, config.candidates

    def draw(key: PRNGKeyArray) -> SatisfactionDraws:
        own, documents = cut(key, sessions, (3, words_for(places)))
        noise = normal(own[:, :2])
        return SatisfactionDraws(
            noise[:, 0], noise[:, 1], uniform(own[:, 2:])[:, 0], halves(documents, places)
        )

    def begin(draws: SatisfactionDraws) -> Satisfied:
        return Satisfied(
            (draws.exposure - 0.5) / (1 - law.memory_discount),
            jnp.full(sessions, law.budget, jnp.int32),
        )

    def offer(draws: SatisfactionDraws) -> Documents:
        return Documents(jnp.zeros((sessions, places), jnp.int8), draws.clickbait[..., None])

    def respond(user: Satisfied, shown: Documents, draws: SatisfactionDraws) -> Answer:
        clickbait = shown.features[..., 0]
        engagement = engaged(user.exposure, clickbait[:, 0], draws.engagement, law)
        after = Satisfied(
            exposed(user.exposure, clickbait[:, 0], draws.innovation, law), user.left - 1
        )
        response = Response(
            jnp.zeros(sessions, jnp.int8), jnp.minimum(engagement, MOST_SEEN), clickbait
        )
        return Answer(after, response, engagement, after.left <= 0)

    def weights(obs: DocumentObs) -> tuple[Float[Array, "N C"], Float[Array, "N"]]:
        return jnp.ones(obs.topic.shape), jnp.zeros(obs.topic.shape[0])

    def see(user: Satisfied) -> Float[Array, "N 0"]:
        return jnp.zeros((user.exposure.shape[0], 0))

    return Task(draw, begin, offer, respond, see, topics_of(np.zeros((1, 0))), weights, 0.0)
