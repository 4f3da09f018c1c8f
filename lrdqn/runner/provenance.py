"""Environment of a run: versions, machine, devices, source commit, kept beside the results so that
they can be reproduced."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import lrdqn

PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "chex",
    "numpy",
    "hydra-core",
    "omegaconf",
    "orbax-checkpoint",
    "jaxtyping",
    "rich",
    "safetensors",
)
"""Distributions whose versions can change a result or how it is written."""

VARIABLES = ("XLA_FLAGS", "JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES")
"""Environment variables that affect the compiler and the choice of devices. No others are recorded,
as some hold secrets."""

GIT_SECONDS = 10.0


def describe_environment() -> dict[str, Any]:
    """Return the contents of ``env.json``. Starts jax's backend if it is not running yet."""
    import jax

    devices = jax.devices()
    return {
        "lrdqn": lrdqn.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
        "devices": [{"id": d.id, "platform": d.platform, "kind": d.device_kind} for d in devices],
        "variables": {name: os.environ.get(name) for name in VARIABLES},
        "x64": bool(jax.config.read("jax_enable_x64")),
        "git": source_commit(Path(lrdqn.__file__).resolve().parents[1]),
        "argv": sys.argv,
    }


def source_commit(checkout: Path) -> dict[str, Any]:
    """Return ``{"commit", "dirty"}`` of the checkout that the code runs from; both ``None`` where
    there is none.

    Args:
        checkout: folder that must be the top of a git checkout: the commit of a repository does not
            describe a package that is installed somewhere below it.
    """
    nothing: dict[str, Any] = {"commit": None, "dirty": None}
    top = _git(checkout, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != checkout.resolve():
        return nothing
    commit, status = (
        _git(checkout, "rev-parse", "--verify", "HEAD"),
        _git(checkout, "status", "--porcelain"),
    )
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _git(folder: Path, *words: str) -> str | None:
    """Return the output of a git command that changes nothing; ``None`` where there is no git, no
    answer or no repository."""
    # inside a git hook GIT_DIR would name another repository; without optional locks `git status`
    # leaves the index as it is
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
        "GIT_OPTIONAL_LOCKS": "0"
    }
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            env=clean,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
