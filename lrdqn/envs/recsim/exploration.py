"""Interest exploration: a user's type is hidden and shows only in clicks, and most users prefer the
topic of lower quality.

Source: Ie et al. 2019 (RecSim, arXiv 1909.04847), interest exploration; envs/recsim/README.md,
section 2.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, PRNGKeyArray

from lrdqn.envs.recsim.choice import CHOICES, ChoiceConstants
from lrdqn.envs.recsim.config import RecsimConfig
from lrdqn.envs.recsim.draws import cut, halves, normal, uniform, words_for
from lrdqn.envs.recsim.task import Answer, Documents, Response, Task, clicked_place, topics_of
from lrdqn.observations import DocumentObs

TOPICS = 2
AFFINITY_MEAN = np.array([[0.1, 0.7], [0.7, 0.1]], np.float32)
"""Mean log-affinity of each user type to each topic."""
QUALITY_MEAN = np.array([0.8, 0.2], np.float32)
"""Mean log-quality by topic."""


class Exploring(NamedTuple):
    """State of N users, which does not change; hidden."""

    affinity: Float[Array, "N 2"]


class ExplorationDraws(NamedTuple):
    """Random numbers of a step: the choice, a new user's type and affinities, topics and qualities
    on offer."""

    click: Float[Array, "N"]
    kind: Float[Array, "N"]
    affinity: Float[Array, "N 2"]
    """Standard normal."""
    topic: Float[Array, "N C"]
    quality: Float[Array, "N C"]
    """Standard normal."""


def expected_affinity(config: RecsimConfig) -> np.ndarray:
    """Return the mean affinity to each topic ``[2]`` over the population of users."""
    share = np.array([config.exploration.first_kind, 1 - config.exploration.first_kind])
    return (share @ np.exp(AFFINITY_MEAN + config.exploration.affinity_sigma**2 / 2)).astype(
        np.float32
    )


def make_exploration(config: RecsimConfig, sessions: int) -> Task:
    """Build interest exploration. A document's score is the user's affinity to its topic plus its
    quality, which is observed; reward is 1 per click; nothing terminates.

    ``weights`` takes the population's mean affinity, since the user's own is hidden.

    Args:
        config: validated by ``freeze``.
        sessions: N.
    """
    law, places = config.exploration, config.candidates
    choice, typical = CHOICES["mnl"](ChoiceConstants(law.no_click)), expected_affinity(config)

    def draw(key: PRNGKeyArray) -> ExplorationDraws:
        own, normals, topics = cut(key, sessions, (2, TOPICS + places, words_for(places)))
        luck, noise = uniform(own), normal(normals)
        return ExplorationDraws(
            luck[:, 0], luck[:, 1], noise[:, :TOPICS], halves(topics, places), noise[:, TOPICS:]
        )

    def begin(draws: ExplorationDraws) -> Exploring:
        mean = jnp.asarray(AFFINITY_MEAN)[(draws.kind >= law.first_kind).astype(jnp.int32)]
        return Exploring(jnp.exp(mean + law.affinity_sigma * draws.affinity))

    def offer(draws: ExplorationDraws) -> Documents:
        topic = (draws.topic >= law.first_topic).astype(jnp.int8)
        quality = jnp.exp(jnp.asarray(QUALITY_MEAN)[topic] + law.quality_sigma * draws.quality)
        return Documents(topic, quality[..., None])

    def respond(
        user: Exploring, shown: Documents, there: Bool[Array, "N K"], draws: ExplorationDraws
    ) -> Answer:
        quality = jnp.where(there, shown.features[..., 0], 0.0)
        scores = jnp.take_along_axis(user.affinity, shown.topic, axis=1) + quality
        scores = jnp.where(there, scores, -jnp.inf)
        clicked, _, told = clicked_place(draws.click, choice.chances(scores))
        response = Response(told, jnp.zeros(sessions), quality)
        return Answer(user, response, clicked.astype(jnp.float32), jnp.zeros(sessions, bool))

    def weights(obs: DocumentObs) -> tuple[Float[Array, "N C"], Float[Array, "N"]]:
        v = choice.weights(jnp.asarray(typical)[obs.topic] + obs.features[..., 0])
        return v, jnp.full(v.shape[0], choice.nothing)

    def see(user: Exploring) -> Float[Array, "N 0"]:
        return jnp.zeros((user.affinity.shape[0], 0))

    return Task(draw, begin, offer, respond, see, topics_of(np.eye(TOPICS)), weights, 0.0)
