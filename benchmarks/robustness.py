"""Policies in a world that has changed since training, under every named perturbation; writes
results/robustness.{json,md}.

    python benchmarks/robustness.py --out DIR [--run DIR] [--seeds 10]

Trains ``lrdqn train`` (or takes the run folder given) and evaluates all of its policies under every
``conf/perturbation/*.yaml``, on the session starts of the run's own table: seed by seed the same
users at the same hours with the same random numbers, so a change is a paired difference (except
that ``outage`` draws the order of rooms anew, so other rooms are offered by chance). Perturbations
that do not apply to a run, such as missing views where ``env.content=exact``, are left out and
named below the table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import rows
from hydra import compose, initialize_config_dir

from lrdqn import build
from lrdqn.cli.evaluate import train_config
from lrdqn.compose.freeze import freeze
from lrdqn.compose.overrides import CONF
from lrdqn.compose.roots import EvaluateRun, TrainRun, register_schemas
from lrdqn.config import ConfigError
from lrdqn.evaluation.statistics import bootstrap_mean, paired_difference
from lrdqn.runner.checkpoint import load_policy
from lrdqn.runner.experiment import Experiment

PLAIN = "unperturbed"
Returns = dict[str, dict[str, list[float]]]
"""``{perturbation: {policy: [seeds]}}``"""


def names() -> list[str]:
    """Return every named perturbation."""
    return sorted(path.stem for path in (CONF / "perturbation").glob("*.yaml"))


def configs(run: Path) -> tuple[dict[str, TrainRun], dict[str, str]]:
    """Return the run's configuration unperturbed and under each perturbation, and why some of them
    do not apply to it."""
    found, left_out = {}, {}
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for name in [PLAIN, *names()]:
            overrides = [f"run='{run}'"] + [f"perturbation={name}"] * (name != PLAIN)
            try:
                found[name] = train_config(
                    freeze(EvaluateRun, compose("evaluate", overrides=overrides))
                )
            except ConfigError as error:
                left_out[name] = str(error)
    return found, left_out


def judge(run: Path, found: Mapping[str, TrainRun]) -> Returns:
    """Return the mean return per seed of every policy in every world, from one program that is
    compiled again only where a world's shape differs."""
    plain = found[PLAIN]
    experiment = Experiment(plain)
    params = jax.device_put(load_policy(run)[0], experiment.sharding)
    program, returns = experiment.evaluation_program(), {}
    for name, config in found.items():
        worlds = build.build_worlds(config.env, plain.train.seed, plain.train.seeds)
        experiment.worlds = jax.device_put(worlds, experiment.sharding)
        table = experiment.evaluate_table(program, params, plain.train.seed)
        returns[name] = {
            policy: np.asarray(of["return"], np.float64).tolist() for policy, of in table.items()
        }
        print(
            name,
            {policy: round(float(np.mean(x)), 2) for policy, x in returns[name].items()},
            flush=True,
        )
    return returns


def result_rows(returns: Returns, common: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return two rows per perturbation and policy: the return, and its change from the unperturbed
    world, paired by seed."""
    made = []
    for name, of in returns.items():
        for policy, values in of.items():
            figures = {"return": bootstrap_mean(np.asarray(values))}
            if name != PLAIN:
                figures["change"] = paired_difference(
                    np.asarray(values), np.asarray(returns[PLAIN][policy])
                )
            for metric, x in figures.items():
                made.append(
                    {
                        "name": f"{name}/{policy}",
                        "metric": metric,
                        "mean": round(x.mean, 4),
                        "ci_low": round(x.low, 4),
                        "ci_high": round(x.high, 4),
                        "n": len(values),
                        "unit": rows.UNITS["return"],
                        **common,
                    }
                )
    return made


def worst_of(made: list[dict[str, Any]]) -> dict[str, str]:
    """Return, for each policy, the perturbation that costs it most."""
    found: dict[str, tuple[float, str]] = {}
    for row in made:
        name, _, policy = row["name"].partition("/")
        if row["metric"] == "change":
            found[policy] = min(found.get(policy, (np.inf, "")), (row["mean"], name))
    return {policy: name for policy, (_, name) in found.items()}


def table(made: list[dict[str, Any]], left_out: Mapping[str, str]) -> str:
    """Return the table policy x perturbation: the return, and behind it the change with its
    interval; each policy's worst case is bold."""
    of = {(row["name"], row["metric"]): row for row in made}
    columns, worst = (
        list(dict.fromkeys(row["name"].partition("/")[0] for row in made)),
        worst_of(made),
    )
    policies = dict.fromkeys(row["name"].partition("/")[2] for row in made)
    best_first = sorted(policies, key=lambda policy: -of[f"{PLAIN}/{policy}", "return"]["mean"])
    lines = [f"| policy | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for policy in best_first:
        cells = []
        for name in columns:
            text = f"{of[f'{name}/{policy}', 'return']['mean']:.2f}"
            if change := of.get((f"{name}/{policy}", "change")):
                text += (
                    f" ({change['mean']:+.2f} [{change['ci_low']:+.2f}, {change['ci_high']:+.2f}])"
                )
            cells.append(f"**{text}**" if worst.get(policy) == name else text)
        lines.append(f"| {policy} | {' | '.join(cells)} |")
    note = (
        "Return per session start; in brackets its change from the "
        "unperturbed world, paired by seed, with a 95 % interval."
    )
    lines += ["", f"{note} Bold: the policy's worst case."]
    lines += [f"Left out: {name} ({why})." for name, why in left_out.items()]
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for the run to train; a finished one is used again",
    )
    parser.add_argument("--run", type=Path, help="a run folder to evaluate instead of training one")
    parser.add_argument(
        "--seeds",
        type=int,
        default=10,
        help="seeds to train, each with a world of its own (%(default)s)",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        help="further overrides of `lrdqn train`, such as content=multimodal",
    )
    given = parser.parse_args()
    began, run, overrides = (
        time.perf_counter(),
        given.run,
        [f"train.seeds={given.seeds}", *given.overrides],
    )
    if run is None:
        run = given.out / "run"
        command = [str(Path(sys.executable).with_name("lrdqn")), "train", *overrides]
        subprocess.run([*command, f"hydra.run.dir={run}", "resume=auto"], check=True)
    found, left_out = configs(run)
    returns = judge(run, found)
    shown = (
        "--run DIR"
        if given.run
        else " ".join(["--out DIR", f"--seeds {given.seeds}", *given.overrides])
    )
    common = {
        "command": f"python benchmarks/robustness.py {shown}",
        "commit": rows.commit(),
        "device": rows.device(),
        "seconds": round(time.perf_counter() - began, 1),
    }
    made = result_rows(returns, common)
    rows.write("robustness", made, [table(made, left_out)])
    print((rows.RESULTS / "robustness.md").read_text())


if __name__ == "__main__":
    main()
