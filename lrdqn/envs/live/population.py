"""A synthetic population: users and streamers drawn from the published marginals (SIMULATOR sections 1, 5, 6 and 7)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrdqn.config import LiveConfig, UserLawConfig
from lrdqn.types import Population, Reaction

Floats = NDArray[np.floating]

POPULARITY_MU, POPULARITY_SIGMA = 0.670, 1.792
"""Log popularity of a streamer; reproduces P(< 5 interactions) = .70 (SIMULATOR section 7)."""
WEALTH_SIGMA = 2.68
"""Log-sd of the wealth of viewers; reproduces the Gini .942 of gifts (SIMULATOR section 5)."""
HOURLY_WATCH = np.array(
    [.0409, .0237, .0147, .0115, .0120, .0186, .0262, .0289, .0320, .0338, .0361, .0423,
     .0506, .0438, .0419, .0402, .0384, .0424, .0546, .0734, .0865, .0800, .0734, .0543]
)  # fmt: skip
"""Share of watch time by hour of the day, KuaiLive, China Standard Time (digitised; sums to 1 within .1 %)."""
START_SPREAD = 2.0
"""Hours by which a session's start is off the user's preferred hour (SIMULATOR section 6)."""
ANSWERS = (5, 4, 3)
"""Sizes of the onboarding questions: age band, city tier, device."""
PAST_PICKS, PAST_CHOICES = 24, 16
"""Watches lived through before the first session, each chosen from this many streams."""


def unit(x: Floats) -> Floats:
    """Rows scaled to length 1."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def standard_popularity(log_popularity: Any) -> Any:
    """``L = (log P - .670) / 1.792``."""
    return (log_popularity - POPULARITY_MU) / POPULARITY_SIGMA


def pair_affinity(population: Population, user: NDArray[np.integer], streamer: NDArray[np.integer]) -> Floats:
    """Standardised affinity of pairs: ``(theta_u . e_s - mean) / scale``; ids of any one broadcast shape."""
    dot = np.sum(population.interest[user] * population.style[streamer], axis=-1)
    return (dot - population.affinity_mean) / population.affinity_scale


def pair_utility(
    population: Population, law: UserLawConfig, user: NDArray[np.integer], streamer: NDArray[np.integer]
) -> Floats:
    """Raw utility of fresh pairs (no loyalty, fatigue or highlight), before standardisation (SIMULATOR section 0)."""
    bias = np.sum(population.category_bias[user] * population.category[streamer], axis=-1)
    return (
        law.affinity * pair_affinity(population, user, streamer)
        + bias
        + law.popularity * standard_popularity(population.log_popularity[streamer])
        + law.skill * population.skill[streamer]
        + law.hook * population.hook[streamer]
    )


def freeze_affinity(population: Population) -> Population:
    """Store mean and scale of ``theta_u . e_s`` over all pairs with the population."""
    dot = population.interest @ population.style.T
    return population._replace(affinity_mean=np.float32(dot.mean()), affinity_scale=np.float32(dot.std()))


def freeze_utility(population: Population, law: UserLawConfig, rng: np.random.Generator, pairs: int = 200_000) -> Population:
    """Store mean and scale of the raw utility over fresh user x streamer pairs with the population."""
    user = rng.integers(0, len(population.interest), pairs)
    streamer = rng.integers(0, len(population.style), pairs)
    raw = pair_utility(population, law, user, streamer)
    return population._replace(utility_mean=np.float32(raw.mean()), utility_scale=np.float32(raw.std()))


