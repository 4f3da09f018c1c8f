"""``lrdqn train`` as benchmarks call it: into a folder that is reused where the run has finished
and resumed where it has not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

RATED = (
    "env.familiar=4",
    "env.popular=6",
    "env.similar=6",
    "env.law.click_slope=0.4",
    "env.law.engage_slope=0.4",
    "env.law.experience_hook=-1.4",
)
"""Settings of the MovieLens world. Few users know most of its 9,066 movies, so candidates come by
recall; utilities spread further than the law assumes, so slopes are halved; the hook's weight was
chosen by head-room (results/NOTES.md)."""


def train(overrides: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run ``lrdqn train OVERRIDES``; return its summary.

    Raises:
        SystemExit: the folder holds a run of other overrides.
    """
    if not (folder / "summary.json").is_file():
        lrdqn = str(Path(sys.executable).with_name("lrdqn"))
        subprocess.run(
            [lrdqn, "train", *overrides, f"hydra.run.dir={folder}", "resume=auto"], check=True
        )
    before = {
        word
        for word in OmegaConf.load(folder / ".hydra" / "overrides.yaml")
        if not word.startswith("resume=")
    }
    if other := before ^ set(overrides):
        raise SystemExit(
            f"{folder} holds a run of other overrides: {', '.join(sorted(other))}; move it away"
        )
    return json.loads((folder / "summary.json").read_text())


def population_overrides(population: Path) -> list[str]:
    """Return the overrides that train on a population with the settings that ``lrdqn calibrate``
    suggests for it."""
    beside = population.with_name(f"{population.name}.overrides")
    return [
        f"env.population={population}",
        *(beside.read_text().split() if beside.is_file() else []),
    ]


def curve(folder: Path, policy: str = "learned") -> tuple[np.ndarray, np.ndarray]:
    """Return env steps ``[T]`` and the greedy policy's return ``[T, seeds]`` along training."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    own = {
        (row["env_steps"], row["seed"]): row["return"] for row in lines if row["policy"] == policy
    }
    steps, seeds = (sorted({place[i] for place in own}) for i in (0, 1))
    return np.array(steps), np.array([[own[step, seed] for seed in seeds] for step in steps])
