"""Composed configs from the words of a command line, and Hydra's answers to mistakes in one
line."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lrdqn.compose import families
from lrdqn.compose.freeze import unknown_key
from lrdqn.compose.words import refuse_unreadable
from lrdqn.config import ConfigError, InputError

_HERE = Path(__file__).resolve().parents[1]
CONF = _HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parent / "conf"
"""``conf/`` lies inside the package in a wheel and beside it in a checkout."""

OF_LIVE = {"content": "content", "reward": "reward", "perturb": "perturbation"}
"""Config groups of the live world alone, by the key of ``env`` that each changes."""


VARIABLE = "LRDQN_OVERRIDES"
"""Environment variable whose words follow those of every training run and search."""


def with_environment(config_name: str, words: Sequence[str]) -> list[str]:
    """Return a command's words followed by those of ``LRDQN_OVERRIDES``, which therefore win.

    Args:
        config_name: only ``train`` and ``tune`` read the variable.
        words: as typed, flags included.

    Raises:
        InputError: a quote in the variable is not closed.
    """
    text = os.environ.get(VARIABLE, "") if config_name in ("train", "tune") else ""
    try:
        return [*words, *shlex.split(text)]
    except ValueError as error:
        raise InputError(f"{VARIABLE}={text}: cannot be read ({error})") from error


def compose_job(config_name: str, overrides: list[str]) -> DictConfig:
    """Return the composed config of one job, inside ``initialize_config_dir(CONF)``.

    Raises:
        InputError: an override is wrong; the one line names the key, the value and what is allowed.
    """
    parts = chosen_parts(config_name, overrides)
    try:
        refuse_unreadable(overrides)
        refuse_choices(overrides)
        return compose(config_name, overrides=overrides)
    # Hydra answers a group choice that is a number with a bare ValueError
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        defaults = compose_parts(config_name, parts)
        raise InputError(explain(error, overrides, defaults)) from error


def compose_parts(config_name: str, parts: list[str]) -> DictConfig:
    """Return the defaults of a command with the chosen parts.

    Raises:
        InputError: a part chooses a second one, of a group that this command does not have.
    """
    try:
        return compose(config_name, overrides=parts)
    except HydraException as error:
        missing = re.search(r"In '(\w+)/(\w+)': Could not override '(\w+)'", str(error))
        if missing is None:
            raise
        group, choice, other = missing.groups()
        raise ConfigError(
            group, choice, f"chooses a {other} too, and lrdqn {config_name} has none"
        ) from error


def chosen_parts(config_name: str, overrides: list[str]) -> list[str]:
    """Return the overrides that choose parts with keys of their own: environment, agent,
    experiment.

    Raises:
        InputError: a chosen plugin cannot be loaded, or an installed one takes a name of lrdqn's
            own.
    """
    chosen: list[str] = []
    for part in [part for part in groups_of(config_name) if part in families.GROUPS]:
        families.refuse_taken(part, ready_made(part))
        name = next(
            (o.partition("=")[2] for o in reversed(overrides) if o.startswith(f"{part}=")), None
        )
        if name in families.installed(part):
            families.load(part, name)
        chosen += [f"{part}={name}"] if name in choices(part) else []
    if "experiment" in groups_of(config_name):
        named = [
            o
            for o in overrides
            if o.startswith("experiment=") and o.partition("=")[2] in choices("experiment")
        ]
        chosen += named[-1:]
    return chosen


def refuse_choices(overrides: list[str]) -> None:
    """Raise ``ConfigError`` for a comma-separated value, which is a sweep and needs ``-m``."""
    for override in OverridesParser.create().parse_overrides(overrides):
        if override.is_sweep_override():
            key, _, value = (override.input_line or "").partition("=")
            raise ConfigError(key, value, "is a list of choices; sweep over it with -m")


def groups_of(config_name: str) -> dict[str, list[str]]:
    """Return the config groups in a command's defaults list, with the choices of each."""
    rows = OmegaConf.load(CONF / f"{config_name}.yaml").defaults
    names = [
        str(name) for row in rows if isinstance(row, DictConfig) for name in row if name != "hydra"
    ]
    return {name: choices(name) for name in names}