def sample_population(
    config: LiveConfig, rng: np.random.Generator, streamers: int | None = None, users: int | None = None,
    style: int | None = None, categories: int | None = None,
) -> Population:  # fmt: skip
    """Draw a population of ``config``'s sizes (or of the sizes given, to be the defaults behind a real log).

    Returns:
        ``Population`` of float32/int32/bool NumPy arrays; shapes as in ``lrdqn.types``.
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
    interest = unit(0.6 * (centre[liked[:, 0]] + 0.5 * centre[liked[:, 1]]) + 0.8 * unit(rng.normal(size=(u, d))))
    strata = (rng.permutation(u) + 0.5) / u
    wealth = np.exp(WEALTH_SIGMA * _normal_quantile(strata))

    population = Population(
        style=styles.astype(np.float32),
        category=np.eye(g, dtype=np.float32)[category],
        tags=tags.astype(np.float32),
        log_popularity=(POPULARITY_MU + POPULARITY_SIGMA * popularity).astype(np.float32),
        skill=skill.astype(np.float32),
        hook=draw_hook(popularity, rng),
        room_rate=np.clip(rng.gamma(3.0, config.schedule.rooms_per_day / 3.0, n), 0.1, 6.0).astype(np.float32),
        start_hour=sample_start_hour(config, rng, n).astype(np.float32),
        profile=draw_answers(interest, rng),
        history=np.zeros((u, config.history), np.int32),
        history_watch=np.zeros((u, config.history), np.float32),
        history_reaction=np.zeros((u, config.history), np.int32),
        interest=interest.astype(np.float32),
        category_bias=(0.5 * rng.normal(size=(u, g))).astype(np.float32),
        wealth=(wealth / wealth.mean()).astype(np.float32),
        active_hour=((rng.choice(24, size=u, p=preferred_hours()) + rng.random(u)) % 24).astype(np.float32),
        loyalty=np.zeros((u, config.loyalty_slots), np.int32),
        loyalty_strength=np.zeros((u, config.loyalty_slots), np.float32),
        loyalty_hours=np.zeros((u, config.loyalty_slots), np.float32),
        followed=np.zeros((u, config.loyalty_slots), bool),
        affinity_mean=np.float32(0),
        affinity_scale=np.float32(1),
        utility_mean=np.float32(0),
        utility_scale=np.float32(1),
    )
    return _live_a_past(freeze_utility(freeze_affinity(population), config.law, rng), config, rng)


@cache
def preferred_hours() -> Floats:
    """Shares ``[24]`` of users by preferred hour, such that starts, a normal around it, follow ``HOURLY_WATCH``.

    The spread of starts is taken out of the shares by expectation-maximisation (Richardson 1972; Lucy 1974), which keeps them
    positive: ``g <- g K^T (h / K g)``, K the chance of a start in hour i with a preferred time in hour j.
    """
    fine = (np.arange(240) + 0.5) / 10
    off = (fine[:, None] - fine[None, :] + 12) % 24 - 12
    near = np.exp(-0.5 * (off / START_SPREAD) ** 2)
    kernel = (near / near.sum(axis=0)).reshape(24, 10, 24, 10).sum(axis=1).mean(axis=2)
    wanted = HOURLY_WATCH / HOURLY_WATCH.sum()
    found = wanted.copy()
    for _ in range(300):
        found = found * (kernel.T @ (wanted / (kernel @ found)))
    return found / found.sum()


def sample_start_hour(config: LiveConfig, rng: np.random.Generator, n: int) -> Floats:
    """Hours of the day with density ``1 + A cos(2 pi (h - peak) / 24)``, by rejection (SIMULATOR section 2)."""
    amplitude, peak = config.schedule.amplitude, config.schedule.peak_hour
    hours = np.empty(0)
    while len(hours) < n:
        h = rng.uniform(0, 24, 3 * n)
        density = 1 + amplitude * np.cos(2 * np.pi * (h - peak) / 24)
        hours = np.concatenate([hours, h[rng.uniform(0, 1 + amplitude, 3 * n) < density]])
    return hours[:n]


def _normal_quantile(p: Floats) -> Floats:
    from statistics import NormalDist

    return np.array([NormalDist().inv_cdf(float(x)) for x in p])


def draw_hook(popularity: Floats, rng: np.random.Generator) -> Floats:
    """``h = .5 z_P + sqrt(.75) N(0, 1)`` ``[S]``: popular streamers draw more clicks (SIMULATOR section 0; a design choice)."""
    return (0.5 * popularity + np.sqrt(0.75) * rng.normal(size=popularity.shape)).astype(np.float32)


def draw_answers(interest: Floats, rng: np.random.Generator) -> Floats:
    """One-hot onboarding answers ``[U, sum(ANSWERS)]``, each the argmax of a noisy projection of the hidden interest."""
    blocks = []
    for size in ANSWERS:
        direction = rng.normal(size=(interest.shape[1], size))
        answer = np.argmax(2.0 * interest @ direction + rng.gumbel(size=(len(interest), size)), axis=1)
        blocks.append(np.eye(size)[answer])
    return np.concatenate(blocks, axis=1).astype(np.float32)


def complete(population: Population, law: UserLawConfig, rng: np.random.Generator) -> Population:
    """A population fitted from a log, with what no log holds drawn to match it: hook by popularity, answers by interest."""
    population = population._replace(
        hook=draw_hook(standard_popularity(population.log_popularity), rng), profile=draw_answers(population.interest, rng)
    )
    return freeze_utility(population, law, rng)


def resize(population: Population, history: int, slots: int) -> Population:
    """Cut or pad every user's history and loyalty slots to the lengths that the environment is configured for."""
    empty = {"history": len(population.style), "loyalty": len(population.style)}

    def fit(name: str, width: int) -> np.ndarray:
        x = getattr(population, name)[:, :width]
        return np.pad(x, ((0, 0), (0, width - x.shape[1])), constant_values=empty.get(name, 0))

    remembered = ("history", "history_watch", "history_reaction")
    known = ("loyalty", "loyalty_strength", "loyalty_hours", "followed")
    return population._replace(**{n: fit(n, history) for n in remembered}, **{n: fit(n, slots) for n in known})


