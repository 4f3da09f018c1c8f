"""Race lrdqn's reference slate benchmark against RecSim's own code: user-steps per second under
random slates, 3 of 10.

    python benchmarks/speed/peers.py recsim      # once
    python benchmarks/speed/race_recsim.py [--rounds N] [--sessions N ...] [--task NAME ...] [--dry]

RecSim steps one user at a time in a loop of Python, with NumPy for the random slates; lrdqn steps
64, 1,024 and 8,192 users at once in one scan, with one XLA thread, as `lrdqn train` sets it
(`runtime.threads`). Both on one core, in turns, in one run; a session that ends is followed by
another. Writes benchmarks/results/race_recsim.{json,md}.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import rows as result_files  # pyright: ignore[reportMissingImports]
from contest import PEERS, Entry, race, ratios

TASKS = ("interest_evolution", "interest_exploration", "long_term_satisfaction")
PEER = "recsim"
SIZES = (64, 1024, 8192)
LENGTH, USER_STEPS, PEER_STEPS = 64, 2**21, 8000
Runs = dict[str, list[dict[str, Any]]]


def entries(task: str, sizes: tuple[int, ...]) -> list[Entry]:
    """Return RecSim's entry first, then lrdqn's at every size, about as many user-steps each."""
    common = {"task": task, "candidates": 10, "slate": 3, "horizon": 500, "sensitivity": 0.01}
    theirs = common | {"policy": "random", "steps": PEER_STEPS}
    ours = [
        common | {"sessions": n, "length": LENGTH, "calls": max(1, USER_STEPS // (n * LENGTH))}
        for n in sizes
    ]
    return [
        Entry(PEER, "recsim_google.py", theirs, PEER),
        *(
            Entry(f"lrdqn users={o['sessions']}", "recsim_lrdqn.py", o, env={"PJRT_NPROC": "1"})
            for o in ours
        ),
    ]


def judged(task: str, runs: Runs) -> list[dict[str, Any]]:
    """Return rows: user-steps per second of everybody, and lrdqn against RecSim, round by round."""
    found: list[dict[str, Any]] = []
    for who, each in runs.items():
        low, mid, high = np.quantile([1 / run["step_seconds"] for run in each], [0.25, 0.5, 0.75])
        speed = {"value": float(mid), "q25": float(low), "q75": float(high), "n": len(each)}
        found.append({"name": f"{task}/{who}", "metric": "speed", "unit": "user-steps/s", **speed})
    for who in runs:
        if who != PEER:
            ratio = ratios(runs[PEER], runs[who], "step_seconds")
            found.append(
                {
                    "name": f"{task}/{PEER} : {who}",
                    "metric": "time of a user-step, ratio",
                    "unit": "times",
                    **ratio,
                }
            )
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Return the Markdown table: speeds, and how many times RecSim's."""
    times = {row["name"].replace(f"{PEER} : ", ""): row for row in rows if row["unit"] == "times"}
    lines = [
        "| task | who | user-steps/s | times RecSim's own code [quartiles] |",
        "|---|---|---|---|",
    ]
    for row in rows:
        if row["metric"] == "speed":
            task, _, who = row["name"].partition("/")
            ratio = times.get(row["name"])
            said = (
                f"{ratio['value']:.0f} [{ratio['q25']:.0f}, {ratio['q75']:.0f}]" if ratio else "1"
            )
            lines.append(f"| {task} | {who} | {row['value']:,.0f} | {said} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=7,
        metavar="N",
        help="runs of everybody, in turns (%(default)s)",
    )
    parser.add_argument(
        "--sessions",
        type=int,
        nargs="+",
        default=list(SIZES),
        metavar="N",
        help="users at once (%(default)s)",
    )
    parser.add_argument("--task", nargs="+", choices=TASKS, default=list(TASKS), help="(all)")
    parser.add_argument("--dry", action="store_true", help="write no result files")
    given = parser.parse_args()
    if not (PEERS / PEER / "bin" / "python").exists():
        parser.error(f"{PEERS / PEER} is not there: python benchmarks/speed/peers.py {PEER}")
    common = {
        "command": " ".join(["python benchmarks/speed/race_recsim.py", *sys.argv[1:]]),
        "commit": result_files.commit(),
        "device": result_files.device(),
    }
    rows: list[dict[str, Any]] = []
    for task in given.task:
        print(task, flush=True)
        began = time.perf_counter()
        runs = race(entries(task, tuple(given.sessions)), given.rounds)
        seconds = round(time.perf_counter() - began, 1)
        rows += [row | common | {"seconds": seconds} for row in judged(task, runs)]
    print(f"\n{table(rows)}")
    if not given.dry:
        result_files.write("race_recsim", rows, [table(rows), ""])


if __name__ == "__main__":
    main()
