"""A run that is killed again and again ends as an uninterrupted one, bit for bit."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import jax
import pytest

pytestmark = pytest.mark.slow
BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "kill_resume.py"
PROBE = [
    "env=probe",
    "network=mlp",
    "train.seeds=2",
    "train.sessions=8",
    "train.env_steps=8192",
    "train.update_period=8",
    "train.warmup_steps=256",
    "train.eval_period=512",
    "agent.target_period=64",
    "evaluate.sessions=8",
    "evaluate.cohorts=1",
    "replay.capacity=1024",
]


def test_twenty_kills_end_in_the_same_numbers(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("kill_resume", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    cache = f"runtime.cache_dir={jax.config.jax_compilation_cache_dir}"
    table = benchmark.play(tmp_path / "runs", chains=6, kills=4, arguments=[*PROBE, cache])
    struck = [row for row in table if benchmark.struck(row)]
    assert len(struck) >= 20
    assert {row["phase"] for row in struck} == set(benchmark.PHASES)
    assert {row["code"] for row in struck} == {0, -9}, "SIGTERM leaves with 0, SIGKILL with nothing"
    assert all(row["same"] for row in table)
