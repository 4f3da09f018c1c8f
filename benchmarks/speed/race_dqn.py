"""DQN on CartPole-v1 against PureJaxRL's algorithm, rejax, stable-baselines3 and the bare updates;
writes results/race_dqn.{json,md}.

The work is the same for all: 10 environments, replay of 10,000, batch 128, layers of 120 and 84,
Adam 2.5e-4, one update per 10 steps, target copied every 500, epsilon from 1 to 0.05 over 250,000
steps, 10,000 random steps first, float32 (settings of CleanRL's and PureJaxRL's DQN). Contestants
run in turns, compiling is not timed, speeds are environment steps per second, ratios are taken
round by round. Peers' environments: ``python benchmarks/speed/peers.py rejax sb3``.

usage: python benchmarks/speed/race_dqn.py [--rounds N] [--only GROUP ...]
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import rows  # pyright: ignore[reportMissingImports]
from contest import Entry, race, ratios

FULL, WARMUP, ENVS = 500_000, 10_000, 10
SOLVED, SHARE = 475.0, 0.05
"""Mean return over the last twentieth of training that CartPole must reach for a speed to count."""


class Bar(NamedTuple):
    """A ratio to report: ``fast`` against ``slow``; ``least`` is its lower bound, ``None`` where
    there is none."""

    slow: str
    fast: str
    least: float | None


class Group(NamedTuple):
    """Contestants that run in turns, and the ratios that are read from them."""

    entries: dict[str, tuple[Entry, int]]
    """Name -> entry and the environment steps of one of its runs, all seeds together."""
    bars: tuple[Bar, ...]
    gated: tuple[str, ...] = ()
    """Contestants whose return is checked."""


def lrdqn(
    seeds: int, steps: int, devices: int, capacity: int = 10_000, *more: str
) -> tuple[Entry, int]:
    """Return the entry of lrdqn's own program, ``steps`` with warm-up."""
    learning = steps - WARMUP
    last = int(learning * SHARE) // 500 * 500  # the last chunk is what the return is read from
    chunk = next(n for n in range(max(last, 500), learning + 1, 500) if learning % n == 0)
    overrides = [
        "experiment=cartpole",
        f"train.seeds={seeds}",
        f"train.env_steps={learning}",
        f"train.eval_period={chunk}",
        f"train.warmup_steps={WARMUP}",
        f"replay.capacity={capacity}",
        "runtime.cache_dir=null",
        *more,
    ]
    return Entry("", "dqn_lrdqn.py", {"overrides": overrides, "devices": devices}), seeds * steps


def branching(
    seeds: int, steps: int, devices: int = 1, threads: int | None = None
) -> tuple[Entry, int]:
    """Return the entry of PureJaxRL's algorithm; ``threads`` limits XLA's threads."""
    options = {"seeds": seeds, "env_steps": steps, "capacity": 10_000, "devices": devices}
    return Entry(
        "", "dqn_branching.py", options, env={} if threads is None else {"PJRT_NPROC": str(threads)}
    ), seeds * steps


