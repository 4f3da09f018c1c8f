"""How every test runs: on two fake CPU devices, with rank promotion an error; stricter still where the code is all ours."""

from __future__ import annotations

import os
import sys

# Before jax is imported, or they are not read.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2".strip()

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")

TESTS = Path(__file__).resolve().parent
sys.path.append(str(TESTS))  # for `from oracles.x import ...`, which the importlib mode of pytest does not find by itself

STRICT_FOLDERS = {"ops", "replay"}
"""No implicit dtype promotion and no key used twice here; optax, which the agents call, needs the standard promotion."""


@pytest.fixture(autouse=True)
def strict_jax(request: pytest.FixtureRequest) -> Iterator[None]:
    """Strict dtype promotion and the key-reuse check for tests in ``STRICT_FOLDERS``."""
    if request.path.relative_to(TESTS).parts[0] not in STRICT_FOLDERS:
        yield
        return
    with jax.numpy_dtype_promotion("strict"), jax.debug_key_reuse(True):
        yield


@pytest.fixture(scope="session", autouse=True)
def compiled_programs_are_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Many tests compile the same programs: each is compiled once a session."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("xla")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared oracles and logs beside the repository; tests that need it skip without it."""
    path = TESTS.parent.parent / "shared"
    if not path.is_dir():
        pytest.skip(f"no shared data at {path}")
    return path
