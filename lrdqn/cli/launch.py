"""From the command line to a frozen configuration: compose, check, and only then hand over to
Hydra.

``@hydra.main`` writes its folder before the task runs and reports errors in several lines.
Therefore every job of the command (all of them, in a sweep) is composed and checked here first, and
a mistake is answered in one line with exit code 2, before jax is imported or anything is written.
"""

from __future__ import annotations

import itertools
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

from lrdqn.cli.failed_jobs import guarded, report_failed
from lrdqn.cli.help import help_text
from lrdqn.cli.main import stop_writing
from lrdqn.compose.freeze import freeze
from lrdqn.compose.overrides import (
    CONF,
    chosen_parts,
    compose_parts,
    dotted_keys,
    explain,
    groups_of,
    refuse_choices,
    with_environment,
)
from lrdqn.compose.record import resolved, with_absolute_paths
from lrdqn.compose.roots import register_schemas
from lrdqn.compose.words import refuse_unreadable
from lrdqn.config import ConfigError, InputError

if TYPE_CHECKING:
    from lrdqn.runner.folder import Files

T = TypeVar("T")

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
KNOWN_FLAGS = VALUED_FLAGS | {
    "--help",
    "-h",
    "--hydra-help",
    "--version",
    "--resolve",
    "--run",
    "-r",
    "--multirun",
    "-m",
    "--shell-completion",
    "-sc",
    "--experimental-rerun",
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


def split_arguments(argv: list[str]) -> tuple[list[str], dict[str, str | None]]:
    """Split arguments into Hydra's overrides and Hydra's flags."""
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
    """Return every job of a sweep over choices, as Hydra's basic sweeper will make them."""
    axes: list[list[str]] = []
    for override in OverridesParser.create().parse_overrides(overrides):
        if override.is_sweep_override():
            key = override.get_key_element()
            axes.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        else:
            axes.append([override.input_line or ""])
    return [list(job) for job in itertools.product(*axes)]


def check_jobs(
    config_name: str, schema: type[T], argv: list[str], preflight: Callable[[T], None]
) -> None:
    """Compose and freeze every job of a command line.

    Raises:
        InputError: a job is wrong; the message is the one line to print.
    """
    overrides, flags = split_arguments(argv)
    refuse_flags(config_name, flags)
    refuse_empty_folders(overrides)
    refuse_unreadable(overrides)
    parts = chosen_parts(config_name, overrides)
    shown = flags.get("--cfg") or flags.get("-c")
    if ASKING_FLAGS & flags.keys() and not shown:
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
                config = freeze(schema, compose(config_name, overrides=job + extra))
                if not shown:
                    preflight(config)
        # Hydra answers a group choice that is a number with a bare ValueError
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise InputError(explain(error, overrides, defaults)) from error


def refuse_empty_folders(overrides: list[str]) -> None:
    """Raise ``ConfigError`` where Hydra is given an empty folder, which means the current one."""
    for override in overrides:
        key, equals, value = override.partition("=")
        key = key.lstrip("+~")
        if key in ("hydra.run.dir", "hydra.sweep.dir") and not (equals and value.strip(" '\"")):
            raise ConfigError(key, value, "is empty; give a folder, or leave it out")


def refuse_flags(config_name: str, flags: dict[str, str | None]) -> None:
    """Raise ``InputError`` for an option that there is not, or one without its value."""
    for flag, value in flags.items():
        if flag not in KNOWN_FLAGS:
            key = flag.lstrip("-").replace("-", "_")
            near = [k for k in known_keys(config_name) if k.rpartition(".")[2] == key]
            form = f"{near[0] if near else 'KEY'}={value or 'VALUE'}"
            raise InputError(f"{flag}: unknown option; settings are given as {form}")
        if flag in ("--cfg", "-c") and value not in ("job", "hydra", "all"):
            raise InputError(f"{flag} {value or ''}: must be one of job, hydra, all")


def known_keys(config_name: str) -> list[str]:
    """Return the dotted keys of a command's defaults, the shortest first."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return sorted(dotted_keys(compose_parts(config_name, [])), key=len)


def sweep_of(config_name: str, overrides: list[str], extra: list[str]) -> list[str] | None:
    """Return the overrides that a ready sweep (``sweep=NAME``) adds to the command line; ``None``
    where the command is a single run."""
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


def fail(message: str) -> None:
    """Print one line and exit with code 2."""
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
        task: called with the frozen config and the composed one; its result is the job's score for
            sweepers.
        preflight: checks that need files (no jax); raises ``InputError``.
        rewrite: expands the arguments (``resume=PATH``); raises ``InputError``.
    """
    register_schemas()
    try:
        if {"-h", "--help"} & set(sys.argv[1:]):
            parts = chosen_parts(config_name, split_arguments(sys.argv[1:])[0])
            with initialize_config_dir(str(CONF), version_base="1.3"):
                config = compose_parts(config_name, parts)
            sys.stdout.write(help_text(config_name, schema, config, groups_of(config_name)))
            return
        sys.argv[1:] = rewrite(with_environment(config_name, sys.argv[1:]))
        check_jobs(config_name, schema, sys.argv[1:], preflight)
    except InputError as error:
        fail(str(error))

    @hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")
    def app(config: Any) -> float | None:
        def job() -> float | None:
            return task(freeze(schema, config), config)

        hydra_config = HydraConfig.get()
        try:
            if hydra_config.mode == RunMode.MULTIRUN:
                folder = Path(hydra_config.runtime.output_dir)
                return guarded(job, folder, list(hydra_config.overrides.task))
            return job()
        except BrokenPipeError:
            stop_writing()
        except InputError as error:
            fail(str(error))

    app()
    report_failed()


def job_files(config: Any, composed: DictConfig) -> tuple[Path, Files]:
    """Return the folder of the job that runs now, and its configuration: resolved, and as Hydra
    writes it; paths are absolute in both."""
    from lrdqn.runner.folder import Files

    hydra_config = HydraConfig.get()
    overrides = with_absolute_paths(config, list(hydra_config.overrides.task))
    hydra_files = {
        "config": OmegaConf.to_yaml(composed),
        "overrides": OmegaConf.to_yaml(OmegaConf.create(overrides)),
        "hydra": OmegaConf.to_yaml(
            OmegaConf.create({"hydra": OmegaConf.to_container(hydra_config, resolve=False)})
        ),
    }
    return Path(hydra_config.runtime.output_dir), Files(resolved(config), hydra_files, overrides)
