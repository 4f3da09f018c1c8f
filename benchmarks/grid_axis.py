"""A float grid in one program against the same learners one run after the other: seconds, and
whether the numbers agree.

    python benchmarks/grid_axis.py --out runs/grid [KEY=VALUE ...]

Six learners, three step sizes x two discounts, on the live world. Both sides start with an empty
compilation cache; the single runs share theirs among themselves, as a user's would. The compiler
orders sums differently for another batch shape, so a learner agrees with itself to float32 rounding
until rounding flips one choice, and is another sample of the same learner from then on: the table
says for how many steps they agree. Writes ``benchmarks/results/grid_axis.{json,md}``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import rows

RATES, GAMMAS = (5e-4, 2e-3, 4e-3), (0.5, 0.9)
SIZE = ["train.seeds=4", "train.env_steps=32768", "train.myopic=false"]


def run(out: Path, name: str, overrides: list[str]) -> tuple[dict, float]:
    """Run ``lrdqn train``; return its summary and its wall clock from shell to table."""
    began = time.perf_counter()
    cache = out / ("cache_grid" if name == "grid" else "cache_single")
    command = [
        str(Path(sys.executable).with_name("lrdqn")),
        "train",
        f"hydra.run.dir={out / name}",
        f"runtime.cache_dir={cache}",
    ]
    subprocess.run([*command, *SIZE, *overrides], check=True, stdout=subprocess.DEVNULL)
    return json.loads((out / name / "summary.json").read_text()), time.perf_counter() - began


def agreement(out: Path, name: str, rate: float, gamma: float) -> tuple[list[int], list[float]]:
    """Return, per seed, the last evaluation up to which all returns are bit-equal, and how much the
    losses differ until then."""

    def curves(run: str) -> dict[int, list[dict]]:
        rows = [json.loads(line) for line in (out / run / "metrics.jsonl").read_text().splitlines()]
        own = [
            row
            for row in rows
            if run != "grid" or (row["agent.learning_rate"], row["gamma"]) == (rate, gamma)
        ]
        return {
            seed: [row for row in own if row["seed"] == seed]
            for seed in {row["seed"] for row in own}
        }

    single, side, steps, losses = curves(name), curves("grid"), [], []
    for seed, rows_of_seed in single.items():
        pairs = list(zip(rows_of_seed, side[seed], strict=True))
        same = list(itertools.takewhile(lambda pair: pair[0]["return"] == pair[1]["return"], pairs))
        steps.append(same[-1][0]["env_steps"])
        losses += [abs(a["loss"] / b["loss"] - 1) for a, b in same[1:]]
    return steps, losses


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the run folders; emptied first"
    )
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE of every run")
    given = parser.parse_args()
    shutil.rmtree(given.out, ignore_errors=True)
    rates, gammas = (f"[{','.join(map(str, values))}]" for values in (RATES, GAMMAS))
    overrides = [
        f"grid.agent.learning_rate={rates}",
        f"grid.agent.gamma={gammas}",
        *given.overrides,
    ]
    grid, grid_seconds = run(given.out, "grid", overrides)
    apart, together, single_seconds = [], [], 0.0
    for rate, gamma in itertools.product(RATES, GAMMAS):
        name = f"rate{rate:g}_gamma{gamma:g}"
        own = [f"agent.learning_rate={rate}", f"agent.gamma={gamma}", *given.overrides]
        alone, seconds = run(given.out, name, own)
        single_seconds += seconds
        point = grid["policies"][f"learned[learning_rate={rate:g},gamma={gamma:g}]"]["return"]
        steps, losses = agreement(given.out, name, rate, gamma)
        apart += steps
        together += losses
        print(
            (
                f"{name}: grid {point['mean']:.4f}, alone "
                f"{alone['policies']['learned']['return']['mean']:.4f}, {seconds:.0f} s"
            ),
            flush=True,
        )
    print(
        f"grid {grid_seconds:.0f} s, one by one {single_seconds:.0f} "
        f"s; together for {sorted(apart)} env steps"
    )
    command = "python benchmarks/grid_axis.py --out DIR"
    common = {"n": 24, "command": command, "commit": rows.commit(), "device": rows.device()}
    total = round(grid_seconds + single_seconds, 1)
    figures = (
        ("one program", "wall_clock", grid_seconds, "s"),
        ("one by one", "wall_clock", single_seconds, "s"),
        ("one by one / one program", "wall_clock", single_seconds / grid_seconds, "ratio"),
        (
            "one by one and one program",
            "env steps together, median learner and seed",
            statistics.median(apart),
            "env steps",
        ),
        (
            "one by one and one program",
            "relative difference of a loss while together, median",
            statistics.median(together),
            "ratio",
        ),
    )
    rows.write(
        "grid_axis",
        [
            {
                "name": n,
                "metric": m,
                "value": float(f"{v:.4g}"),
                "unit": u,
                "seconds": total,
                **common,
            }
            for n, m, v, u in figures
        ],
    )


if __name__ == "__main__":
    main()
