"""The value on which prioritised replay settles, and its correction by importance weights (Schaul
et al. 2016, section 3.4).

    python benchmarks/papers/per_fixed_point.py [--updates N] [--quick] [--out DIR] [--json FILE]

One state and action, every transition terminal, reward 10 with probability 0.1, else 0. On
prioritised batches, updates ``q += eta mean_i w_i (r_i - q)`` settle where ``sum_i f_i |r_i -
q|^(alpha (1 - beta)) (r_i - q) = 0``, with f_i the frequency of reward r_i: at the mean, 1, only
for alpha 0 or beta 1. The paper states the bias and its correction in prose; the expected values
are this closed form.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import hypers
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float
from verdict import BLUE, GREEN, INK, ORANGE, YELLOW, Outcome, Study, command, near

from lrdqn.config import ReplayConfig
from lrdqn.replay import make_prioritized
from lrdqn.types import Hypers, PyTree, Transition

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPONENTS = ((1.0, 0.0), (0.6, 0.0), (0.6, 0.4), (1.0, 1.0))
"""Pairs of alpha and beta."""
SHARE, HIGH, STORED, STEP, START = 0.1, 10.0, 1000, 0.01, 5.0


def settles_at(alpha: float, beta: float) -> float:
    """Return the fixed point: ``q / (10 - q) = (0.1 / 0.9)^(1 / (1 + alpha (1 - beta)))``."""
    odds = (SHARE / (1 - SHARE)) ** (1 / (1 + alpha * (1 - beta)))
    return HIGH * odds / (1 + odds)


def path(given: Hypers, updates: int) -> Float[Array, "updates"]:
    """Return the value after each update, from the agents' replay; priorities are as old as their
    last draw."""
    replay = make_prioritized(
        ReplayConfig(name="prioritized", capacity=STORED, batch_size=32, epsilon=0.01)
    )
    reward = jnp.where(jnp.arange(STORED) < round(SHARE * STORED), HIGH, 0.0)
    batch = Transition((), jnp.zeros(STORED, jnp.int32), reward, jnp.zeros(STORED), ())
    store = replay.add(replay.init(jax.tree.map(lambda x: x[0], batch)), batch, given)

    def update(carry: tuple[PyTree, Array], key: Array) -> tuple[tuple[PyTree, Array], Array]:
        store, q = carry
        sample = replay.sample(store, key, given)
        delta = sample.transition.reward - q
        store = replay.update_priorities(store, sample.indices, delta, given)
        q = q + STEP * jnp.mean(sample.weights * delta)
        return (store, q), q

    return jax.lax.scan(
        update, (store, jnp.float32(START)), jax.random.split(jax.random.key(0), updates)
    )[1]


def draw(figure: Figure, paths: np.ndarray) -> None:
    """Plot values over updates, and their expected limits."""
    figure.set_size_inches(8, 4.5)
    axes = figure.subplots()
    place = np.unique(np.geomspace(1, paths.shape[1], 400).astype(int))
    for (alpha, beta), values, color in zip(
        EXPONENTS, paths, (ORANGE, YELLOW, GREEN, BLUE), strict=True
    ):
        axes.plot(place, values[place - 1], color=color, label=f"alpha {alpha:g}, beta {beta:g}")
        axes.axhline(settles_at(alpha, beta), color=INK, linewidth=0.8, linestyle="--")
    title = "Value under prioritised replay, and where it settles (dashed)"
    axes.set(
        xlabel="update",
        ylabel="value",
        title=title,
        xscale="log",
        xlim=(10, paths.shape[1]),
        ylim=(0, START),
    )
    axes.legend(frameon=False)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--updates", type=int, metavar="N", help="the second half is averaged (30000; quick 10000)"
    )


def run(given: argparse.Namespace) -> Outcome:
    updates = given.updates or (10_000 if given.quick else 30_000)
    alpha, beta = np.array(EXPONENTS).T
    program = jax.jit(jax.vmap(lambda a, b: path(hypers.make(alpha=a, beta=b), updates)))
    paths = np.asarray(program(alpha, beta), np.float64)
    rows = [
        near(
            f"alpha {a:g}, beta {b:g}",
            "settled value",
            settles_at(a, b),
            float(values[updates // 2 :].mean()),
            0.03,
            updates - updates // 2,
            "reward",
            share=True,
        )
        for (a, b), values in zip(EXPONENTS, paths, strict=True)
    ]
    return Outcome(rows, lambda figure: draw(figure, paths))


STUDY = Study("per_fixed_point", __doc__ or "", options, run)

if __name__ == "__main__":
    sys.exit(command(STUDY, sys.argv[1:]))
