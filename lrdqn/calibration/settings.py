"""Settings that go with a population or a world: chosen, told by a log, fitted; written beside the
population as overrides."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from lrdqn.compose.roots import CalibrateRun
from lrdqn.envs.live.config import LiveConfig


def say_where(
    console: Console, config: CalibrateRun, law: Mapping[str, float], figures: Mapping[str, float]
) -> None:
    """Write the settings that go with a population beside its folder: chosen, told by the log,
    fitted; say how to train.

    Args:
        console: what to print to.
        config: of the command.
        law: settings that the log told.
        figures: of the log, by the names of the calibration's targets.
    """
    from lrdqn.atomic import write_text

    out = Path(str(config.out))
    beside = out.with_name(f"{out.name}.overrides")
    beside.unlink(missing_ok=True)  # settings of a population that is no more
    settings = dict(law) | changed(config.env, LiveConfig(), "env.")
    if config.fit is not False:
        settings |= settle(console, with_settings(config.env, settings, out), config.seed, figures)
    command = f"lrdqn train env.population={shlex.quote(str(out))}"
    if settings:
        write_text(beside, "".join(f"{key}={value}\n" for key, value in settings.items()))
        console.print(
            "settings of this world:",
            *(f"  {k}={v}" for k, v in settings.items()),
            sep="\n",
            highlight=False,
        )
        command += f" $(cat {shlex.quote(str(beside))})"
    console.print(
        f"population folder: {out}\ntrain on it: {command}", highlight=False, soft_wrap=True
    )


def changed(config: Any, default: Any, prefix: str) -> dict[str, Any]:
    """Keys whose values are not the defaults': what was chosen for the fit has to be chosen for the
    training too."""
    found: dict[str, Any] = {}
    for name in (field.name for field in dataclasses.fields(default)):
        value, usual = getattr(config, name), getattr(default, name)
        if dataclasses.is_dataclass(usual):
            found |= changed(value, usual, f"{prefix}{name}.")
        elif value != usual:
            found[f"{prefix}{name}"] = str(value).lower() if isinstance(value, bool) else value
    return found


def with_settings(
    env: LiveConfig, settings: Mapping[str, float], population: Path | None
) -> LiveConfig:
    """The world's config with settings ``env.law.*`` and ``env.schedule.*``, and of a population if
    one is given."""
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


def settle(
    console: Console, env: LiveConfig, seed: int, figures: Mapping[str, float]
) -> dict[str, float]:
    """Fit the intercepts, print what they change and return them as settings."""
    from lrdqn.calibration.fit_law import fit_intercepts
    from lrdqn.calibration.log_table import settled_table

    console.print("fitting the viewer's constants under the reference policy", highlight=False)
    found = fit_intercepts(env, seed, figures)
    console.print(settled_table(found.before, found.after, found.wanted))
    return {f"env.law.{name}": value for name, value in found.constants.items()}
