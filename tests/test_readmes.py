"""Commands and code of the READMEs: fenced blocks are run as they stand, at a small size given by
``LRDQN_OVERRIDES``; commands within the text and in tables are composed and checked."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import jax
import numpy as np
import pytest
from data.movielens_mini import write_tastes
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from lrdqn.cli.launch import check_jobs
from lrdqn.cli.train import rewrite
from lrdqn.compose.overrides import CONF, VARIABLE
from lrdqn.compose.roots import ROOTS, register_schemas

ROOT = Path(__file__).resolve().parents[1]
READMES = [
    ROOT / "README.md",
    ROOT / "conf/README.md",
    ROOT / "benchmarks/README.md",
    *sorted((ROOT / "lrdqn").rglob("README.md")),
]
SMALL = (
    "train.seeds=2 train.sessions=8 train.env_steps=64 train.warmup_steps=32 "
    "train.update_period=8 train.eval_period=32 agent.target_period=32 replay.capacity=128 "
    "replay.batch_size=8 evaluate.sessions=4 evaluate.cohorts=1 evaluate.resamples=100"
)
WORLD = "env.streamers=50 env.users=20 env.log.impressions=0"
TUNED = "tune.trials=4 tune.batch=2"
LESS = {
    "calibrate": ["sessions=64", "worlds=1", "window.sessions=500", "window.streamers=100"],
    "evaluate": ["sessions=4", "cohorts=1", "resamples=100"],
}
"""Sizes of the commands that do not read ``LRDQN_OVERRIDES``."""
NOT_RUN = {
    "python3 -m venv": "makes an environment and installs the package",
    ". .venv/bin/activate": "activates it",
    "pip install": "installs the package",
    "pytest": "the tests themselves",
}
NOT_CHECKED = {
    "env=bandit": "a plugin that must be installed; tests/test_plugins.py installs and runs it",
    "env=NAME": "NAME stands for any",
    "experiment=`": "the beginning of a command",
}
NEEDED = {"hydra/launcher=submitit": "submitit"}
"""Words of a command, and the package without which it is not checked."""
PLACES = {
    "PATH": "run",
    "runs/train/<time>": "run",
    "FILE.npy": "file.npy",
    "$(cat POP.overrides)": "env.law.click_bias=0.1",
    "$(cat OUT.overrides)": "env.law.click_bias=0.1",
}
"""Placeholders, and what the test puts there."""
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:python -m )?lrdqn (?:train|tune|evaluate|calibrate|report)\b[^`]*)`")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, *languages: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [block for language, block in FENCE.findall(text) if language in languages]


def shell_lines(path: Path) -> list[str]:
    """Commands of the shell blocks of a README, one of each ``&&`` chain at a time."""
    lines = "\n".join(blocks(path, "bash", "sh")).splitlines()
    parts = [part.strip() for line in lines for part in line.partition("  #")[0].split("&&")]
    return [part for part in parts if part and not part.startswith("#")]


def commands() -> list[str]:
    """Every command of ``lrdqn`` that stands within the text or in a table."""
    texts = [FENCE.sub("", path.read_text(encoding="utf-8")) for path in READMES]
    return sorted({command for text in texts for command in INLINE.findall(text)})


def overrides_for(command: str) -> str:
    """Sizes for one command: those of the live world only where it is a synthetic one."""
    other = re.search(r"\b(env|experiment|env\.population)=", command)
    tuned = TUNED if " tune" in command else ""
    return " ".join(filter(None, (SMALL, "" if other else WORLD, tuned)))


def environment(command: str) -> dict[str, str]:
    """Variables of a process: sizes, sources, and the session's compiled programs."""
    kept = {
        "PYTHONPATH": str(ROOT),
        "JAX_COMPILATION_CACHE_DIR": str(jax.config.jax_compilation_cache_dir),
        VARIABLE: overrides_for(command),
    }
    return {**os.environ, **kept}


