"""The main job, timed and recorded: the default run, and the run on a population fitted to
MovieLens.

    python benchmarks/main_job.py --out runs/main_job [--movielens DIR]

Writes ``benchmarks/results/main_job.json`` and ``.md``; the run folders stay under ``--out``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import launch
import rows


def run(overrides: list[str]) -> float:
    """Run ``lrdqn`` as a user would; return its seconds, imports and compilation included."""
    began = time.perf_counter()
    subprocess.run([str(Path(sys.executable).with_name("lrdqn")), *overrides], check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for the run folders; must not hold earlier ones",
    )
    parser.add_argument(
        "--movielens", type=Path, help="folder of ml-latest-small; left out, its table is not made"
    )
    given = parser.parse_args()
    jobs = {"default": ([], "lrdqn train runtime.cache_dir=null")}
    if given.movielens:
        population = given.out / "population"
        run(
            [
                "calibrate",
                "source=movielens",
                f"path={given.movielens}",
                f"out={population}",
                *launch.RATED,
            ]
        )
        jobs["movielens"] = (
            launch.population_overrides(population),
            "lrdqn train env.population=POP $(cat POP.overrides) runtime.cache_dir=null",
        )
    result = []
    for name, (overrides, command) in jobs.items():
        folder = given.out / name
        seconds = run(["train", "runtime.cache_dir=null", f"hydra.run.dir={folder}", *overrides])
        result += rows.summary_rows(
            name, json.loads((folder / "summary.json").read_text()), command, seconds
        )
    rows.write("main_job", result)


if __name__ == "__main__":
    main()
