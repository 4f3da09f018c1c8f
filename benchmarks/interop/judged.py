"""Report of both scripts of this folder: returns per seed of another library's agent, and
intervals."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np

from lrdqn.evaluation.statistics import bootstrap_mean

WORLD = (
    "env.streamers=200",
    "env.users=400",
    "env.candidates=4",
    "env.familiar=1",
    "env.style=4",
    "env.categories=2",
    "env.tags=2",
    "env.reward.comeback=0",
    "env.reward.gift=0",
    "env.reward.watch_cap_minutes=5",
)
"""A small world without the parts of the reward that vary most: a network that has to learn from a
flat vector which numbers belong to which place needs a strong signal."""


def report(
    name: str, seeds: int, steps: int, play: Callable[[int, int], tuple[float, float]]
) -> None:
    """Train one agent per seed and print a line of JSON.

    Args:
        name: of library and agent.
        seeds: agents, each in a world of its own.
        steps: env steps of each.
        play: ``play(seed, steps) -> return of the random policy, return of the trained agent`` on
            the same session starts.
    """
    began, rows = time.perf_counter(), []
    for seed in range(seeds):
        rows.append(play(seed, steps))
        print(f"seed {seed}: random {rows[-1][0]:.2f}, trained {rows[-1][1]:.2f}", flush=True)
    random, trained = np.array(rows).T
    found = {
        what: interval(x)
        for what, x in (("random", random), ("trained", trained), ("gain", trained - random))
    }
    seconds = round(time.perf_counter() - began, 1)
    print(
        json.dumps(
            {"agent": name, "world": WORLD, "seeds": seeds, "steps": steps, "seconds": seconds}
            | found
        )
    )


def interval(per_seed: np.ndarray) -> dict[str, object]:
    """Return the mean over seeds with its 95 % bootstrap interval."""
    found = bootstrap_mean(per_seed.tolist(), 10_000)
    numbers = {"mean": found.mean, "low": found.low, "high": found.high}
    return {key: round(float(x), 3) for key, x in numbers.items()} | {
        "per_seed": per_seed.round(3).tolist()
    }