def run(words: list[str], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


def lrdqn_words(line: str, cwd: Path) -> list[str]:
    """Arguments of ``python`` for a line that begins with ``lrdqn`` or ``python -m lrdqn``; the
    only substitution of the shell that is known is ``$(cat FILE)``."""

    def content(match: re.Match[str]) -> str:
        return (cwd / match.group(1)).read_text().replace("\n", " ")

    line = re.sub(r"\$\(cat ([^)]+)\)", content, line)
    command, *rest = shlex.split(line.removeprefix("python -m "))[1:]
    cache = [f"runtime.cache_dir={jax.config.jax_compilation_cache_dir}"]
    resumed = any(word.startswith("resume=") for word in rest)
    more = [] if command == "report" or resumed else cache
    return ["-m", "lrdqn", command, *rest, *LESS.get(command, []), *more]


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in READMES if shell_lines(p)], ids=name_of)
def test_shell_blocks_run_as_they_stand(path: Path, tmp_path: Path) -> None:
    write_tastes(tmp_path / "ml-latest-small")
    for line in shell_lines(path):
        if not line.startswith(("lrdqn", "python -m lrdqn")):
            assert line.startswith(tuple(NOT_RUN)), f"{line}: run it, or give a reason in NOT_RUN"
            continue
        env = environment(line)
        if "resume=" in line:  # the run's own words hold the sizes; what is extended is not
            env[VARIABLE] = "tune.trials=6" if " tune " in line else "train.env_steps=128"
        done = run(lrdqn_words(line, tmp_path), tmp_path, env)
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in READMES if blocks(p, "python")], ids=name_of)
def test_python_blocks_run_as_they_stand(path: Path, tmp_path: Path) -> None:
    for block in blocks(path, "python"):
        env = environment("")
        done = run(["-c", block], tmp_path, env)
        assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.mark.parametrize("path", [p for p in READMES if blocks(p, "console")], ids=name_of)
def test_mistakes_are_answered_as_printed(path: Path, tmp_path: Path) -> None:
    env = {**environment(""), VARIABLE: ""}
    for block in blocks(path, "console"):
        for line, answer in re.findall(r"^\$ (.+)\n((?:(?!\$ ).+\n)*)", block, re.MULTILINE):
            done = run(["-m", "lrdqn", *shlex.split(line)[1:]], tmp_path, env)
            assert done.returncode == 2
            assert done.stdout + done.stderr == answer


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what placeholders stand for: a run's configuration and a file of embeddings."""
    folder = tmp_path_factory.mktemp("place")
    register_schemas()
    (folder / "run" / ".hydra").mkdir(parents=True)
    (folder / "run" / ".hydra" / "overrides.yaml").write_text("- agent=dqn\n")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        OmegaConf.save(compose("train"), folder / "run" / "resolved.yaml")
    np.save(folder / "file.npy", np.ones((1000, 4)))
    return folder


@pytest.mark.parametrize("command", commands())
def test_commands_in_the_text_are_right(
    command: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = [why for words, why in NOT_CHECKED.items() if words in command + "`"]
    if reasons:
        pytest.skip(reasons[0])
    for words, package in NEEDED.items():
        if words in command and find_spec(package) is None:
            pytest.skip(f"needs {package}")
    monkeypatch.chdir(place)
    for name, substitute in PLACES.items():
        command = command.replace(name, substitute)
    command = command.replace("resume=DIR", "resume=run")
    name, *words = shlex.split(command.removeprefix("python -m "))[1:]
    if name in ("evaluate", "report") and not words:
        return  # the command's name, not a call
    if name in ("train", "tune"):
        words = rewrite(words)
    monkeypatch.setattr(sys, "argv", ["lrdqn", *words])
    register_schemas()
    check_jobs(name, ROOTS[name], words, lambda config: None)


def test_scripts_that_the_texts_name_exist() -> None:
    for path in READMES:
        for script in re.findall(r"`python (benchmarks/[\w/]+\.py)", path.read_text()):
            assert (ROOT / script).is_file(), f"{name_of(path)}: {script}"
