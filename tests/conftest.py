"""Settings of every test: two fake CPU devices, rank promotion an error; stricter still where the
code is all lrdqn's own.

Three tiers: ``pytest`` runs the fast tests; ``-m slow`` those that train, start processes or take
minutes; ``-m benchmarks`` those of ``tests/benchmarks``; ``-m all`` everything. A file or a test
that is named on the command line is run whatever its tier. Two processes share the files
(pytest-xdist, ``addopts`` in ``pyproject.toml``), the longest first.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

# Before jax is imported, or they are not read; processes that tests start inherit them.
os.environ["JAX_PLATFORMS"] = "cpu"
# Tests wait for the compiler far longer than for what it compiles: with these settings it takes a
# sixth of the time.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_force_host_platform_device_count=2",
        *(
            ("--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1")
            if version("jaxlib").startswith("0.10.")  # a flag unknown to XLA ends the process
            else ()
        ),
    ]
).strip()
# One thread a device, as `lrdqn` itself sets it: a worker then keeps to its own core.
os.environ.setdefault("PJRT_NPROC", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    """Declare the options in ``addopts`` that pytest-xdist defines, where it is missing (``-p
    no:xdist``); all tests then run in one process."""
    if not pluginmanager.hasplugin("xdist"):
        parser.addoption(
            "--numprocesses", "--dist", help="how pytest-xdist shares the work; it is not there"
        )
        parser.addoption("--no-loadscope-reorder", action="store_true", help="as above")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the tier: the fast one, unless ``-m`` or the name of a file says otherwise; ``all`` is
    no marker but every test."""
    if hasattr(config, "workerinput"):
        config.option.markexpr = config.workerinput["tier"]
        return
    named = any(arg.partition("::")[0].endswith(".py") for arg in config.args)
    if not config.option.markexpr and not named:
        config.option.markexpr = "not slow and not benchmarks"
    elif config.option.markexpr == "all":
        config.option.markexpr = ""


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist, which reads the command line anew, what was chosen."""
    node.workerinput["tier"] = node.config.option.markexpr


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of ``tests/benchmarks``; put the longest files first, the others as they
    come."""
    for item in items:
        if item.path.is_relative_to(TESTS / "benchmarks"):
            item.add_marker("benchmarks")
    rank = {TESTS / name: i for i, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(autouse=True)
def strict_jax(request: pytest.FixtureRequest) -> Iterator[None]:
    """Turn on strict dtype promotion and the key-reuse check for tests in ``STRICT_FOLDERS``; the
    latter for evaluations too."""
    folder = request.path.relative_to(TESTS).parts[0]
    if folder == "evaluation":
        with jax.debug_key_reuse(True):
            yield
        return
    if folder not in STRICT_FOLDERS:
        yield
        return
    with jax.numpy_dtype_promotion("strict"), jax.debug_key_reuse(True):
        yield


@pytest.fixture(scope="session", autouse=True)
def compiled_programs_are_kept(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Compile each program once a session, as many tests compile the same ones: the workers, and
    the processes that a test starts, share one compilation cache."""
    base = tmp_path_factory.getbasetemp()
    shared = (
        base.parent if hasattr(pytestconfig, "workerinput") else base
    )  # a worker's own folder lies in the session's
    jax.config.update("jax_compilation_cache_dir", str(shared / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
