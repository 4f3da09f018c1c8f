"""The small tasks of other domains: every experiment with its published results and its gate.

    python benchmarks/tasks.py --out runs/tasks [--seeds 10] [--only cartpole,catch] [--all]

Each task is one ``lrdqn train experiment=NAME``, all its seeds in one program; a stopped run is
resumed, a finished one is not run again. Writes ``benchmarks/results/tasks.json`` and ``.md``; the
run folders stay under ``--out``.

Two metrics per seed: the *greedy* return, of the final policy on the run's session starts, and the
*training* return, of the exploring sessions themselves: the mean return of the episodes that ended
in a chunk of training. Short episodes end more often, so that this mean is biased towards them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import launch
import numpy as np
import rows

from lrdqn.evaluation.statistics import bootstrap_mean

SHARE = 0.8
"""Share of the seeds that must pass a gate."""

GREEDY, LAST, REGRET = "greedy return", "training return, last chunk", "1 - regret / 1.6, whole run"


class Task(NamedTuple):
    """One experiment of ``conf/experiment/``."""

    published: str
    gate: tuple[str, float] | None = None
    """A metric, and the least that a seed must reach in it."""
    small: bool = True
    """True where ten seeds take minutes on two CPU cores."""


MINATAR = "about {}, read off a figure, at 5M frames of a 6-action set (Young and Tian 2019)"
TASKS = {
    "cartpole": Task("488.69 ± 16.11, 498.38 ± 2.29 (CleanRL, dqn and dqn_jax)", (LAST, 475.0)),
    "acrobot": Task("-91.54 ± 7.20, -88.89 ± 1.56 (CleanRL, dqn and dqn_jax)", (LAST, -100.0)),
    "catch": Task("score .81 to .91 over 2,000 episodes with bsuite's defaults", (REGRET, 0.78)),
    "deep_sea": Task("optimum .99 (Osband et al. 2020)", (GREEDY, 0.9899)),
    "pqn_cartpole": Task("500 (Gallici et al. 2024, figure)", (GREEDY, 499.99)),
    "pqn_minatar_breakout": Task(
        "7.0 after 410k steps (PureJaxQL, one seed); random .41", (LAST, 5.0)
    ),
    "minatar_breakout": Task(MINATAR.format(10), small=False),
    "minatar_asterix": Task(MINATAR.format(17), small=False),
    "minatar_space_invaders": Task(MINATAR.format(44), small=False),
    "highway_fast": Task("above the random and the idle driver", small=False),
}


def training_returns(folder: Path, seeds: int) -> list[list[float]]:
    """Return, for every seed, the mean return of the episodes that ended in each chunk; NaN where
    none did."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    learned = [row for row in lines if row["policy"] == "learned"]
    chunks = [row for row in learned if row["env_steps"] > 0]
    return [
        [
            np.nan if r["train_return"] is None else r["train_return"]
            for r in chunks
            if r["seed"] == seed
        ]
        for seed in range(seeds)
    ]


def figures(folder: Path, summary: dict[str, Any]) -> dict[str, list[float]]:
    """Return every seed's metrics by name."""
    training = training_returns(folder, summary["seeds"])
    return {
        GREEDY: summary["policies"]["learned"]["return"]["per_seed"],
        LAST: [of[-1] for of in training],
        REGRET: [
            1 - (1 - sum(of) / len(of)) / 1.6 for of in training
        ],  # all chunks have as many episodes in Catch
    }


def verdict(gate: tuple[str, float] | None, of: dict[str, list[float]]) -> tuple[str, str]:
    """Return the gate in words, and PASS or FAIL."""
    if gate is None:
        return "none", "-"
    figure, least = gate
    passed, n = sum(x >= least for x in of[figure]), len(of[figure])
    return (
        f"{figure} >= {least:g} on {SHARE:.0%} of seeds",
        f"{'PASS' if passed >= SHARE * n else 'FAIL'}, {passed} of {n}",
    )


def run(name: str, seeds: int, folder: Path) -> dict[str, Any]:
    """Train or resume; return the summary."""
    return launch.train([f"experiment={name}", f"train.seeds={seeds}"], folder)


def result_rows(name: str, folder: Path, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row per metric that a task reports."""
    task, of = TASKS[name], figures(folder, summary)
    words, outcome = verdict(task.gate, of)
    common = {
        "n": summary["seeds"],
        "seconds": round(summary["seconds"], 1),
        "env_steps": summary["env_steps"],
        "published": task.published,
        "gate": words,
        "verdict": outcome,
        "command": f"lrdqn train experiment={name} train.seeds={summary['seeds']}",
        "commit": rows.commit(),
        "device": rows.device(),
    }
    made = []
    for figure in (GREEDY, LAST, *((REGRET,) if task.gate and task.gate[0] == REGRET else ())):
        interval = bootstrap_mean(of[figure])  # type: ignore[arg-type]
        low, mean, high = (round(x, 4) for x in (interval.low, interval.mean, interval.high))
        unit = "score" if figure == REGRET else "reward per episode"
        made.append(
            {
                "name": name,
                "metric": figure,
                "mean": mean,
                "ci_low": low,
                "ci_high": high,
                "unit": unit,
                "per_seed": [round(x, 3) for x in of[figure]],
                **common,
            }
        )
    random = summary["policies"]["random"]["return"]
    bounds = {k: round(random[k], 4) for k in ("mean", "ci_low", "ci_high")}
    return [
        *made,
        {"name": name, "metric": "random policy", **bounds, "unit": "reward per episode", **common},
    ]


def table(made: Sequence[dict[str, Any]]) -> str:
    """Return the table, one line per task: metrics with their intervals, every seed of the gated
    one, published results, the gate."""
    lines = [
        (
            "| task | env steps | greedy return | training return, "
            "last chunk | published | gate | | minutes |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["name"] for row in made):
        of = {row["metric"]: row for row in made if row["name"] == name}
        cells = [
            f"{r['mean']:.4g} [{r['ci_low']:.4g}, {r['ci_high']:.4g}]"
            for r in (of[GREEDY], of[LAST])
        ]
        first = of[GREEDY]
        lines.append(
            f"| {name} | {first['env_steps']:,} | {cells[0]} | {cells[1]} "
            f"| {first['published']} | {first['gate']} | "
            f"{first['verdict']} | {first['seconds'] / 60:.1f} |"
        )
    lines += ["", "Every seed:", ""]
    for row in made:
        if "per_seed" in row:
            lines.append(
                f"- {row['name']}, {row['metric']}: "
                f"{', '.join(f'{x:.4g}' for x in row['per_seed'])}"
            )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the run folders")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--only", default="", help="tasks, separated by commas; the others keep their rows"
    )
    parser.add_argument("--all", action="store_true", help="also those that take hours on a CPU")
    given = parser.parse_args()
    names = [n for n in given.only.split(",") if n] or [
        n for n, task in TASKS.items() if task.small or given.all
    ]
    if unknown := set(names) - set(TASKS):
        parser.error(f"no such task: {', '.join(sorted(unknown))}; there are {', '.join(TASKS)}")
    path = rows.RESULTS / "tasks.json"
    kept = json.loads(path.read_text()) if given.only and path.is_file() else []
    made = {name: [row for row in kept if row["name"] == name] for name in TASKS}
    for name in names:
        folder = given.out / name
        made[name] = result_rows(name, folder, run(name, given.seeds, folder))
    found = [row for of in made.values() for row in of]
    rows.write("tasks", found, [table(found)])
    failed = sorted({row["name"] for row in found if row["verdict"].startswith("FAIL")})
    sys.exit(f"gates failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
