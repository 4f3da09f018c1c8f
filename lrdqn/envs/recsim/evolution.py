"""Interest evolution: watching moves interests and uses up the time budget, and documents of high
quality return part of it.

Source: Ie et al. 2019 (RecSim, arXiv 1909.04847), interest evolution; Ie et al. 2019 (SlateQ, arXiv
1905.12767); envs/recsim/README.md, section 1.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, PRNGKeyArray

from lrdqn.envs.recsim.choice import CHOICES, Choice, ChoiceConstants
from lrdqn.envs.recsim.config import RecsimConfig
from lrdqn.envs.recsim.draws import cut, halves, normal, one_of, uniform, words_for
from lrdqn.envs.recsim.task import Answer, Documents, Response, Task, at, clicked_place, topics_of
from lrdqn.observations import DocumentObs

QUALITY_RANGE, QUALITY_SIGMA = 3.0, 0.1
TRASHY_SHARE = 0.7
INTEREST_STEP = 0.3
"""Largest share of the distance to a document by which one watch moves an interest."""
LENGTH_SIGMA, LONGEST = 1.0, 100.0


class Evolving(NamedTuple):
    """State of N users."""

    interest: Float[Array, "N T"]
    budget: Float[Array, "N"]
    """Minutes left; hidden."""


class EvolutionDraws(NamedTuple):
    """Random numbers of a step: the choice, the direction in which interests move, qualities, a
    length, a new user, documents. Uniform where nothing else is said."""

    click: Float[Array, "N"]
    up: Float[Array, "N"]
    quality: Float[Array, "N K"]
    """Standard normal."""
    length: Float[Array, "N"]
    """Standard normal."""
    interest: Float[Array, "N T"]
    documents: Float[Array, "N D"]


class Sampler(NamedTuple):
    """Constants that differ by ``env.sampler``; each can be set by the key
    ``env.evolution.<name>``."""

    budget: float
    step_penalty: float
    budget_gain: float
    length: float
    attention: float


SAMPLERS = {
    "utility": Sampler(200.0, 0.5, 0.9 / 3.4, 4.0, 0.65),
    "features": Sampler(30.0, 1.0, 0.0, 4.3, 0.9),
}


def sampler_of(config: RecsimConfig) -> Sampler:
    """Return the sampler's constants, replaced by those that the config sets."""
    own = SAMPLERS[config.sampler]
    given = {name: getattr(config.evolution, name) for name in own._fields}
    return own._replace(**{name: value for name, value in given.items() if value is not None})


def choice_of(config: RecsimConfig) -> Choice:
    """Return the choice model of interest evolution; ``auto`` is proportional."""
    e = config.evolution
    name = "proportional" if config.choice_model == "auto" else config.choice_model
    return CHOICES[name](
        ChoiceConstants(e.no_click, e.floor, sampler_of(config).attention, e.score_scaling)
    )


def topic_quality(topics: int) -> np.ndarray:
    """Return the mean quality of each topic ``[T]``: seven tenths of the topics evenly over [-3,
    0], the others over [0, 3]."""
    trashy = round(TRASHY_SHARE * topics)
    low, high = (
        np.linspace(-QUALITY_RANGE, 0, trashy),
        np.linspace(0, QUALITY_RANGE, topics - trashy),
    )
    return np.concatenate([low, high]).astype(np.float32)


def shifted(
    interest: Float[Array, "N T"], document: Float[Array, "N T"], u: Float[Array, "N"]
) -> Float[Array, "N T"]:
    """Return interests after a watch, ``I +- 0.3 (1 - |I|) d (d - I)`` clipped to [-1, 1], with
    plus at probability ``d . (I + 1) / 2``.

    Args:
        interest: I.
        document: d.
        u: uniforms in (0, 1) that decide the sign.

    Source: envs/recsim/README.md, section 1.
    """
    step = INTEREST_STEP * (1 - jnp.abs(interest)) * document * (document - interest)
    up = u < jnp.sum(document * (interest + 1) / 2, axis=1)
    return jnp.clip(interest + jnp.where(up[:, None], step, -step), -1.0, 1.0)


