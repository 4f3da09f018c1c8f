"""Mutation testing of the core: classic bugs, one at a time, in a copy of the project, against the
tests that must catch them.

    python benchmarks/mutation.py [--only TEXT] [--jobs N] [--dry]

A bug is caught when one of its named tests fails; tests that cannot be collected, or a bug whose
text is not found, are errors and not catches. A program that is only spelt differently must pass
all of the named tests. The exit code is 1 unless every bug is caught. Writes
``benchmarks/results/mutation.{json,md}``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import rows as result_files
from mutant import Mutant
from mutants_learning import LEARNING, NO_OP
from mutants_slates import SLATED
from mutants_storing import STORING

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("lrdqn", "conf", "tests", "pyproject.toml", "README.md")
FAILED_TESTS = 1
"""pytest's exit code for tests that ran and failed; other codes mean that it could not run them."""


class Result(NamedTuple):
    """The fate of a mutant: ``caught``, ``survived`` or ``error``, by which test, after how many
    seconds."""

    mutant: Mutant
    verdict: str
    by: str
    seconds: float


def copy_to(folder: Path) -> None:
    """Copy the parts of the project that tests need."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)


def applied(mutant: Mutant, folder: Path) -> None:
    """Write the bug into the copy.

    Raises:
        ValueError: its text does not occur exactly once.
    """
    place = folder / mutant.file
    text = place.read_text()
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.file}: {text.count(mutant.old)} places read {mutant.old!r}")
    place.write_text(text.replace(mutant.old, mutant.new))


def run_tests(folder: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run the named tests in the copy, which comes before any installed package on the path."""
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    where = subprocess.run(
        [sys.executable, "-c", "import lrdqn; print(lrdqn.__file__)"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    if Path(where.stdout.strip()).resolve().parents[1] != folder.resolve():
        raise RuntimeError(f"tests would import {where.stdout.strip()}, not the copy")
    quiet = ["-q", "-x", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command = [sys.executable, "-m", "pytest", *quiet, *tests]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def tried(mutant: Mutant, tests: tuple[str, ...] | None = None) -> Result:
    """Try one mutant in a copy of its own."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="lrdqn-mutant-") as temporary:
        folder = Path(temporary)
        copy_to(folder)
        try:
            applied(mutant, folder)
        except ValueError as error:
            return Result(mutant, "error", str(error), 0.0)
        ran = run_tests(folder, tests or mutant.tests)
    seconds = time.perf_counter() - began
    failed = [
        line.split(" - ")[0].removeprefix("FAILED ")
        for line in ran.stdout.splitlines()
        if line.startswith("FAILED ")
    ]
    if ran.returncode == FAILED_TESTS and failed:
        return Result(mutant, "caught", failed[0], seconds)
    if ran.returncode == 0:
        return Result(mutant, "survived", "-", seconds)
    return Result(mutant, "error", (ran.stdout + ran.stderr).strip().splitlines()[-1], seconds)


def table(results: list[Result]) -> str:
    """Return the Markdown table."""
    lines = ["| bug | file | | by | seconds |", "|---|---|---|---|---|"]
    lines += [
        f"| {r.mutant.name} | {r.mutant.file} | {r.verdict} | {r.by} | {r.seconds:.0f} |"
        for r in results
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="mutants whose name or file holds this text; writes nothing",
    )
    parser.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="copies tested side by side (2)"
    )
    parser.add_argument("--dry", action="store_true", help="write no result files")
    given = parser.parse_args()
    common = {
        "command": "python benchmarks/mutation.py",
        "commit": result_files.commit(),
        "device": result_files.device(),
    }
    chosen = [
        m for m in (*LEARNING, *STORING, *SLATED) if given.only in m.name or given.only in m.file
    ]
    named = tuple(dict.fromkeys(test for m in chosen for test in m.tests))

    def shown(mutant: Mutant) -> Result:
        result = tried(mutant, named if mutant is NO_OP else None)
        print(
            f"{result.verdict:9} {result.mutant.name} ({result.seconds:.0f} s) {result.by}",
            flush=True,
        )
        return result

    began = time.perf_counter()
    with ThreadPoolExecutor(given.jobs) as pool:
        same, *results = pool.map(shown, (NO_OP, *chosen))
    caught = sum(r.verdict == "caught" for r in results)
    sound = same.verdict == "survived"
    print(
        f"\n{table(results)}\n\n{caught} of {len(results)} caught; "
        "the program that is only spelt differently "
        f"{'passes' if sound else 'FAILS'}; {time.perf_counter() - began:.0f} s"
    )
    if not (given.only or given.dry):
        found = [
            {
                "name": "mutation",
                "metric": "bugs caught",
                "value": caught,
                "n": len(results),
                "unit": "bugs",
            },
            {
                "name": "mutation",
                "metric": "no-op passes",
                "value": int(sound),
                "n": len(named),
                "unit": "-",
            },
            *(
                {
                    "name": r.mutant.name,
                    "metric": r.verdict,
                    "value": int(r.verdict == "caught"),
                    "n": 1,
                    "unit": "-",
                    "file": r.mutant.file,
                    "by": r.by,
                    "own_seconds": round(r.seconds, 1),
                }
                for r in results
            ),
        ]
        seconds = round(time.perf_counter() - began, 1)
        result_files.write(
            "mutation", [row | common | {"seconds": seconds} for row in found], [table(results), ""]
        )
    return 0 if sound and caught == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
