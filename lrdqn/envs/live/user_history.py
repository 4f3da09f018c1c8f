"""Simulated past of a synthetic population: watches and loyalties before the first session."""

from __future__ import annotations

import numpy as np

from lrdqn.envs.live.affinity import pair_affinity, pair_utility, standard_popularity
from lrdqn.envs.live.config import LiveConfig
from lrdqn.envs.live.population_arrays import Population
from lrdqn.observations import Reaction

PAST_PICKS, PAST_CHOICES = 24, 16
"""Watches simulated before the first session, and streams from which each is chosen."""


def simulate_history(
    population: Population, config: LiveConfig, rng: np.random.Generator
) -> Population:
    """Return the population with histories and loyalties of watches under
    ``softmax(2 a + 0.5 L)``.

    Only the last ``PAST_PICKS`` of a user's watches are simulated; a user with fewer has a short
    history. Source: envs/live/README.md, section 2 (design).
    """
    law, (u, n) = config.law, (len(population.interest), len(population.style))
    users = np.arange(u)[:, None]
    choices = rng.integers(0, n, (u, PAST_PICKS, PAST_CHOICES))
    score = 2.0 * np.stack(
        [pair_affinity(population, users, choices[:, i]) for i in range(PAST_PICKS)], axis=1
    )
    score += 0.5 * standard_popularity(population.log_popularity[choices]) + rng.gumbel(
        size=choices.shape
    )
    pick = np.take_along_axis(choices, score.argmax(axis=2)[..., None], axis=2)[..., 0]
    utility = (
        pair_utility(population, law, users, pick) - population.utility_mean
    ) / population.utility_scale
    stays = rng.random(pick.shape) < 1 / (
        1 + np.exp(-(law.engage_bias + law.engage_slope * utility))
    )
    noise = rng.normal(size=pick.shape)
    bounce = law.bounce_median * np.exp(law.bounce_sigma * noise)
    watch = np.where(stays, law.dwell_median * np.exp(law.dwell_sigma * noise), bounce)
    minutes = watch / 60
    reaction = sum(
        bit * (rng.random(pick.shape) < 1 - np.exp(-rate * minutes))
        for bit, rate in (
            (Reaction.LIKE, law.like_rate),
            (Reaction.COMMENT, law.comment_rate),
            (Reaction.GIFT, law.gift_rate),
        )
    )

    seen = np.minimum(population.interactions, PAST_PICKS)
    lived = np.arange(PAST_PICKS)[None] < seen[:, None]
    h = min(config.history, PAST_PICKS)
    history = np.full((u, config.history), n, np.int32)
    history_watch, history_reaction = (
        np.zeros_like(population.history_watch),
        np.zeros_like(population.history_reaction),
    )
    history[:, :h] = np.where(lived, pick, n)[:, :h]
    history_watch[:, :h] = np.where(lived, watch, 0)[:, :h]
    history_reaction[:, :h] = np.where(lived, reaction, 0)[:, :h]

    slots = config.loyalty_slots
    # a streamer picked twice takes one slot
    again = np.tril(pick[:, :, None] == pick[:, None, :], -1).any(axis=2)
    pull = np.where(
        lived & stays & ~again, np.minimum(watch / 600, 1.0) + 1e-3 * rng.random(pick.shape), -1.0
    )
    best = np.argsort(-pull, axis=1)[:, :slots]
    g = np.take_along_axis(pull, best, axis=1)
    visits = 1 + rng.poisson(1.5, g.shape)
    strength = np.where(g > 0, 1 - (1 - law.loyalty_gain * np.clip(g, 0, 1)) ** visits, 0.0)
    loyalty = np.where(g > 0, np.take_along_axis(pick, best, axis=1), n)
    hours = 24.0 * rng.integers(1, 6, g.shape) + rng.normal(0, 2, g.shape)
    return population._replace(
        history=history,
        history_watch=history_watch.astype(np.float32),
        history_reaction=history_reaction.astype(np.int32),
        loyalty=loyalty.astype(np.int32),
        loyalty_strength=strength.astype(np.float32),
        loyalty_hours=np.maximum(hours, 1.0).astype(np.float32),
        followed=(g > 0) & (rng.random(g.shape) < 0.25 * strength),
    )