def choices(group: str) -> list[str]:
    """Return the names that a config group offers, installed plugins among them."""
    return sorted({*ready_made(group), *families.installed(group)})


def ready_made(group: str) -> list[str]:
    """Return the names of a group in ``conf/``."""
    return [path.stem for path in (CONF / group).glob("*.yaml")]


def dotted_keys(config: DictConfig, prefix: str = "") -> list[str]:
    """Return all keys of a config, nodes and leaves, in dotted form."""
    keys: list[str] = []
    for name, value in config.items_ex(resolve=False):
        keys.append(f"{prefix}{name}")
        if isinstance(value, DictConfig):
            keys += dotted_keys(value, f"{prefix}{name}.")
    return keys


def of_others(key: str, defaults: DictConfig) -> str:
    """Return the message for a key that another agent or environment has; empty where none has
    it."""
    part, _, rest = key.partition(".")
    others = families.with_key(part, rest) if part in families.GROUPS and rest else []
    if not others:
        return ""
    chosen = defaults[part][families.NAMED_BY[part]]
    what = f"this agent ({chosen})" if part == "agent" else f"{part}={chosen}"
    return f"is not read by {what}; leave it out, or use {part}={others[0]}"


def explain(error: Exception, overrides: list[str], defaults: DictConfig) -> str:
    """Return several lines of Hydra or OmegaConf as one that names the key, the value and what is
    allowed."""
    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    text = "\n".join(str(link) for link in chain)
    given = {key.lstrip("+~"): value for key, _, value in (o.partition("=") for o in overrides)}

    missing_group = re.search(r"Could not (?:find|load) '([^']+)'", text)
    if missing_group:
        group, _, choice = missing_group.group(1).rpartition("/")
        if group == "hydra/launcher":
            allowed = (
                "must be basic, submitit_local or submitit_slurm "
                "(the last two: pip install 'lrdqn[slurm]')"
            )
            return str(ConfigError(group, choice, allowed))
        return str(ConfigError(group, choice, "must be one of " + ", ".join(choices(group))))
    if "Config group override must be a string" in text:
        group = next(key for key in given if (CONF / key).is_dir())
        return str(ConfigError(group, given[group], "must be one of " + ", ".join(choices(group))))
    unknown = re.search(r"Could not override '([^']+)'|Key '([^']+)' (?:is )?not in", text)
    if unknown:
        key = (unknown.group(1) or unknown.group(2)).split("@")[0]
        of_live = OF_LIVE.get(key, "")
        if of_live in given:
            return str(
                ConfigError(
                    of_live,
                    given[of_live],
                    "changes the live world; must be left out with another env",
                )
            )
        why = of_others(key, defaults) or unknown_key(key, dotted_keys(defaults))
        return str(ConfigError(key, given.get(key, "?"), why))
    wrong = re.search(
        r"Value '(.*?)'(?: of type '\w+')? (?:could not be converted to|is not a valid) (\w+)", text
    )
    if wrong:
        key = re.search(r"full_key: (\S+)", text)
        names = {
            "Float": "a number",
            "Integer": "a whole number",
            "Boolean": "true or false",
            "String": "a text",
        }
        return str(
            ConfigError(
                key.group(1) if key else "?",
                wrong.group(1),
                "must be " + names.get(wrong.group(2), wrong.group(2)),
            )
        )
    listed = re.search(r"is not a ListConfig.*?full_key: (\S+)", text, re.DOTALL)
    if listed:
        key_given = listed.group(1)
        return str(ConfigError(key_given, given.get(key_given, "?"), "must be a list, [a,b,...]"))
    if "Lexer" in text or "OverrideParseException" in text or "parsing override" in text:
        return (
            f"{' '.join(overrides)}: cannot be read; arguments are "
            "KEY=VALUE (quote values with spaces or brackets)"
        )
    first = next(line.strip() for line in text.splitlines() if line.strip())
    key = re.search(r"full_key: (\S+)", text)
    return f"{key.group(1)}: {first}" if key else first
