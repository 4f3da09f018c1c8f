"""From the command line to a frozen config: compose, check, and only then hand over to Hydra
(DESIGN P15).

``@hydra.main`` writes its folder before the task runs and answers its own errors with several
lines; so every job of the command (all of them, in a sweep) is composed and checked here first, and
a mistake costs one line and exit code 2.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lrdqn.cli.help import help_text
from lrdqn.cli.main import stop_writing
from lrdqn.compose import plugins
from lrdqn.compose.freeze import BUILT_IN, freeze, unknown_key
from lrdqn.compose.roots import register_schemas
from lrdqn.config import ConfigError, InputError

if TYPE_CHECKING:
    from lrdqn.runner.folder import Files

T = TypeVar("T")

_HERE = Path(__file__).resolve().parents[1]
CONF = _HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parent / "conf"
"""``conf/`` lies inside the package in a wheel and beside it in a checkout."""

VALUED_FLAGS = {
    "--config-path",
    "-cp",
    "--config-name",
    "-cn",
    "--config-dir",
    "-cd",
    "--package",
    "-p",
    "--cfg",
    "-c",
    "--info",
    "-i",
}
ASKING_FLAGS = {
    "--help",
    "-h",
    "--hydra-help",
    "--version",
    "--cfg",
    "-c",
    "--info",
    "-i",
    "--shell-completion",
    "-sc",
    "--resolve",
}


OF_LIVE = {"content": "content", "reward": "reward", "perturb": "perturbation"}
"""Keys of the live world alone, and the group that changes each."""


def split_arguments(argv: list[str]) -> tuple[list[str], dict[str, str | None]]:
    """Hydra's overrides and Hydra's flags."""
    overrides: list[str] = []
    flags: dict[str, str | None] = {}
    waiting: str | None = None
    for argument in argv:
        if waiting:
            flags[waiting], waiting = argument, None
        elif argument.startswith("-"):
            name, equals, value = argument.partition("=")
            flags[name] = value if equals else None
            waiting = name if name in VALUED_FLAGS and not equals else None
        else:
            overrides.append(argument)
    return overrides, flags


def expand_sweep(overrides: list[str]) -> list[list[str]]:
    """Every job of a sweep over choices, as Hydra's basic sweeper will make them."""
    axes: list[list[str]] = []
    for override in OverridesParser.create().parse_overrides(overrides):
        if override.is_sweep_override():
            key = override.get_key_element()
            axes.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        else:
            axes.append([override.input_line or ""])
    return [list(job) for job in itertools.product(*axes)]


def check(
    config_name: str, schema: type[T], argv: list[str], preflight: Callable[[T], None]
) -> None:
    """Compose and freeze every job that ``argv`` asks for.

    Raises:
        InputError: with the one line to print.
    """
    overrides, flags = split_arguments(argv)
    parts = chosen_parts(config_name, overrides)
    if ASKING_FLAGS & flags.keys():
        return
    searched = flags.get("--config-dir") or flags.get("-cd")
    extra = [f"hydra.searchpath=[file://{Path(searched).resolve()}]"] if searched else []
    with initialize_config_dir(str(CONF), version_base="1.3"):
        defaults = compose_parts(config_name, parts)
        try:
            sweep = "--multirun" in flags or "-m" in flags
            swept = sweep_of(config_name, overrides, extra)
            for job in (
                expand_sweep(overrides + (swept or []))
                if sweep or swept is not None
                else [overrides]
            ):
                if not sweep and swept is None:
                    refuse_choices(job)
                config = compose(config_name, overrides=job + extra)
                preflight(freeze(schema, config))
        # Hydra answers a group choice that is a number with a bare ValueError
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise InputError(explain(error, overrides, defaults)) from error


def compose_parts(config_name: str, parts: list[str]) -> DictConfig:
    """The defaults of a command with the parts that were chosen.

    Raises:
        InputError: one of them chooses another part with it, which this command does not have.
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
    """What the command line chooses that brings keys of its own, environment, agent or experiment,
    as overrides.

    Raises:
        InputError: one of them is a plugin that cannot be loaded, or one that is installed takes a
            name of lrdqn's own.
    """
    chosen: list[str] = []
    for part in [part for part in groups_of(config_name) if part in plugins.GROUPS]:
        plugins.refuse_taken(part, {*ready_made(part), *BUILT_IN[part]})
        name = next(
            (o.partition("=")[2] for o in reversed(overrides) if o.startswith(f"{part}=")), None
        )
        if name in plugins.names(part):
            plugins.load(part, name)
        chosen += [f"{part}={name}"] if name in choices(part) else []
    if "experiment" in groups_of(config_name):
        named = [
            o
            for o in overrides
            if o.startswith("experiment=") and o.partition("=")[2] in choices("experiment")
        ]
        chosen += named[-1:]
    return chosen


def sweep_of(config_name: str, overrides: list[str], extra: list[str]) -> list[str] | None:
    """What a ready sweep (``sweep=NAME``) adds to the command line; ``None`` where the command is a
    single run."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    single = [o for o, p in zip(overrides, parsed, strict=True) if not p.is_sweep_override()]
    hydra_config = compose(config_name, overrides=single + extra, return_hydra_config=True).hydra
    if hydra_config.mode != RunMode.MULTIRUN:
        return None
    given = {p.get_key_element() for p in parsed}
    return [
        f"{key}={value}"
        for key, value in (hydra_config.sweeper.params or {}).items()
        if key not in given
    ]


