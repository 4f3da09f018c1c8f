"""Constants of the viewer's law fitted to a population, so that the reference policy's log shows
the figures that it should."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lrdqn import build
from lrdqn.baselines import make_reference
from lrdqn.calibration import targets as cal
from lrdqn.calibration.kuailive_law import logit
from lrdqn.config import ConfigError
from lrdqn.envs.live.config import LiveConfig, UserLawConfig
from lrdqn.types import PyTree

ROUNDS, SESSIONS, WORLDS = 8, 1024, 2
STEP, FURTHEST = 2.0, 12.0
"""Most that a logit moves in a round, and most that it becomes."""
FURTHEST_MEAN = 86_400.0
"""Seconds."""


class Constant(NamedTuple):
    """A number of the law and the figure of a log that hangs on it more than on anything else."""

    name: str
    figure: str
    moved: Callable[[float, float, float, UserLawConfig], float]
    """``moved(constant, figure found, figure wanted, law)``: its next value."""


class Settled(NamedTuple):
    """What a fit found."""

    constants: dict[str, float]
    before: dict[str, float]
    """Figures of the first log, by the names of ``calibration.TARGETS``."""
    after: dict[str, float]
    """Of the last."""
    wanted: dict[str, float]
    """What was aimed at."""


def shifted(constant: float, found: float, wanted: float) -> float:
    """A logit moved by ``logit(wanted) - logit(found)``, in steps of at most ``STEP``."""
    step = min(max(logit(wanted) - logit(found), -STEP), STEP)
    return min(max(constant + step, -FURTHEST), FURTHEST)


def scaled(constant: float, found: float, wanted: float) -> float:
    """A norm that rates are divided by, moved by ``found / wanted``, at most tenfold; a rate of 0
    tells nothing of it."""
    return constant * min(max(found / wanted, 0.1), 10.0) if found > 0 and wanted > 0 else constant


def means(law: UserLawConfig) -> tuple[float, float]:
    """Mean seconds of a bounce and of an engaged watch, ``median exp(sigma^2 / 2)``.

    Raises:
        ConfigError: no engaged watch is longer, so that a mean watch does not tell how many there
            are.
    """
    bounce, dwell = (
        math.log(median) + sigma**2 / 2
        for median, sigma in (
            (law.bounce_median, law.bounce_sigma),
            (law.dwell_median, law.dwell_sigma),
        )
    )
    if not bounce < dwell < math.log(FURTHEST_MEAN):
        why = (
            "an engaged watch must be longer than a bounce and at most "
            f"{FURTHEST_MEAN:,.0f} s on average; or use fit=false"
        )
        raise ConfigError("env.law.dwell_median", law.dwell_median, why)
    return math.exp(bounce), math.exp(dwell)


def engaged(mean: float, law: UserLawConfig) -> float:
    """Share q of engaged watches behind a mean watch: ``mean = q E[dwell] + (1 - q) E[bounce]``,
    ends of rooms left aside."""
    bounce, dwell = means(law)
    return (mean - bounce) / (dwell - bounce)


CONSTANTS = (
    Constant(
        "click_bias",
        "click per impression, reference",
        lambda x, found, wanted, law: shifted(x, found, wanted),
    ),
    Constant(
        "engage_bias",
        "watch per click, mean (s)",
        lambda x, found, wanted, law: shifted(x, engaged(found, law), engaged(wanted, law)),
    ),
    Constant(
        "reaction_norm",
        "comments per viewer-minute",
        lambda x, found, wanted, law: scaled(x, found, wanted),
    ),
    Constant(
        "return_bias", "next-day return", lambda x, found, wanted, law: shifted(x, found, wanted)
    ),
)
PUBLISHED = {
    constant.figure: next(t.value for t in cal.TARGETS if t.name == constant.figure)
    for constant in CONSTANTS
}
"""What is aimed at where a log does not tell (SIMULATOR section 8)."""


def fit_intercepts(
    config: LiveConfig, seed: int, wanted: Mapping[str, float] = PUBLISHED
) -> Settled:
    """Move the constants until the reference policy's log shows the figures ``wanted``.

    The world's constants were set with its own synthetic population. Who the viewers are and what
    there is to watch moves every figure: viewers who like nearly all that they are shown click
    twice as often and stay twice as long. Each round plays the same sessions with the constants as
    they are, then moves each by the difference between what was found and what is wanted (on the
    scale of logits; rates by their ratio). The figures hang together, so that one round does not
    settle them; eight do (``tests/calibration/test_fit_law.py``). The pasts that a synthetic
    population has lived stay as they were drawn.

    Args:
        config: the world; constants start where it has them.
        seed: of worlds and sessions.
        wanted: figures by name; one that is missing or not finite is the published one.

    Returns:
        The constants to four digits, the log's figures before and after, and what was aimed at.

    Raises:
        ConfigError: see ``means``.
    """
    env, reference = build.build_env(config, SESSIONS), make_reference()
    means(config.law)
    stacked = build.build_worlds(config, seed, WORLDS)
    worlds = [jax.tree.map(lambda x, i=i: x[i], stacked) for i in range(WORLDS)]
    record = jax.jit(cal.make_log(env, reference))
    aims = {
        k: wanted[k] if math.isfinite(wanted.get(k, math.nan)) else v for k, v in PUBLISHED.items()
    }

    def figures(constants: Mapping[str, float]) -> dict[str, float]:
        logs = [
            jax.device_get(
                record(
                    (),
                    with_constants(world, constants),
                    jax.random.fold_in(jax.random.key(seed), i),
                )
            )
            for i, world in enumerate(worlds)
        ]
        return cal.log_statistics(
            {k: np.concatenate([log[k] for log in logs], axis=1) for k in logs[0]}
        )

    constants = {constant.name: float(getattr(config.law, constant.name)) for constant in CONSTANTS}
    before = found = figures(constants)
    for _ in range(ROUNDS):
        for constant in CONSTANTS:
            x, now = constants[constant.name], float(found[constant.figure])
            if math.isfinite(now):
                moved = constant.moved(x, now, aims[constant.figure], config.law)
                constants[constant.name] = float(f"{moved:.4g}")
        found = figures(constants)
    return Settled(constants, before, found, aims)


def with_constants(world: PyTree, constants: Mapping[str, float]) -> PyTree:
    """The world under a law with these numbers in place of its own; nothing is compiled anew for
    them."""
    return world._replace(
        law=world.law._replace(**{k: jnp.asarray(v, jnp.float32) for k, v in constants.items()})
    )