def _live_a_past(population: Population, config: LiveConfig, rng: np.random.Generator) -> Population:
    """Give every user a past: what they watched under softmax(2 affinity + .5 L), and whom they became loyal to.

    The number of past watches is lognormal with 43.8 % of users below 50 (KuaiLive), so some arrive with a short history.
    """
    law, (u, n) = config.law, (len(population.interest), len(population.style))
    users = np.arange(u)[:, None]
    choices = rng.integers(0, n, (u, PAST_PICKS, PAST_CHOICES))
    score = 2.0 * np.stack([pair_affinity(population, users, choices[:, i]) for i in range(PAST_PICKS)], axis=1)
    score += 0.5 * standard_popularity(population.log_popularity[choices]) + rng.gumbel(size=choices.shape)
    pick = np.take_along_axis(choices, score.argmax(axis=2)[..., None], axis=2)[..., 0]
    utility = (pair_utility(population, law, users, pick) - population.utility_mean) / population.utility_scale
    stays = rng.random(pick.shape) < 1 / (1 + np.exp(-(law.engage_bias + law.engage_slope * utility)))
    noise = rng.normal(size=pick.shape)
    bounce = law.bounce_median * np.exp(law.bounce_sigma * noise)
    watch = np.where(stays, law.dwell_median * np.exp(law.dwell_sigma * noise), bounce)
    minutes = watch / 60
    reaction = sum(
        bit * (rng.random(pick.shape) < 1 - np.exp(-rate * minutes))
        for bit, rate in ((Reaction.LIKE, law.like_rate), (Reaction.COMMENT, law.comment_rate), (Reaction.GIFT, law.gift_rate))
    )

    seen = np.minimum(np.floor(np.exp(rng.normal(np.log(60), 1.2, u))), PAST_PICKS).astype(int)
    there = np.arange(PAST_PICKS)[None] < seen[:, None]
    h = min(config.history, PAST_PICKS)
    history = np.full((u, config.history), n, np.int32)
    history_watch, history_reaction = np.zeros_like(population.history_watch), np.zeros_like(population.history_reaction)
    history[:, :h] = np.where(there, pick, n)[:, :h]
    history_watch[:, :h] = np.where(there, watch, 0)[:, :h]
    history_reaction[:, :h] = np.where(there, reaction, 0)[:, :h]

    slots = config.loyalty_slots
    # A streamer picked twice is one acquaintance.
    again = np.tril(pick[:, :, None] == pick[:, None, :], -1).any(axis=2)
    pull = np.where(there & stays & ~again, np.minimum(watch / 600, 1.0) + 1e-3 * rng.random(pick.shape), -1.0)
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


def draw_past(population: Population, config: LiveConfig, rng: np.random.Generator) -> Population:
    """The population with a past drawn anew, as a synthetic one has it: for logs that do not say who watched whom."""
    return _live_a_past(population, config, rng)
