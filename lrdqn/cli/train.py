"""``lrdqn train``: train, print the table and leave a run folder, or resume a run that was
stopped."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from lrdqn.cli.launch import job_files, launch, split_arguments
from lrdqn.compose.families import env_family
from lrdqn.compose.overrides import CONF
from lrdqn.compose.roots import TrainRun
from lrdqn.compose.words import value_of, word
from lrdqn.config import ConfigError, InputError
from lrdqn.runner.folder import HYDRA

BARE_NAN = re.compile(r"(?<![\w'])nan(?![\w'])")


def preflight(config: TrainRun) -> None:
    """Raise ``InputError`` where files are missing or the folder is taken, before Hydra creates
    anything."""
    from lrdqn.runner.folder import check_free, check_place
    from lrdqn.runner.loggers import check_loggers

    env_family(config.env.kind).check_files(config.env)
    check_loggers(config.logger)
    overrides, flags = split_arguments(sys.argv[1:])
    given = by_key(overrides)
    swept = bool(flags.keys() & {"-m", "--multirun"}) or makes_several(given.get("sweep"))
    key, place = ("hydra.sweep.dir", "multirun") if swept else ("hydra.run.dir", "runs")
    if config.runtime.coordinator is not None and key not in given:
        raise ConfigError(key, "null", "processes that share a run need one folder; give it")
    chosen = value_of(f"{key}={given[key]}") if key in given else place
    check_place(chosen)
    if "hydra.run.dir" in given and config.resume is None:
        check_free(value_of(f"hydra.run.dir={given['hydra.run.dir']}"))


def task(config: TrainRun, composed: DictConfig) -> float | None:
    """Run one job and return its score, the learned policy's mean return. A job that is asked to
    stop exits with code 0."""
    from lrdqn.cli.runtime import prepare

    prepare(config.runtime)
    from lrdqn.cli.report import show_run
    from lrdqn.runner.devices import is_main_process
    from lrdqn.runner.run import run_in

    folder, files = job_files(config, composed)
    summary = run_in(folder, config, files, say)
    if summary is None:
        raise SystemExit(0)
    if is_main_process():
        show_run(folder)
    return summary["score"]


def makes_several(sweep: str | None) -> bool:
    """Return whether a ready sweep is several runs, rather than a grid in one program."""
    path = CONF / "sweep" / f"{sweep}.yaml"
    return path.is_file() and OmegaConf.select(OmegaConf.load(path), "hydra.mode") == "MULTIRUN"


def say(text: str) -> None:
    """Print one line at once."""
    print(text, flush=True)


def rewrite(argv: list[str]) -> list[str]:
    """Return the arguments as Hydra must see them."""
    return continued(
        [BARE_NAN.sub("'nan'", a) if a.startswith("debug=") else a for a in argv]
    )  # Hydra reads a bare nan as a float


def continued(argv: list[str]) -> list[str]:
    """Expand ``resume=PATH`` to the run's own arguments, the new ones, and the run's own folder.

    Raises:
        InputError: PATH is not a run folder, or it is combined with a sweep or another folder.
    """
    overrides, flags = split_arguments(argv)
    given = by_key(overrides)
    path = given.get("resume", "null")
    if path in ("null", "auto", "", "None"):
        return argv
    if "-m" in flags or "--multirun" in flags:
        raise InputError(
            f"resume={path}: continues one run; a sweep is continued "
            "by resume=auto hydra.sweep.dir=FOLDER"
        )
    if "hydra.run.dir" in given:
        raise InputError(
            f"resume={path}: the run goes on in its own folder; leave hydra.run.dir out"
        )
    run = Path(value_of(f"resume={path}")).expanduser()
    source = run / HYDRA / "overrides.yaml"
    if not source.is_file():
        raise InputError(
            f"resume={path}: no .hydra/overrides.yaml there; must be the folder of a run"
        )
    saved = [str(row) for row in OmegaConf.to_container(OmegaConf.load(source)) or []]
    folder = word("hydra.run.dir", run.resolve()).partition("=")[2]
    merged = {**by_key(saved), **given, "hydra.run.dir": folder, "hydra.mode": "RUN"}
    return [f"{key}={value}" for key, value in merged.items()] + [
        a for a in argv if a.startswith("-")
    ]


def by_key(overrides: list[str]) -> dict[str, str]:
    """Return ``KEY=VALUE`` arguments as a dict; the last one of a key counts."""
    rows = [override.partition("=") for override in overrides]
    return {key: value for key, _, value in rows}


def main() -> None:
    """Run ``lrdqn train``."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    launch("train", TrainRun, task, preflight, rewrite)
