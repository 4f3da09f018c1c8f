"""A float grid in one program against the same learners one run after the other: seconds, and whether the numbers agree.

    python benchmarks/grid_axis.py --out runs/grid [KEY=VALUE ...]

Six learners, three step sizes x two discounts, on the live world. Both sides start with an empty compilation cache; the single
runs share theirs among themselves, as a user's would. Writes ``benchmarks/results/grid_axis.{json,md}``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import rows

RATES, GAMMAS = (5e-4, 2e-3, 4e-3), (0.5, 0.9)
SIZE = ["train.seeds=4", "train.env_steps=32768", "train.myopic=false"]


def run(out: Path, name: str, words: list[str]) -> tuple[dict, float]:
    """Summary of a run, and its wall clock from shell to table."""
    began = time.perf_counter()
    cache = out / ("cache_grid" if name == "grid" else "cache_single")
    command = [
        str(Path(sys.executable).with_name("lrdqn")),
        "train",
        f"hydra.run.dir={out / name}",
        f"runtime.cache_dir={cache}",
    ]
    subprocess.run([*command, *SIZE, *words], check=True, stdout=subprocess.DEVNULL)
    return json.loads((out / name / "summary.json").read_text()), time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the run folders; emptied first")
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE of every run")
    given = parser.parse_args()
    shutil.rmtree(given.out, ignore_errors=True)
    rates, gammas = (f"[{','.join(map(str, values))}]" for values in (RATES, GAMMAS))
    words = [f"grid.agent.learning_rate={rates}", f"grid.agent.gamma={gammas}", *given.overrides]
    grid, grid_seconds = run(given.out, "grid", words)
    worst, single_seconds = 0.0, 0.0
    for rate, gamma in itertools.product(RATES, GAMMAS):
        name = f"rate{rate:g}_gamma{gamma:g}"
        own = [f"agent.learning_rate={rate}", f"agent.gamma={gamma}", *given.overrides]
        alone, seconds = run(given.out, name, own)
        single_seconds += seconds
        point = grid["policies"][f"learned[learning_rate={rate:g},gamma={gamma:g}]"]["return"]
        per_seed = zip(point["per_seed"], alone["policies"]["learned"]["return"]["per_seed"], strict=True)
        worst = max(worst, *(abs(a - b) for a, b in per_seed))
        print(
            f"{name}: grid {point['mean']:.4f}, alone {alone['policies']['learned']['return']['mean']:.4f}, {seconds:.0f} s",
            flush=True,
        )
    print(f"grid {grid_seconds:.0f} s, one by one {single_seconds:.0f} s, largest difference of a seed's return {worst:.3g}")
    command = "python benchmarks/grid_axis.py --out DIR"
    common = {"n": 1, "command": command, "commit": rows.commit(), "device": rows.device()}
    total = round(grid_seconds + single_seconds, 1)
    figures = (
        ("one program", "wall_clock", grid_seconds, "s"),
        ("one by one", "wall_clock", single_seconds, "s"),
        ("one by one / one program", "wall_clock", single_seconds / grid_seconds, "ratio"),
        ("one by one - one program", "largest difference of a seed's return", worst, "reward per session"),
    )
    rows.write(
        "grid_axis",
        [{"name": n, "metric": m, "value": round(v, 4), "unit": u, "seconds": total, **common} for n, m, v, u in figures],
    )


if __name__ == "__main__":
    main()
