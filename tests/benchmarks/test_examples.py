"""The examples run, at a small size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


def example(name: str, cwd: Path) -> str:
    """Return what an example prints."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "examples" / name), "--small"],
        cwd=cwd,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "JAX_COMPILATION_CACHE_DIR": str(jax.config.jax_compilation_cache_dir),
        },
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_policy_is_trained_drawn_and_watched(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    printed = example("train_and_inspect.py", tmp_path)
    assert (tmp_path / "runs/example/learning_curve.png").read_bytes()[:4] == b"\x89PNG"
    assert "popularity" in printed
    assert "  1. streamer" in printed


def test_learning_rates_are_an_axis(tmp_path: Path) -> None:
    lines = example("vmap_learning_rates.py", tmp_path).splitlines()
    assert [float(line.split()[0]) for line in lines[1:]] == [0.0005, 0.002, 0.008]
    assert len({line.split()[2] for line in lines[1:]}) == 3, "each rate learns something else"
