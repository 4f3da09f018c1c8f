"""Long-term satisfaction ("choc and kale"): clickbait raises engagement at once and lowers
satisfaction over time.

Source: Ie et al. 2019 (RecSim, arXiv 1909.04847), long-term satisfaction; envs/recsim/README.md,
section 3.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from lrdqn.envs.recsim.config import RecsimConfig, SatisfactionConfig
from lrdqn.envs.recsim.draws import cut, halves, normal, uniform, words_for
from lrdqn.envs.recsim.task import Answer, Documents, Response, Task, topics_of
from lrdqn.observations import DocumentObs

MOST_SEEN = 100.0
"""Upper limit of the engagement in the observation; the reward is not limited."""


class Satisfied(NamedTuple):
    """State of N users; all of it hidden."""

    exposure: Float[Array, "N"]
    """Net positive exposure, NPE."""
    left: Int[Array, "N"]
    """Steps left."""


class SatisfactionDraws(NamedTuple):
    """Random numbers of a step: engagement and innovation (standard normal), a new user's exposure,
    clickbait on offer."""

    engagement: Float[Array, "N"]
    innovation: Float[Array, "N"]
    exposure: Float[Array, "N"]
    clickbait: Float[Array, "N C"]


def satisfaction(exposure: Float[Array, "N"], law: SatisfactionConfig) -> Float[Array, "N"]:
    """Return ``SAT = sigmoid(sensitivity NPE)``."""
    return jax.nn.sigmoid(law.sensitivity * exposure)


def exposed(
    exposure: Float[Array, "N"],
    clickbait: Float[Array, "N"],
    noise: Float[Array, "N"],
    law: SatisfactionConfig,
) -> Float[Array, "N"]:
    """Return the next exposure, ``NPE' = discount NPE - 2 (c - 1/2) + innovation noise``.

    The sign is that of RecSim's code; its docstring prints a plus (envs/recsim/README.md, section
    6).
    """
    return law.memory_discount * exposure - 2 * (clickbait - 0.5) + law.innovation * noise


def engaged(
    exposure: Float[Array, "N"],
    clickbait: Float[Array, "N"],
    noise: Float[Array, "N"],
    law: SatisfactionConfig,
) -> Float[Array, "N"]:
    """Return the engagement
    ``exp(SAT (c choc + (1 - c) kale) + (c choc_sigma + (1 - c) kale_sigma) noise)``."""
    mean = clickbait * law.choc_mean + (1 - clickbait) * law.kale_mean
    sigma = clickbait * law.choc_sigma + (1 - clickbait) * law.kale_sigma
    return jnp.exp(satisfaction(exposure, law) * mean + sigma * noise)


def make_satisfaction(config: RecsimConfig, sessions: int) -> Task:
    """Build long-term satisfaction. The first document of a slate is always watched; reward is its
    engagement; a session lasts ``budget`` steps.

    Documents differ in clickbait in [0, 1], which is observed and takes the place of quality in
    responses.

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

    def respond(
        user: Satisfied, shown: Documents, there: Bool[Array, "N K"], draws: SatisfactionDraws
    ) -> Answer:
        clickbait, consumed = jnp.where(there, shown.features[..., 0], 0.0), there[:, 0]
        engagement = engaged(user.exposure, clickbait[:, 0], draws.engagement, law)
        engagement = jnp.where(consumed, engagement, 0.0)
        exposure = exposed(user.exposure, clickbait[:, 0], draws.innovation, law)
        after = Satisfied(jnp.where(consumed, exposure, user.exposure), user.left - 1)
        place = jnp.where(consumed, 0, config.slate).astype(jnp.int8)
        response = Response(place, jnp.minimum(engagement, MOST_SEEN), clickbait)
        return Answer(after, response, engagement, after.left <= 0)

    def weights(obs: DocumentObs) -> tuple[Float[Array, "N C"], Float[Array, "N"]]:
        return jnp.ones(obs.topic.shape), jnp.zeros(obs.topic.shape[0])

    def see(user: Satisfied) -> Float[Array, "N 0"]:
        return jnp.zeros((user.exposure.shape[0], 0))

    return Task(draw, begin, offer, respond, see, topics_of(np.zeros((1, 0))), weights, 0.0)
