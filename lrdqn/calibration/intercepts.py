"""Intercepts of the user law fitted to a population, so that the log of the reference policy has
given metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lrdqn import build
from lrdqn.baselines import make_reference
from lrdqn.calibration.law_from_kuailive import logit
from lrdqn.calibration.targets import TARGETS
from lrdqn.calibration.world_metrics import log_statistics, make_log
from lrdqn.config import ConfigError
from lrdqn.envs.live.config import LiveConfig, UserLawConfig
from lrdqn.types import PyTree

ROUNDS, SESSIONS, WORLDS = 8, 1024, 2
MAX_STEP, MAX_LOGIT = 2.0, 12.0
"""Largest move of a logit in a round, and its largest absolute value."""
MAX_MEAN_WATCH = 86_400.0
"""Seconds."""


class Intercept(NamedTuple):
    """A constant of ``UserLawConfig`` and the metric that depends on it most."""

    name: str
    metric: str
    moved: Callable[[float, float, float, UserLawConfig], float]
    """``moved(constant, metric found, metric wanted, law)``: the constant's next value."""


class FittedIntercepts(NamedTuple):
    """Fitted constants, and metrics of the reference policy's log by the names of ``TARGETS``."""

    constants: dict[str, float]
    before: dict[str, float]
    """Metrics under the constants that the config has."""
    after: dict[str, float]
    """Metrics under the fitted constants."""
    wanted: dict[str, float]
    """Metrics that the constants were fitted to."""


def shifted(constant: float, found: float, wanted: float) -> float:
    """Return a logit moved by ``logit(wanted) - logit(found)``, in a step of at most
    ``MAX_STEP``."""
    step = min(max(logit(wanted) - logit(found), -MAX_STEP), MAX_STEP)
    return min(max(constant + step, -MAX_LOGIT), MAX_LOGIT)


def scaled(constant: float, found: float, wanted: float) -> float:
    """Return a norm that rates are divided by, multiplied by ``found / wanted``, at most tenfold.

    A rate of 0 carries no information and leaves the norm unchanged.
    """
    return constant * min(max(found / wanted, 0.1), 10.0) if found > 0 and wanted > 0 else constant


def mean_watches(law: UserLawConfig) -> tuple[float, float]:
    """Return the mean seconds of a bounce and of an engaged watch, ``median exp(sigma^2 / 2)``.

    Raises:
        ConfigError: engaged watches are not longer than bounces, so that the mean watch does not
            identify their share.
    """
    bounce, dwell = (
        math.log(median) + sigma**2 / 2
        for median, sigma in (
            (law.bounce_median, law.bounce_sigma),
            (law.dwell_median, law.dwell_sigma),
        )
    )
    if not bounce < dwell < math.log(MAX_MEAN_WATCH):
        why = (
            "an engaged watch must be longer than a bounce and at most "
            f"{MAX_MEAN_WATCH:,.0f} s on average; or use fit=false"
        )
        raise ConfigError("env.law.dwell_median", law.dwell_median, why)
    return math.exp(bounce), math.exp(dwell)


def engaged_share(mean: float, law: UserLawConfig) -> float:
    """Return the share q of engaged watches that gives a mean watch:
    ``mean = q E[dwell] + (1 - q) E[bounce]``. Watches cut by the end of a room are ignored."""
    bounce, dwell = mean_watches(law)
    return (mean - bounce) / (dwell - bounce)


INTERCEPTS = (
    Intercept(
        "click_bias",
        "click per impression, reference",
        lambda x, found, wanted, law: shifted(x, found, wanted),
    ),
    Intercept(
        "engage_bias",
        "watch per click, mean (s)",
        lambda x, found, wanted, law: shifted(
            x, engaged_share(found, law), engaged_share(wanted, law)
        ),
    ),
    Intercept(
        "reaction_norm",
        "comments per viewer-minute",
        lambda x, found, wanted, law: scaled(x, found, wanted),
    ),
    Intercept(
        "return_bias", "next-day return", lambda x, found, wanted, law: shifted(x, found, wanted)
    ),
)
PUBLISHED = {
    intercept.metric: next(t.value for t in TARGETS if t.name == intercept.metric)
    for intercept in INTERCEPTS
}
"""Values that are fitted where a log does not have the metric."""


def fit_intercepts(
    config: LiveConfig, seed: int, wanted: Mapping[str, float] = PUBLISHED
) -> FittedIntercepts:
    """Move the intercepts until the log of the reference policy has the metrics ``wanted``.

    The default constants were set with the world's own synthetic population, and every metric
    depends on the users and on what there is to watch: users who like nearly everything that they
    are shown click twice as often and stay twice as long. Each round simulates the same sessions
    under the current constants, then moves each constant by the difference between its metric and
    the wanted one (of logits; for rates, by their ratio). The metrics depend on each other, so one
    round is not enough; eight are (``tests/calibration/test_intercepts.py``). The histories that a
    synthetic population was simulated with stay as they are.

    Args:
        config: the world; the constants start at its values.
        seed: of worlds and sessions.
        wanted: metrics by name; one that is missing or not finite is replaced by the published
            value.

    Returns:
        The constants to four digits, the log's metrics before and after, and those fitted to.

    Raises:
        ConfigError: see ``mean_watches``.
    """
    env, reference = build.build_env(config, SESSIONS), make_reference()
    mean_watches(config.law)
    stacked = build.build_worlds(config, seed, WORLDS)
    worlds = [jax.tree.map(lambda x, i=i: x[i], stacked) for i in range(WORLDS)]
    record = jax.jit(make_log(env, reference))
    aims = {
        k: wanted[k] if math.isfinite(wanted.get(k, math.nan)) else v for k, v in PUBLISHED.items()
    }

    def metrics_under(constants: Mapping[str, float]) -> dict[str, float]:
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
        return log_statistics(
            {k: np.concatenate([log[k] for log in logs], axis=1) for k in logs[0]}
        )

    constants = {
        intercept.name: float(getattr(config.law, intercept.name)) for intercept in INTERCEPTS
    }
    before = found = metrics_under(constants)
    for _ in range(ROUNDS):
        for intercept in INTERCEPTS:
            x, now = constants[intercept.name], float(found[intercept.metric])
            if math.isfinite(now):
                moved = intercept.moved(x, now, aims[intercept.metric], config.law)
                constants[intercept.name] = float(f"{moved:.4g}")
        found = metrics_under(constants)
    return FittedIntercepts(constants, before, found, aims)


def with_constants(world: PyTree, constants: Mapping[str, float]) -> PyTree:
    """Return the world with these constants in its law. They are traced values, so nothing is
    compiled anew for them."""
    return world._replace(
        law=world.law._replace(**{k: jnp.asarray(v, jnp.float32) for k, v in constants.items()})
    )
