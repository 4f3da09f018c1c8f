"""The overestimation of the maximum, which double Q-learning avoids (van Hasselt, Guez and Silver
2016).

    python benchmarks/papers/double_dqn_overestimation.py [--runs N] [--quick] [--out DIR] [--json
    FILE]

Theorems 1 and 2, Figure 1 (independent errors of m actions) and Figure 2 (errors of function
approximation). Every value goes through the target rules that the agents use.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import hypers
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float
from verdict import BLUE, INK, ORANGE, SKY, Outcome, Row, Study, command, near, within

from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.agents.dqn.targets import TargetInputs, make_target
from lrdqn.ops.losses import mse
from lrdqn.ops.values import make_expected
from lrdqn.types import Network, QOutput, Transition

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPECTED_MAX = {
    2: 0.5642,
    4: 1.0294,
    8: 1.4236,
    16: 1.7660,
    32: 2.0697,
    64: 2.3437,
    128: 2.5946,
    256: 2.8269,
    512: 3.0439,
    1024: 3.2482,
}
"""Expected maximum of m independent standard normal numbers: ``m int x phi(x) Phi(x)^(m-1) dx``."""
ACTIONS = (2, 4, 10, 100)
"""Numbers of actions for the theorems."""
CHUNK = 1000
EXPECTED = make_expected(mse)

Draw = Callable[[Array, tuple[int, ...]], Array]


class Approximation(NamedTuple):
    """A row of Figure 2."""

    name: str
    truth: Callable[[np.ndarray], np.ndarray]
    degree: int
    single: float
    """Mean over states of ``max_a Q(s, a) - V(s)``, as printed in the paper."""
    double: float


FIGURE_2 = (
    Approximation("sin(s), degree 6", np.sin, 6, 0.612, -0.021),
    Approximation("2 exp(-s^2), degree 6", lambda s: 2 * np.exp(-(s**2)), 6, 0.473, 0.016),
    Approximation("2 exp(-s^2), degree 9", lambda s: 2 * np.exp(-(s**2)), 9, 3.349, -0.016),
)
GRID = np.linspace(-6, 6, 1201)


def values_network(actions: int) -> Network:
    """Return a network whose parameters are the values themselves, ``[S, A]``, and whose
    observations are rows of them."""

    def apply(params: Array, obs: Array, catalogue: Any, key: Any) -> QOutput:
        del catalogue, key
        return QOutput(params[obs], jnp.ones((obs.shape[0], actions), bool), params[obs][..., None])

    def value(params: Array, obs: Array, action: Array, catalogue: Any, key: Any) -> Array:
        del catalogue, key
        return params[obs, action][:, None]

    return Network(lambda key: jnp.zeros((1, actions)), apply, value)


def targets(
    q_online: Float[Array, "S A"], q_target: Float[Array, "S A"]
) -> tuple[Float[Array, "S"], Float[Array, "S"]]:
    """Return what the two rules read out of next states: ``max_a q_target`` and ``q_target[argmax_a
    q_online]``.

    Both go through an agent's update with reward 0 and discount 1: the TD error of a value of 0.
    """
    states, actions = q_online.shape
    learnt = TargetInputs(values_network(actions), EXPECTED, q_online, q_target, (), hypers.make())
    place, zero = jnp.arange(states), jnp.zeros(states)
    t = Transition(place, jnp.zeros(states, jnp.int32), zero, jnp.ones(states), place)

    def target(rule: str) -> Array:
        successor = make_target(DQNConfig(target=rule))(learnt, t, jax.random.key(0))
        return jax.vmap(EXPECTED.loss)(zero[:, None], *successor)[1]

    return target("max"), target("double")


def theorem_1(runs: int) -> list[Row]:
    """Check errors e with sum 0 and mean square C: the maximum is off by at least ``sqrt(C / (m -
    1))``, double by at least 0."""
    rows, c = [], 0.25
    for m in ACTIONS[1:]:
        bound = np.sqrt(c / (m - 1))
        tight = np.append(np.full(m - 1, bound), -np.sqrt(c * (m - 1)))[None]
        # The action that looks best has no error in the second set, whose other errors meet the
        # same two conditions.
        second = np.zeros((1, m))
        second[0, 1:3] = np.sqrt(m * c / 2) * np.array([1, -1])
        e = np.asarray(jax.random.normal(jax.random.key(m), (runs, m)), np.float64)
        e -= e.mean(axis=1, keepdims=True)
        e *= np.sqrt(c / (e**2).mean(axis=1, keepdims=True))
        worst, anything, exact = (jnp.asarray(x, jnp.float32) for x in (tight, e, second))
        name, unit = f"theorem 1, m={m}, C={c:g}", "reward"
        least = float(targets(anything, anything)[0].min())
        rows += [
            near(name, "max, worst case", bound, float(targets(worst, worst)[0][0]), 1e-6, 1, unit),
            within(name, "least max - bound", -1e-6, np.inf, least - bound, runs, unit),
            near(
                name, "double, worst case", 0.0, float(targets(worst, exact)[1][0]), 1e-6, 1, unit
            ),
        ]
    return rows


@partial(jax.jit, static_argnums=(1, 2, 3))
def means(key: Array, draw: Draw, sizes: tuple[int, ...], chunks: int) -> Float[Array, "m 2"]:
    """Return the mean of both targets over ``chunks * CHUNK`` pairs of independent sets of errors;
    m actions have the first m of a set."""

    def chunk(key: Array) -> Array:
        online, other = (draw(k, (CHUNK, max(sizes))) for k in jax.random.split(key))
        pairs = [targets(online[:, :m], other[:, :m]) for m in sizes]
        return jnp.stack(
            [jnp.stack([jnp.mean(single), jnp.mean(double)]) for single, double in pairs]
        )

    return jnp.mean(jax.lax.map(chunk, jax.random.split(key, chunks)), axis=0)


def uniform(key: Array, shape: tuple[int, ...]) -> Array:
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)


def wider(runs: int) -> float:
    """Return a tolerance widened to fewer pairs. Tolerances are for 100,000 pairs, where they are 5
    standard errors or more."""
    return np.sqrt(100_000 / runs)


def theorem_2(runs: int) -> list[Row]:
    """Check errors uniform on [-1, 1]: the maximum is ``(m - 1) / (m + 1)`` too high on average."""
    found = np.asarray(means(jax.random.key(2), uniform, ACTIONS, runs // CHUNK))
    rows, tolerance = [], 0.01 * wider(runs)
    for m, (single, double) in zip(ACTIONS, found, strict=True):
        rows += [
            near(
                f"theorem 2, m={m}",
                "max, mean error",
                (m - 1) / (m + 1),
                single,
                tolerance,
                runs,
                "reward",
            ),
            near(f"theorem 2, m={m}", "double, mean error", 0.0, double, tolerance, runs, "reward"),
        ]
    return rows


def figure_1(runs: int) -> tuple[list[Row], np.ndarray]:
    """Check standard normal errors, a second independent set for double."""
    found = np.asarray(
        means(jax.random.key(1), jax.random.normal, tuple(EXPECTED_MAX), runs // CHUNK)
    )
    rows, tolerance = [], 0.02 * wider(runs)
    for (m, expected), (single, double) in zip(EXPECTED_MAX.items(), found, strict=True):
        rows += [
            near(
                f"figure 1, m={m}", "max, mean error", expected, single, tolerance, runs, "reward"
            ),
            near(f"figure 1, m={m}", "double, mean error", 0.0, double, tolerance, runs, "reward"),
        ]
    return rows, found


def estimates(case: Approximation) -> Float[np.ndarray, "S A"]:
    """Return estimates of ten actions of the same value, each fitted on the integer states without
    two neighbours of its own."""
    states = np.arange(-6, 7)
    columns = []
    for i in range(1, 11):
        kept = states[(states != -6 + i) & (states != -5 + i)]
        columns.append(np.polyval(np.polyfit(kept, case.truth(kept), case.degree), GRID))
    return np.stack(columns, axis=1)


def figure_2() -> tuple[list[Row], dict[str, dict[str, Any]]]:
    """Check polynomials through few states; the second set evaluates action i by action i + 5 (or i
    - 5)."""
    rows, drawn = [], {}
    for case in FIGURE_2:
        q, truth = estimates(case), case.truth(GRID)
        one, other = jnp.asarray(q, jnp.float32), jnp.asarray(np.roll(q, -5, axis=1), jnp.float32)
        # The maximum has one set of estimates; for double it chooses and the other evaluates.
        single, double = (
            np.asarray(x, np.float64) for x in (targets(one, one)[0], targets(one, other)[1])
        )
        for metric, expected, value in (
            ("max", case.single, single),
            ("double", case.double, double),
        ):
            got = float(np.mean(value - truth))
            name = f"figure 2, {case.name}"
            rows.append(
                near(name, f"{metric}, mean error", expected, got, 0.005, GRID.size, "reward")
            )
        drawn[case.name] = {"case": case, "q": q, "truth": truth, "max": single, "double": double}
    return rows, drawn


def draw(figure: Figure, normal: np.ndarray, fits: dict[str, dict[str, Any]]) -> None:
    """Plot Figure 1 in the first row, Figure 2 below."""
    figure.set_size_inches(11, 12)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 3])[:, 0]
    axes, place = above.subplots(), np.arange(len(normal))
    axes.bar(place, normal[:, 0], 0.6, color=ORANGE, label="max")
    axes.plot(place, normal[:, 1], "s", color=BLUE, markersize=6, label="double")
    axes.plot(
        place, list(EXPECTED_MAX.values()), "o", color=INK, markersize=4, label="expected maximum"
    )
    axes.set_xticks(place, [str(m) for m in EXPECTED_MAX])
    axes.set(
        xlabel="number of actions", ylabel="error", title="Independent normal errors (figure 1)"
    )
    axes.legend(frameon=False)
    grid = below.subplots(len(fits), 3, squeeze=False)
    for line, (name, data) in zip(grid, fits.items(), strict=True):
        truth, states = data["truth"], np.arange(-6, 7)
        kept = states[(states != -4) & (states != -3)]
        line[0].plot(GRID, data["q"][:, 1], color=SKY, label="an estimate")
        line[0].plot(kept, data["case"].truth(kept), "o", color=SKY, markersize=4)
        line[1].plot(GRID, data["q"], color=SKY, linewidth=0.6)
        line[1].plot(GRID, data["max"], "--", color=ORANGE, label="max")
        for left in line[:2]:
            left.plot(GRID, truth, color=INK, label="true value")
        for metric, color in (("max", ORANGE), ("double", BLUE)):
            bias = data[metric] - truth
            line[2].plot(GRID, bias, color=color, label=f"{metric}: {np.mean(bias):+.2f}")
        line[2].axhline(0, color=INK, linewidth=0.6)
        for title, panel in zip((name, "all ten", "error"), line, strict=True):
            # what goes beyond are the ends of a polynomial
            panel.set(title=title, ylim=(-2.5, 4.5))
            panel.legend(frameon=False, fontsize="small")
    for panel in grid[-1]:
        panel.set_xlabel("state")


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs",
        type=int,
        metavar="N",
        help="pairs of sets of errors, in thousands (100000; quick 10000)",
    )


def run(given: argparse.Namespace) -> Outcome:
    runs = given.runs or (10_000 if given.quick else 100_000)
    runs = max(CHUNK, runs // CHUNK * CHUNK)
    normal_rows, normal = figure_1(runs)
    fit_rows, fits = figure_2()
    rows = [*theorem_1(runs // 10), *theorem_2(runs), *normal_rows, *fit_rows]
    return Outcome(rows, lambda figure: draw(figure, normal, fits))


STUDY = Study("double_dqn_overestimation", __doc__ or "", options, run)

if __name__ == "__main__":
    sys.exit(command(STUDY, sys.argv[1:]))
