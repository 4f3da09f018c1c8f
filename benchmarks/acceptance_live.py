"""Head-room, order of learners and exploiters of the live world: is it worth planning in? Writes
results/acceptance_live.{json,md}.

    python benchmarks/acceptance_live.py --out DIR [--movielens POPULATION] [--only NAME ...]
    [--seeds 10]

The population is written by ``lrdqn calibrate source=movielens`` with the settings of
``launch.RATED``.

For each world: train the learner and its twin with gamma = 0 (one program, every seed a world of
its own), search for references on other worlds (``references.py``), and evaluate all of them on the
same session starts, which none of them has seen. Head-room is what the privileged planner earns
above the privileged myopic policy, which sees the same hidden state; the order of the learners is a
result and has no bound.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import launch
import numpy as np
import rows
from references import Reference, find

from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import TrainRun
from lrdqn.evaluation.statistics import bootstrap_mean
from lrdqn.evaluation.summary import summarise
from lrdqn.runner.checkpoint import load_policy
from lrdqn.runner.experiment import Experiment
from lrdqn.runner.folder import read_resolved

HEADROOM = 0.15
MYOPIC, PLANNER = "oracle_myopic", "oracle_planner"
JOBS = {
    "default": [],
    "user": ["env.episode=user", "env.horizon=400", "agent.gamma=0.97"],
}
"""Overrides of ``lrdqn train``: episodes of one session, or of up to five sessions of a user."""


def judge(config: TrainRun, folder: Path, found: dict[str, Reference]) -> dict[str, Any]:
    """Return the mean return per seed of every policy: ``{name: {metric: [seeds]}}``."""
    import jax

    experiment = Experiment(config)
    experiment.baselines |= {name: reference.policy for name, reference in found.items()}
    params, _ = load_policy(folder)
    params = jax.device_put(params, experiment.sharding)
    return experiment.evaluate_table(experiment.evaluation_program(), params, config.train.seed)


def headroom(table: dict[str, Any]) -> dict[str, Any]:
    """Return ``planner / myopic - 1`` of the means, with its interval over seeds (paired)."""
    planner, myopic = (np.asarray(table[name]["return"], np.float64) for name in (PLANNER, MYOPIC))
    drawn = np.random.default_rng(0).integers(len(planner), size=(10_000, len(planner)))
    ratios = planner[drawn].mean(1) / myopic[drawn].mean(1) - 1
    low, high = np.quantile(ratios, [0.025, 0.975])
    return {
        "mean": planner.mean() / myopic.mean() - 1,
        "ci_low": low,
        "ci_high": high,
        "n": len(planner),
    }


def job(name: str, overrides: list[str], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return all rows of one world."""
    print(name, flush=True)
    began, folder = time.perf_counter(), given.out / name
    arguments = [*overrides, f"train.seeds={given.seeds}"]
    launch.train(arguments, folder)
    config = freeze(TrainRun, read_resolved(folder))
    searched = 1_000_000 + config.train.seed  # no seed of the run's worlds
    found = find(
        config.env, searched, given.worlds, given.sessions, given.population, given.generations
    )
    table = judge(config, folder, found)
    policies, _ = summarise(table)
    common = {
        "command": shown(given),
        "trained": " ".join(["lrdqn train", *arguments]),
        "commit": rows.commit(),
        "device": rows.device(),
        "seconds": round(time.perf_counter() - began, 1),
    }
    made = []
    for policy, of in sorted(policies.items(), key=lambda item: -item[1]["return"]["mean"]):
        figures = {k: round(of["return"][k], 4) for k in ("mean", "ci_low", "ci_high")}
        parameters = found[policy].words if policy in found else ""
        made.append(
            {
                "name": f"{name}/{policy}",
                "metric": "return",
                **figures,
                "n": given.seeds,
                "unit": "per session start",
                "per_seed": [round(x, 3) for x in of["return"]["per_seed"]],
                "found": parameters,
                **common,
            }
        )
    room = headroom(table)
    verdict = "PASS" if room["mean"] >= HEADROOM else "FAIL"
    made.append(
        {
            "name": f"{name}/{PLANNER} : {MYOPIC}",
            "metric": "head-room",
            **room,
            "unit": f"share; must be at least {HEADROOM:g}: {verdict}",
            **common,
        }
    )
    learned = np.asarray(table["learned"]["return"], np.float64)
    for rival in (name for name in table if name != "learned"):
        interval = bootstrap_mean(learned - np.asarray(table[rival]["return"], np.float64))
        figures = {"mean": interval.mean, "ci_low": interval.low, "ci_high": interval.high}
        made.append(
            {
                "name": f"{name}/learned - {rival}",
                "metric": "return",
                **figures,
                "n": given.seeds,
                "unit": "paired by seed",
                **common,
            }
        )
    return made


def shown(given: argparse.Namespace) -> str:
    """Return the command with its folders reduced to their names."""
    return " ".join(
        [
            "python benchmarks/acceptance_live.py --out DIR",
            *(["--movielens POP"] if given.movielens else []),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for the run folders; finished ones are used again",
    )
    parser.add_argument(
        "--movielens",
        type=Path,
        help="population folder (lrdqn calibrate source=movielens), its settings beside it",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        help="worlds: default, user, movielens; the rows of others stay",
    )
    parser.add_argument(
        "--seeds", type=int, default=10, help="seeds, each with a world of its own (%(default)s)"
    )
    parser.add_argument(
        "--worlds", type=int, default=4, help="worlds that are searched on (%(default)s)"
    )
    parser.add_argument(
        "--sessions", type=int, default=128, help="sessions of a point and world (%(default)s)"
    )
    parser.add_argument(
        "--population", type=int, default=32, help="points of a generation (%(default)s)"
    )
    parser.add_argument(
        "--generations", type=int, default=10, help="generations of a search (%(default)s)"
    )
    given = parser.parse_args()
    jobs = dict(JOBS)
    if given.movielens:
        jobs["movielens"] = launch.population_overrides(given.movielens)
    names = given.only or list(jobs)
    path = rows.RESULTS / "acceptance_live.json"
    kept = json.loads(path.read_text()) if given.only and path.is_file() else []
    found = {name: [row for row in kept if row["name"].partition("/")[0] == name] for name in jobs}
    for name in names:
        found[name] = job(name, jobs[name], given)
        rows.write("acceptance_live", [row for of in found.values() for row in of])
    print(path.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