def spent(
    budget: Float[Array, "N"],
    clicked: Bool[Array, "N"],
    watch: Float[Array, "N"],
    quality: Float[Array, "N"],
    s: Sampler,
) -> Float[Array, "N"]:
    """Return the minutes left: ``B - w + gain w q`` after a watch, ``B - penalty`` without one.
    Source: envs/recsim/README.md, section 1."""
    return budget + jnp.where(clicked, watch * (s.budget_gain * quality - 1), -s.step_penalty)


def make_evolution(config: RecsimConfig, sessions: int) -> Task:
    """Build interest evolution. Reward is the watch time of the clicked document in minutes; a
    session terminates when its budget is used up.

    With ``sampler=features`` documents are uniform in ``[-1, 1]^T``, their length is
    ``N(length, 1)`` and their quality 1. Quality and length are hidden before the response, and
    documents are replaced after each step, so both are drawn only for the documents that are shown.

    Args:
        config: validated by ``freeze``.
        sessions: N.
    """
    topics, places, slate, sampler = (
        config.evolution.topics,
        config.candidates,
        config.slate,
        sampler_of(config),
    )
    choice, plain = choice_of(config), config.sampler == "utility"
    mean_quality = topic_quality(topics)
    numbers = places if plain else places * topics
    widths = (2 + (slate if plain else 1), words_for(topics), words_for(numbers))

    def draw(key: PRNGKeyArray) -> EvolutionDraws:
        own, user, documents = cut(key, sessions, widths)
        luck, noise = uniform(own[:, :2]), normal(own[:, 2:])
        return EvolutionDraws(
            luck[:, 0],
            luck[:, 1],
            noise,
            noise[:, 0],
            halves(user, topics),
            halves(documents, numbers),
        )

    def begin(draws: EvolutionDraws) -> Evolving:
        return Evolving(2 * draws.interest - 1, jnp.full(sessions, sampler.budget))

    def offer(draws: EvolutionDraws) -> Documents:
        if plain:
            return Documents(one_of(draws.documents, topics), jnp.zeros((sessions, places, 0)))
        features = (2 * draws.documents - 1).reshape(sessions, places, topics)
        return Documents(jnp.zeros((sessions, places), jnp.int8), features)

    def scores(interest: Float[Array, "N T"], documents: Documents) -> Float[Array, "N C"]:
        if plain:
            return jnp.take_along_axis(interest, documents.topic, axis=1)
        return jnp.einsum("nt,nct->nc", interest, documents.features)

    def respond(
        user: Evolving, shown: Documents, there: Bool[Array, "N K"], draws: EvolutionDraws
    ) -> Answer:
        score = jnp.where(there, scores(user.interest, shown), -jnp.inf)
        clicked, place, told = clicked_place(draws.click, choice.chances(score))
        if plain:
            watched = (jnp.arange(topics)[None] == at(place, shown.topic)[:, None]).astype(
                jnp.float32
            )
            quality = jnp.asarray(mean_quality)[shown.topic] + QUALITY_SIGMA * draws.quality
            length = jnp.full(sessions, sampler.length)
        else:
            watched, quality = at(place, shown.features), jnp.ones((sessions, slate))
            length = jnp.minimum(sampler.length + LENGTH_SIGMA * draws.length, LONGEST)
        quality = jnp.where(there, quality, 0.0)
        watch = jnp.where(clicked, jnp.minimum(user.budget, length), 0.0)
        interest = jnp.where(
            clicked[:, None], shifted(user.interest, watched, draws.up), user.interest
        )
        budget = spent(user.budget, clicked, watch, at(place, quality), sampler)
        return Answer(
            Evolving(interest, budget), Response(told, watch, quality), watch, budget <= 0
        )

    def weights(obs: DocumentObs) -> tuple[Float[Array, "N C"], Float[Array, "N"]]:
        v = choice.weights(scores(obs.user, Documents(obs.topic, obs.features)))
        return v, jnp.full(v.shape[0], choice.nothing)

    content = np.eye(topics) if plain else np.zeros((1, 0))
    return Task(
        draw, begin, offer, respond, lambda user: user.interest, topics_of(content), weights, 60.0
    )
