"""Race lrdqn's replay against flashbax's and cpprb's, one contest after the other, each library in
a process of its own.

    python benchmarks/speed/peers.py flashbax cpprb      # once
    python benchmarks/speed/race_replay.py [--only TEXT] [--rounds N] [--iterations N] [--dry]

Prioritised: sample and write as many priorities, at several capacities and batch sizes, flashbax
with either of its setters. Uniform: add 1,024 and sample 256. All on one XLA device, compiled
apart, in turns; cpprb from its loop in Python. lrdqn has one XLA thread, as `lrdqn train` sets it
(`runtime.threads`); flashbax runs as it comes, to which the bounds refer, and with one thread too.
Metrics of a program are per round of `[add] -> sample -> [write priorities]`. Writes
benchmarks/results/race_replay.{json,md}; the exit code is 1 where a result is outside its bound.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import rows as result_files  # pyright: ignore[reportMissingImports]
from contest import PEERS, Entry, race, ratios

LEAST_ROUNDS = 7
CAPACITY, BATCH = 2**20, 256
DRIFT_BAR = 1e-6
Runs = dict[str, list[dict[str, Any]]]


class Contest(NamedTuple):
    """One task; ``bar`` is the lower bound of lrdqn's speed over that of the best peer as it comes,
    0 where there is none."""

    name: str
    options: dict[str, Any]
    peers: tuple[str, ...]
    bar: float = 0.0


ONE_THREAD = ", one thread"
ITEMS = ("flashbax", f"flashbax{ONE_THREAD}")
SETTERS = tuple(
    f"flashbax {setter}{threads}" for setter in ("scan", "bincount") for threads in ("", ONE_THREAD)
)
PRIORITIZED = {"kind": "prioritized", "capacity": CAPACITY, "batch": BATCH}
CONTESTS = (
    Contest("prioritized capacity=2^20 batch=256", PRIORITIZED, (*SETTERS, "cpprb"), 1.5),
    Contest(
        "uniform add=1024 capacity=10^6 batch=256",
        {**PRIORITIZED, "kind": "uniform", "capacity": 10**6, "add": 1024},
        ITEMS,
        1.0,
    ),
    Contest("prioritized capacity=2^17 batch=256", {**PRIORITIZED, "capacity": 2**17}, SETTERS),
    Contest("prioritized capacity=2^14 batch=256", {**PRIORITIZED, "capacity": 2**14}, SETTERS),
    Contest(
        "prioritized capacity=2^20 batch=32", {**PRIORITIZED, "batch": 32}, (*SETTERS, "cpprb")
    ),
    Contest(
        "prioritized capacity=2^20 batch=256 nothing waits", {**PRIORITIZED, "free": True}, SETTERS
    ),
    Contest(
        "prioritized capacity=2^17 batch=256 learners=8",
        {**PRIORITIZED, "capacity": 2**17, "learners": 8},
        SETTERS,
    ),
)
"""Contests in which priorities may be written before the probabilities of the draws are worked out,
as in a TD loss; in all others they may not."""


def entries(contest: Contest, iterations: int) -> list[Entry]:
    """Return lrdqn's entry first, then the peers'. Many learners do as many rounds in all as
    one."""
    length = max(iterations // contest.options.get("learners", 1), 2)
    options, one_thread = {**contest.options, "iterations": length}, {"PJRT_NPROC": "1"}
    found = [Entry("lrdqn", "replay_lrdqn.py", options, env=one_thread)]
    for peer in contest.peers:
        library, _, setter = peer.removesuffix(ONE_THREAD).partition(" ")
        env = one_thread if peer.endswith(ONE_THREAD) else {}
        found.append(
            Entry(
                peer,
                f"replay_{library}.py",
                options | ({"setter": setter} if setter else {}),
                library,
                env,
            )
        )
    return found


def judged(contest: Contest, runs: Runs, iterations: int) -> list[dict[str, Any]]:
    """Return the rows of a contest: microseconds per round, ratios, drift of the root, and what
    donation saves."""
    found: list[dict[str, Any]] = []

    def add(who: str, metric: str, unit: str, figures: dict[str, Any]) -> None:
        found.append({"name": f"{contest.name}/{who}", "metric": metric, "unit": unit, **figures})

    for who, each in runs.items():
        low, mid, high = np.quantile(
            [run["seconds"] / iterations * 1e6 for run in each], [0.25, 0.5, 0.75]
        )
        add(who, "time of a round", "us", {"value": mid, "q25": low, "q75": high, "n": len(each)})
        if "drift" in each[0]:
            worst = max(run["drift"] for run in each)
            verdict = (
                {"verdict": passed(worst <= DRIFT_BAR), "bar": DRIFT_BAR} if who == "lrdqn" else {}
            )
            add(
                who,
                "root off the sum of its leaves",
                "relative, the worst",
                {"value": worst, "n": len(each), **verdict},
            )
        if "aliased_bytes" in each[0]:
            one = each[0]
            share = one["aliased_bytes"] / one["state_bytes"]
            verdict = {
                "verdict": passed(
                    share >= 1 and one["temporary_bytes"] < 0.01 * one["state_bytes"]
                ),
                "bar": 1.0,
            }
            add(
                who,
                "state that is written in place",
                "share",
                {"value": share, "n": 1, **(verdict if who == "lrdqn" else {})},
            )
            add(who, "scratch memory", "bytes", {"value": one["temporary_bytes"], "n": 1})
    as_they_come = [peer for peer in contest.peers if not peer.endswith(ONE_THREAD)]
    best = min(
        as_they_come, key=lambda peer: float(np.median([run["seconds"] for run in runs[peer]]))
    )
    for peer in contest.peers:
        ratio = ratios(runs[peer], runs["lrdqn"])
        verdict = (
            {"verdict": passed(ratio["value"] >= contest.bar), "bar": contest.bar}
            if contest.bar and peer == best
            else {}
        )
        add(f"{peer} : lrdqn", "time, ratio", "times", {**ratio, **verdict})
    return found


def passed(met: bool) -> str:
    return "PASS" if met else "FAIL"


def table(rows: list[dict[str, Any]]) -> str:
    """Return the Markdown table: bounded results and their bounds."""
    lines = ["| result | value | at least (drift: at most) | |", "|---|---|---|---|"]
    lines += [
        (
            f"| {row['name']}: {row['metric']} | {row['value']:.4g} "
            f"| {row['bar']:g} | {row['verdict']} |"
        )
        for row in rows
        if "verdict" in row
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
        help="contests whose name holds this text; writes nothing",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=LEAST_ROUNDS,
        metavar="N",
        help="runs of everybody, in turns (%(default)s)",
    )
    parser.add_argument(
        "--iterations",
        type=int,
        default=2000,
        metavar="N",
        help="rounds of replay in a run (%(default)s)",
    )
    parser.add_argument("--dry", action="store_true", help="write no result files")
    given = parser.parse_args()
    chosen = [contest for contest in CONTESTS if given.only in contest.name]
    for library in {peer.split()[0].rstrip(",") for contest in chosen for peer in contest.peers}:
        if not (PEERS / library / "bin" / "python").exists():
            parser.error(
                f"{PEERS / library} is not there: python benchmarks/speed/peers.py {library}"
            )
    command = " ".join(["python benchmarks/speed/race_replay.py", *sys.argv[1:]])
    common = {"command": command, "commit": result_files.commit(), "device": result_files.device()}
    rows: list[dict[str, Any]] = []
    for contest in chosen:
        print(contest.name, flush=True)
        began, its = time.perf_counter(), entries(contest, given.iterations)
        runs = race(its, given.rounds)
        seconds = round(time.perf_counter() - began, 1)
        rows += [
            row | common | {"seconds": seconds}
            for row in judged(contest, runs, its[0].options["iterations"])
        ]
    print(f"\n{table(rows)}")
    for row in rows:
        if row["unit"] == "times":
            print(f"{row['name']}: {row['value']:.2f} [{row['q25']:.2f}, {row['q75']:.2f}]")
    if not (given.only or given.dry):
        result_files.write("race_replay", rows, [table(rows), ""])
    return 1 if any(row.get("verdict") == "FAIL" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
