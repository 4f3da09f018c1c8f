"""Searches for the best policies of a live world that need no learning: exploiters, and privileged
planners.

All searches play on worlds and keys of their own; what they find is evaluated elsewhere
(``acceptance_live.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lrdqn import baselines, build
from lrdqn.envs.live.config import LiveConfig
from lrdqn.evaluation.cem import cross_entropy
from lrdqn.evaluation.cohort import make_cohort
from lrdqn.types import Policy, PyTree

INDEX_START = {
    "patience": (0.3, 0.5),
    "satisfaction": (0.0, 15.0),
    "loyalty": (0.0, 2.0),
    "fatigue": (0.0, 0.7),
    "minutes": (0.0, 0.3),
}
"""First mean and spread of the planner's weights, each in rewards per unit; the weight of the
reward is 1."""
STREAMERS_TRIED = 12


class Reference(NamedTuple):
    """A policy with the parameters that were found for it."""

    policy: Policy
    words: str
    """The found parameters in words."""


class Arena:
    """Worlds to search on."""

    def __init__(self, config: LiveConfig, seed: int, worlds: int, sessions: int) -> None:
        self.config, self.sessions = config, sessions
        self.env = build.build_env(config, sessions)
        self.worlds = jax.tree.map(jnp.asarray, build.build_worlds(config, seed, worlds))
        self.root = jax.random.fold_in(jax.random.key(seed), 77)
        self.count = worlds

    def scorer(self, policy: Policy, points: int) -> Callable[[PyTree, int], np.ndarray]:
        """Return ``score(states [points, ...], number) -> mean return [points]``; one ``number`` is
        one set of session starts."""
        cohort = make_cohort(self.env, ((policy, points),))

        def one(state: PyTree, world: PyTree, key: jax.Array) -> jax.Array:
            return cohort((state,), world, key).returns.mean(-1)

        program = jax.jit(jax.vmap(one, in_axes=(None, 0, 0)))

        def score(states: PyTree, number: int) -> np.ndarray:
            keys = jax.random.split(jax.random.fold_in(self.root, number), self.count)
            return np.asarray(program(states, self.worlds, keys)).mean(0)

        return score

    def best_of(self, policy: Policy, states: PyTree) -> tuple[int, np.ndarray]:
        """Return the index of the state that plays best, and all returns."""
        figures = self.scorer(policy, jax.tree.leaves(states)[0].shape[0])(states, 0)
        return int(np.argmax(figures)), figures

    def search(
        self,
        policy: Policy,
        mean: list[float],
        spread: list[float],
        of: Callable[[np.ndarray], PyTree],
        population: int,
        generations: int,
    ) -> np.ndarray:
        """Search weights by the cross-entropy method; ``of(points [P, D])`` turns them into
        states."""
        score, number = self.scorer(policy, population), iter(range(1, generations + 1))

        def evaluate(points: np.ndarray) -> np.ndarray:
            return score(of(points), next(number))

        rng = np.random.default_rng(self.count)
        found = cross_entropy(
            evaluate,
            np.array(mean),
            np.array(spread),
            rng,
            population,
            max(population // 6, 2),
            generations,
        )
        print(
            f"    elite by generation: {', '.join(f'{x:.2f}' for x in found.best_by_generation)}",
            flush=True,
        )
        return found.weights


def with_state(policy: Policy, state: PyTree) -> Policy:
    """Return the policy, played with these parameters."""
    return policy._replace(init=lambda key: jax.tree.map(jnp.asarray, state))


def index_state(points: np.ndarray) -> jax.Array:
    """Return weights ``[P, 6]`` of the planner from points ``[P, 5]``: the reward counts 1."""
    return jnp.asarray(np.concatenate([np.ones((len(points), 1)), points], axis=1), jnp.float32)


def find(
    config: LiveConfig, seed: int, worlds: int, sessions: int, population: int, generations: int
) -> dict[str, Reference]:
    """Find every reference; return them by their name in the table."""
    arena = Arena(config, seed, worlds, sessions)
    found: dict[str, Reference] = {}

    def listed(name: str, policy: Policy, states: Any, words: str) -> None:
        at, _ = arena.best_of(policy, jnp.asarray(states))
        found[name] = Reference(
            with_state(policy, jnp.asarray(states)[at]), f"{words} {int(np.asarray(states)[at])}"
        )

    def searched(
        name: str, policy: Policy, size: int, of: Callable[[np.ndarray], PyTree], start: Any = None
    ) -> None:
        began = time.perf_counter()
        mean, spread = start or ([0.0] * size, [1.0] * size)
        weights = arena.search(policy, mean, spread, of, population, generations)
        words = "weights " + " ".join(f"{x:.3g}" for x in weights)
        found[name] = Reference(
            with_state(policy, jax.tree.map(lambda x: x[0], of(weights[None]))), words
        )
        print(f"  {name}: {words} ({time.perf_counter() - began:.0f} s)", flush=True)

    listed(
        "one_place", baselines.make_place(config.candidates), np.arange(config.candidates), "place"
    )
    categories = arena.worlds.catalogue.category.shape[-1]
    listed("one_category", baselines.make_category(), np.arange(categories), "category")
    listed(
        "one_streamer",
        baselines.make_streamer(STREAMERS_TRIED),
        np.arange(STREAMERS_TRIED),
        "rank by popularity",
    )
    found["always_repeat"] = Reference(baselines.make_repeat(), "")
    searched("linear", baselines.make_linear(), 5, jnp.asarray)
    searched("static_ranking", baselines.make_static(), 3, jnp.asarray)
    found["oracle_myopic"] = Reference(baselines.make_index(config), "the next reward")
    start = tuple(map(list, zip(*INDEX_START.values(), strict=True)))
    searched("oracle_planner", baselines.make_index(config), 5, index_state, start)
    return found