def bare(seeds: int, steps: int, devices: int) -> tuple[Entry, int]:
    """Return the entry of the updates that those steps bring, alone."""
    options = {"seeds": seeds, "updates": (steps - WARMUP) // ENVS, "devices": devices}
    return Entry("", "dqn_bare.py", options, env={"PJRT_NPROC": "1"}), seeds * steps


def peer(name: str, steps: int, capacity: int) -> tuple[Entry, int]:
    """Return the entry of another library."""
    return Entry("", f"dqn_{name}.py", {"env_steps": steps, "capacity": capacity}, peer=name), steps


def groups() -> dict[str, Group]:
    """Return all races."""
    rates = "grid.agent.learning_rate=[1e-4,2.5e-4,5e-4,1e-3]"
    return {
        "1 seed": Group(
            {
                "lrdqn": lrdqn(1, FULL, 1),
                "PureJaxRL's algorithm": branching(1, FULL),
                "PureJaxRL's algorithm, one thread": branching(1, FULL, threads=1),
                "bare updates": bare(1, FULL, 1),
            },
            (
                Bar("PureJaxRL's algorithm", "lrdqn", 1.15),
                Bar("PureJaxRL's algorithm, one thread", "lrdqn", None),
                Bar("bare updates", "lrdqn", 0.8),
            ),
            ("lrdqn", "PureJaxRL's algorithm"),
        ),
        "8 seeds": Group(
            {
                "lrdqn": lrdqn(8, FULL // 4, 2),
                "lrdqn, 4 learning rates x 2 seeds": (
                    lrdqn(2, FULL // 4, 2, 10_000, rates)[0],
                    2 * FULL,
                ),
                "PureJaxRL's algorithm": branching(8, FULL // 4),
                "PureJaxRL's algorithm, two devices": branching(8, FULL // 4, 2),
                "bare updates": bare(8, FULL // 4, 2),
            },
            (
                Bar("PureJaxRL's algorithm", "lrdqn", 1.6),
                Bar("PureJaxRL's algorithm, two devices", "lrdqn", None),
                Bar("lrdqn", "lrdqn, 4 learning rates x 2 seeds", None),
                Bar("bare updates", "lrdqn", 0.8),
            ),
        ),
        "32 seeds": Group(
            {
                "lrdqn": lrdqn(32, 30_000, 2),
                "PureJaxRL's algorithm": branching(32, 30_000),
                "bare updates": bare(32, 30_000, 2),
            },
            (Bar("PureJaxRL's algorithm", "lrdqn", 1.6), Bar("bare updates", "lrdqn", 0.8)),
        ),
        "capacity": Group(
            {
                f"lrdqn, {capacity:.0e}": lrdqn(1, 110_000, 1, capacity)
                for capacity in (10_000, 100_000, 1_000_000)
            },
            tuple(
                Bar("lrdqn, 1e+04", f"lrdqn, {capacity}", 0.9) for capacity in ("1e+05", "1e+06")
            ),
        ),
        "peers": Group(
            {
                "lrdqn": lrdqn(1, 110_000, 1),
                "lrdqn, 5e5": lrdqn(1, 110_000, 1, 500_000),
                "rejax": peer("rejax", 110_000, 10_000),
                "rejax, 5e5": peer("rejax", 110_000, 500_000),
                "stable-baselines3": peer("sb3", 110_000, 10_000),
            },
            (
                Bar("rejax", "lrdqn", 1.6),
                Bar("rejax, 5e5", "lrdqn, 5e5", 20.0),
                Bar("stable-baselines3", "lrdqn", 10.0),
            ),
        ),
    }


def judged(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return rows that compare the returns of all runs and seeds with the gate."""
    returns = [x for run in runs for x in run["returns"]]
    passed = sum(x >= SOLVED for x in returns)
    verdict = "PASS" if passed >= 0.8 * len(returns) else "FAIL"
    unit = (
        "return of the last twentieth of training; "
        f"{passed}/{len(returns)} at least {SOLVED:g}: {verdict}"
    )
    return {"value": float(np.mean(returns)), "n": len(returns), "per_seed": returns, "unit": unit}


def run_group(name: str, group: Group, rounds: int) -> list[dict[str, Any]]:
    """Race one group."""
    began = time.perf_counter()
    found = race([entry._replace(name=who) for who, (entry, _) in group.entries.items()], rounds)
    for who, (_, steps) in group.entries.items():
        for run in found[who]:
            run["steps_per_second"] = steps / run["seconds"]
    made = []
    for who, runs in found.items():
        low, mid, high = np.quantile([run["steps_per_second"] for run in runs], [0.25, 0.5, 0.75])
        speed = {"value": float(mid), "q25": float(low), "q75": float(high), "n": len(runs)}
        made.append(
            {
                "name": f"{name}/{who}",
                "metric": "speed",
                **speed,
                "unit": "env steps/s, all learners",
            }
        )
        cpu = float(np.median([run.get("cpu_seconds", np.nan) / run["seconds"] for run in runs]))
        made.append(
            {
                "name": f"{name}/{who}",
                "metric": "cores",
                "value": cpu,
                "n": len(runs),
                "unit": "CPU seconds a second",
            }
        )
        made.append(
            {
                "name": f"{name}/{who}",
                "metric": "prepare",
                "value": runs[0]["prepare_seconds"],
                "n": 1,
                "unit": "s to import and compile",
            }
        )
    for slow, fast, least in group.bars:
        ratio = ratios(found[fast], found[slow], "steps_per_second")
        verdict = (
            ""
            if least is None
            else f"; must be at least {least:g}: {'PASS' if ratio['value'] >= least else 'FAIL'}"
        )
        made.append(
            {
                "name": f"{name}/{fast} : {slow}",
                "metric": "ratio",
                **ratio,
                "unit": f"times as fast{verdict}",
            }
        )
    made += [
        {"name": f"{name}/{who}", "metric": "return", **judged(found[who])} for who in group.gated
    ]
    load = max(run["load"] for runs in found.values() for run in runs)
    return [row | {"load": load, "seconds": round(time.perf_counter() - began, 1)} for row in made]


def table(result: list[dict[str, Any]]) -> str:
    """Return ratios and returns as a table."""
    lines = ["| race | ratio | quartiles | rounds | |", "|---|---|---|---|---|"]
    for row in result:
        if row["metric"] == "ratio":
            lines.append(
                f"| {row['name']} | {row['value']:.2f} | [{row['q25']:.2f}, "
                f"{row['q75']:.2f}] | {row['n']} | {row['unit']} |"
            )
        if row["metric"] == "return":
            lines.append(f"| {row['name']} | {row['value']:.1f} | - | {row['n']} | {row['unit']} |")
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Run the races and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="runs of each contestant (%(default)s)"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(groups()),
        default=list(groups()),
        help="races (all); the rows of others stay",
    )
    parser.add_argument("--out", default="race_dqn", help="name of the result files (%(default)s)")
    given = parser.parse_args(argv)
    command = shlex.join(["python", "benchmarks/speed/race_dqn.py", *argv])
    common = {"command": command, "commit": rows.commit(), "device": rows.device()}
    before = rows.RESULTS / f"{given.out}.json"
    kept = json.loads(before.read_text()) if before.exists() else []
    result: list[dict[str, Any]] = [
        row for row in kept if row["name"].partition("/")[0] not in given.only
    ]
    for name in given.only:
        print(name, flush=True)
        result += [row | common for row in run_group(name, groups()[name], given.rounds)]
        rows.write(given.out, result, [table(result)])
    print(table(result))


if __name__ == "__main__":
    main(sys.argv[1:])
