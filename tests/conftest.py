"""How every test runs: on two fake CPU devices, with rank promotion an error; stricter still where
the code is all ours.

Two processes share the files of a run (pytest-xdist, ``addopts`` in ``pyproject.toml``), the
longest files first.
"""

from __future__ import annotations

import os
import sys

# Before jax is imported, or they are not read.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2".strip()
)

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")

TESTS = Path(__file__).resolve().parent
sys.path.append(
    str(TESTS)
)  # for `from oracles.x import ...`, which the importlib mode of pytest does not find by itself

STRICT_FOLDERS = {"ops", "replay"}
"""No implicit dtype promotion and no key used twice here; optax, which the agents call, needs the
standard promotion."""


LONGEST_FIRST = (
    "test_variants.py",
    "test_kill_resume.py",
    "test_processes.py",
    "test_run.py",
    "train/test_parts_learn.py",
    "calibration/test_targets.py",
    "test_slate_variants.py",
    "test_plugins.py",
    "train/test_loop.py",
    "test_lowering.py",
)
"""Files that take minutes; begun last, one of them would end alone on one of the cores."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Without pytest-xdist (``-p no:xdist``) its options in ``addopts`` mean nothing, and all runs
    in one process."""
    if not pluginmanager.hasplugin("xdist"):
        parser.addoption(
            "--numprocesses", "--dist", help="how pytest-xdist shares the work; it is not there"
        )
        parser.addoption("--no-loadscope-reorder", action="store_true", help="as above")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest files first; the others as they come."""
    rank = {TESTS / name: i for i, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(autouse=True)
def strict_jax(request: pytest.FixtureRequest) -> Iterator[None]:
    """Strict dtype promotion and the key-reuse check for tests in ``STRICT_FOLDERS``."""
    if request.path.relative_to(TESTS).parts[0] not in STRICT_FOLDERS:
        yield
        return
    with jax.numpy_dtype_promotion("strict"), jax.debug_key_reuse(True):
        yield


@pytest.fixture(scope="session", autouse=True)
def compiled_programs_are_kept(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Many tests compile the same programs: each is compiled once a session, whichever worker comes
    to it first."""
    base = tmp_path_factory.getbasetemp()
    shared = (
        base.parent if hasattr(pytestconfig, "workerinput") else base
    )  # a worker's own folder lies in the session's
    jax.config.update("jax_compilation_cache_dir", str(shared / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared oracles and logs beside the repository; tests that need it skip without
    it."""
    path = TESTS.parent.parent / "shared"
    if not path.is_dir():
        pytest.skip(f"no shared data at {path}")
    return path