def refuse_choices(overrides: list[str]) -> None:
    """A comma-separated value without ``-m`` is a sweep that was not asked for."""
    for override in OverridesParser.create().parse_overrides(overrides):
        if override.is_sweep_override():
            key, _, value = (override.input_line or "").partition("=")
            raise ConfigError(key, value, "is a list of choices; sweep over it with -m")


def explain(error: Exception, overrides: list[str], defaults: DictConfig) -> str:
    """Hydra's and OmegaConf's several lines as one that names the key, the value and what is
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
        return str(ConfigError(key, given.get(key, "?"), unknown_key(key, dotted_keys(defaults))))
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


def groups_of(config_name: str) -> dict[str, list[str]]:
    """Config groups that a command's defaults list names, and what each offers."""
    rows = OmegaConf.load(CONF / f"{config_name}.yaml").defaults
    names = [
        str(name) for row in rows if isinstance(row, DictConfig) for name in row if name != "hydra"
    ]
    return {name: choices(name) for name in names}


def choices(group: str) -> list[str]:
    """Names that a config group offers, installed plugins among them."""
    return sorted({*ready_made(group), *plugins.names(group)})


def ready_made(group: str) -> list[str]:
    """Names that ``conf/`` has for a group."""
    return [path.stem for path in (CONF / group).glob("*.yaml")]


def dotted_keys(config: DictConfig, prefix: str = "") -> list[str]:
    """All keys of a config, nodes and leaves, in dotted form."""
    keys: list[str] = []
    for name, value in config.items_ex(resolve=False):
        keys.append(f"{prefix}{name}")
        if isinstance(value, DictConfig):
            keys += dotted_keys(value, f"{prefix}{name}.")
    return keys


def fail(message: str) -> None:
    """Print one line and leave with exit code 2."""
    sys.stderr.write(f"lrdqn: {' '.join(message.split())}\n")
    raise SystemExit(2)


def launch(
    config_name: str,
    schema: type[T],
    task: Callable[[T, DictConfig], float | None],
    preflight: Callable[[T], None] = lambda config: None,
    rewrite: Callable[[list[str]], list[str]] = lambda argv: argv,
) -> None:
    """Run a command.

    Args:
        config_name: primary config in ``conf/``.
        schema: its root dataclass.
        task: gets the frozen config and the composed one; its result is the job's score for
            sweepers (DESIGN P18).
        preflight: checks that need files (no jax); raises ``InputError``.
        rewrite: the arguments as what they stand for; raises ``InputError``.
    """
    register_schemas()
    try:
        if {"-h", "--help"} & set(sys.argv[1:]):
            parts = chosen_parts(config_name, split_arguments(sys.argv[1:])[0])
            with initialize_config_dir(str(CONF), version_base="1.3"):
                config = compose_parts(config_name, parts)
            sys.stdout.write(help_text(config_name, schema, config, groups_of(config_name)))
            return
        sys.argv[1:] = rewrite(sys.argv[1:])
        check(config_name, schema, sys.argv[1:], preflight)
    except InputError as error:
        fail(str(error))

    @hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")
    def app(config: Any) -> float | None:
        try:
            return task(freeze(schema, config), config)
        except BrokenPipeError:
            stop_writing()
        except InputError as error:
            fail(str(error))

    app()


def job_files(config: DictConfig) -> tuple[Path, Files]:
    """The folder of the job that runs now, and what it keeps of its configuration: resolved, and as
    Hydra has it."""
    from lrdqn.runner.folder import Files

    hydra_config = HydraConfig.get()
    overrides = list(hydra_config.overrides.task)
    hydra_files = {
        "config": OmegaConf.to_yaml(config),
        "overrides": OmegaConf.to_yaml(OmegaConf.create(overrides)),
        "hydra": OmegaConf.to_yaml(
            OmegaConf.create({"hydra": OmegaConf.to_container(hydra_config, resolve=False)})
        ),
    }
    return Path(hydra_config.runtime.output_dir), Files(
        OmegaConf.to_yaml(config, resolve=True), hydra_files, overrides
    )
