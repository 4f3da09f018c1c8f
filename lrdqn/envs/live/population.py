"""Synthetic populations: users and streamers drawn from published marginals.

Source: envs/live/README.md, section 2.
"""

from __future__ import annotations

import numpy as np

from lrdqn.envs.live.affinity import (
    POPULARITY_MU,
    POPULARITY_SIGMA,
    Floats,
    pair_utility,
    standard_popularity,
)
from lrdqn.envs.live.config import LiveConfig, UserLawConfig
from lrdqn.envs.live.daily_patterns import draw_habits
from lrdqn.envs.live.population_arrays import Population
from lrdqn.envs.live.user_history import simulate_history

ANSWERS = (5, 4, 3)
"""Sizes of the onboarding questions: age band, city tier, device."""


def unit(x: Floats) -> Floats:
    """Return rows scaled to length 1."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def freeze_affinity(population: Population) -> Population:
    """Return the population with m_a, s_a: mean and sd of ``theta_u . e_i`` over all pairs."""
    dot = population.interest @ population.style.T
    return population._replace(
        affinity_mean=np.float32(dot.mean()), affinity_scale=np.float32(dot.std())
    )


def freeze_utility(
    population: Population, law: UserLawConfig, rng: np.random.Generator, pairs: int = 200_000
) -> Population:
    """Return the population with m_V, s_V: mean and sd of the raw utility over random fresh
    pairs."""
    user = rng.integers(0, len(population.interest), pairs)
    streamer = rng.integers(0, len(population.style), pairs)
    raw = pair_utility(population, law, user, streamer)
    return population._replace(
        utility_mean=np.float32(raw.mean()), utility_scale=np.float32(raw.std())
    )


def sample_population(
    config: LiveConfig,
    rng: np.random.Generator,
    streamers: int | None = None,
    users: int | None = None,
    style: int | None = None,
    categories: int | None = None,
) -> Population:
    """Draw a population of ``config``'s sizes, or of the sizes given (to complete a real log).

    New streamers arrive as a Poisson process of rate r, ``new_streamers``: of the streamers of D
    days, a share ``r D / (1 + r D)`` makes a debut, at a uniform instant. A share ``new_users`` of
    users has just joined, with fewer than ``COLD_INTERACTIONS`` watches.

    Returns:
        Host arrays; types and shapes as in ``population_arrays.AXES``.
    """
    n, u = streamers or config.streamers, users or config.users
    d, g = style or config.style, categories or config.categories

    centre = unit(rng.normal(size=(g, d)))
    category = rng.choice(g, size=n, p=rng.dirichlet(np.full(g, 4.0)))
    styles = unit(0.6 * centre[category] + 0.8 * unit(rng.normal(size=(n, d))))
    popularity = rng.normal(size=n)
    skill = 0.3 * popularity + np.sqrt(0.91) * rng.normal(size=n)
    topics = rng.normal(size=(d, config.tags)) * 3.0
    tag_score = styles @ topics + rng.gumbel(size=(n, config.tags))
    tags = tag_score >= np.sort(tag_score, axis=1)[:, [-min(3, config.tags)]]

    liked = rng.choice(g, size=(u, 2))
    interest = unit(
        0.6 * (centre[liked[:, 0]] + 0.5 * centre[liked[:, 1]])
        + 0.8 * unit(rng.normal(size=(u, d)))
    )
    habits = draw_habits(config.new_users, rng, u)
    phase = config.schedule.phase_hours * rng.normal(size=g)
    grown = config.new_streamers * config.schedule.days
    debut = np.where(
        rng.random(n) < grown / (1 + grown), 24 * config.schedule.days * rng.random(n), 0.0
    )

    population = Population(
        style=styles.astype(np.float32),
        category=np.eye(g, dtype=np.float32)[category],
        tags=tags.astype(np.float32),
        log_popularity=(POPULARITY_MU + POPULARITY_SIGMA * popularity).astype(np.float32),
        skill=skill.astype(np.float32),
        hook=draw_hook(popularity, rng),
        room_rate=np.clip(rng.gamma(3.0, config.schedule.rooms_per_day / 3.0, n), 0.1, 6.0).astype(
            np.float32
        ),
        start_hour=sample_start_hour(config, rng, phase[category]).astype(np.float32),
        debut=debut.astype(np.float32),
        phase=phase.astype(np.float32),
        profile=draw_answers(interest, rng),
        history=np.zeros((u, config.history), np.int32),
        history_watch=np.zeros((u, config.history), np.float32),
        history_reaction=np.zeros((u, config.history), np.int32),
        interactions=habits.interactions,
        interest=interest.astype(np.float32),
        category_bias=(0.5 * rng.normal(size=(u, g))).astype(np.float32),
        wealth=habits.wealth,
        activity=habits.activity,
        active_hour=habits.active_hour,
        loyalty=np.zeros((u, config.loyalty_slots), np.int32),
        loyalty_strength=np.zeros((u, config.loyalty_slots), np.float32),
        loyalty_hours=np.zeros((u, config.loyalty_slots), np.float32),
        followed=np.zeros((u, config.loyalty_slots), bool),
        affinity_mean=np.float32(0),
        affinity_scale=np.float32(1),
        utility_mean=np.float32(0),
        utility_scale=np.float32(1),
    )
    return simulate_history(
        freeze_utility(freeze_affinity(population), config.law, rng), config, rng
    )


def sample_start_hour(config: LiveConfig, rng: np.random.Generator, phase: Floats) -> Floats:
    """Draw hours of the day ``[n]`` with density ``1 + A cos(2 pi (h - peak - phase) / 24)``, by
    rejection.

    Args:
        config: the world's config.
        rng: source of randomness.
        phase: hours ``[n]`` by which the category of each draw is later than others.
    """
    amplitude, n = config.schedule.amplitude, len(phase)
    hours = np.empty(0)
    while len(hours) < n:
        h = rng.uniform(0, 24, 3 * n)
        hours = np.concatenate(
            [
                hours,
                h[
                    rng.uniform(0, 1 + amplitude, 3 * n)
                    < 1 + amplitude * np.cos(2 * np.pi * h / 24)
                ],
            ]
        )
    return (hours[:n] + config.schedule.peak_hour + phase) % 24


def draw_hook(popularity: Floats, rng: np.random.Generator) -> Floats:
    """Draw the hook ``h = 0.5 z + sqrt(0.75) N(0, 1)`` ``[S]``, z being standardised log popularity
    (design)."""
    return (0.5 * popularity + np.sqrt(0.75) * rng.normal(size=popularity.shape)).astype(np.float32)


def draw_answers(interest: Floats, rng: np.random.Generator) -> Floats:
    """Draw one-hot onboarding answers ``[U, sum(ANSWERS)]``, each the argmax of a noisy projection
    of the hidden interest."""
    blocks = []
    for size in ANSWERS:
        direction = rng.normal(size=(interest.shape[1], size))
        answer = np.argmax(
            2.0 * interest @ direction + rng.gumbel(size=(len(interest), size)), axis=1
        )
        blocks.append(np.eye(size)[answer])
    return np.concatenate(blocks, axis=1).astype(np.float32)


def complete(population: Population, law: UserLawConfig, rng: np.random.Generator) -> Population:
    """Return a population fitted to a log, completed by what no log holds: hook given popularity,
    answers given interest.

    Wealth is scaled to mean 1 over sessions, and utility is standardised anew.
    """
    population = population._replace(
        wealth=(
            population.wealth / np.average(population.wealth, weights=population.activity)
        ).astype(np.float32),
        hook=draw_hook(standard_popularity(population.log_popularity), rng),
        profile=draw_answers(population.interest, rng),
    )
    return freeze_utility(population, law, rng)


def resize(population: Population, history: int, slots: int) -> Population:
    """Return the population with history and loyalty slots cut or padded to the given lengths."""
    empty = {"history": len(population.style), "loyalty": len(population.style)}

    def fit(name: str, width: int) -> np.ndarray:
        x = getattr(population, name)[:, :width]
        return np.pad(x, ((0, 0), (0, width - x.shape[1])), constant_values=empty.get(name, 0))

    remembered = ("history", "history_watch", "history_reaction")
    known = ("loyalty", "loyalty_strength", "loyalty_hours", "followed")
    return population._replace(
        **{n: fit(n, history) for n in remembered}, **{n: fit(n, slots) for n in known}
    )
