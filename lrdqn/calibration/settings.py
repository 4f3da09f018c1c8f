"""Settings of a world that go with a fitted population, written beside it as overrides.

They have three origins: settings that were chosen for the fit, constants that the log gives, and
fitted intercepts.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from lrdqn.compose.roots import CalibrateRun
from lrdqn.compose.words import command, word
from lrdqn.envs.live.config import LiveConfig


def write_settings(
    console: Console, config: CalibrateRun, law: Mapping[str, float], metrics: Mapping[str, float]
) -> None:
    """Write the settings to ``<out>.overrides`` and print them with the command that trains on the
    population. No file is left where there are no settings.

    Args:
        console: to print to.
        config: of the command.
        law: settings that the log gives.
        metrics: of the log, by the names of the calibration's targets.
    """
    from lrdqn.atomic import write_text

    out = Path(str(config.out))
    beside = out.with_name(f"{out.name}.overrides")
    beside.unlink(missing_ok=True)  # of the population that was replaced
    settings = dict(law) | changed_settings(config.env, LiveConfig(), "env.")
    if config.fit is not False:
        env = with_settings(config.env, settings, out)
        settings |= fitted_settings(console, env, config.seed, metrics)
    line = command("lrdqn", "train", word("env.population", out))
    if settings:
        write_text(beside, "".join(f"{key}={value}\n" for key, value in settings.items()))
        print_settings(console, settings)
        line += f" $(cat {shlex.quote(str(beside))})"
    console.print(
        f"population folder: {out}\ntrain on it: {line}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def print_settings(console: Console, settings: Mapping[str, Any]) -> None:
    """Print one override a line."""
    console.print(
        "settings of this world:",
        *(f"  {key}={value}" for key, value in settings.items()),
        sep="\n",
        highlight=False,
    )


def changed_settings(config: Any, default: Any, prefix: str) -> dict[str, Any]:
    """Return the keys whose values differ from the defaults: a training on the population needs
    the settings that it was fitted under."""
    found: dict[str, Any] = {}
    for name in (field.name for field in dataclasses.fields(default)):
        value, usual = getattr(config, name), getattr(default, name)
        if dataclasses.is_dataclass(usual):
            found |= changed_settings(value, usual, f"{prefix}{name}.")
        elif value != usual:
            found[f"{prefix}{name}"] = str(value).lower() if isinstance(value, bool) else value
    return found


def with_settings(
    env: LiveConfig, settings: Mapping[str, float], population: Path | None
) -> LiveConfig:
    """Return the world's config with settings ``env.law.*`` and ``env.schedule.*``, and with the
    population if one is given."""
    parts: dict[str, Any] = {}
    for part in ("law", "schedule"):
        own = {
            key.rpartition(".")[2]: value
            for key, value in settings.items()
            if key.startswith(f"env.{part}.")
        }
        parts[part] = dataclasses.replace(getattr(env, part), **own)
    return dataclasses.replace(
        env, **parts, population=env.population if population is None else str(population)
    )


def fitted_settings(
    console: Console, env: LiveConfig, seed: int, metrics: Mapping[str, float]
) -> dict[str, float]:
    """Fit the intercepts to the metrics, print the metrics before and after, and return the
    constants as settings."""
    from lrdqn.calibration.intercepts import fit_intercepts
    from lrdqn.calibration.tables import fitted_table

    console.print(
        "fitting the intercepts of the user law under the reference policy", highlight=False
    )
    found = fit_intercepts(env, seed, metrics)
    console.print(fitted_table(found.before, found.after, found.wanted))
    return {f"env.law.{name}": value for name, value in found.constants.items()}
