"""Which part of a live SlateQ policy is wrong, its choice model or its values? Each is replaced by
the truth in turn.

    python benchmarks/slates_parts.py --run runs/slates_live/mnl_slateq

Takes a finished ``agent=slateq`` run (``slates_live.py`` leaves them) and fills its slates again,
on the cohorts of its own table: by the learned choice weights or the true ones; by its values, the
true expected reward (which the privileged myopic policy sees) or the privileged planner's index;
greedily or by top-k. The truth includes what no learner can observe. Nothing is trained. True
weights are the users' own under ``mnl`` and ``proportional``, and the nearest ratio of weights
elsewhere (``envs.live.choice.odds``). Writes ``benchmarks/results/slates_parts.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import rows
from jax import Array
from jaxtyping import Float

from lrdqn import build
from lrdqn.agents.slateq.agent import item_and_null_values, item_network
from lrdqn.agents.slateq.family import choice_model
from lrdqn.baselines.privileged import MYOPIC_WEIGHTS, PLANNER_WEIGHTS
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import TrainRun
from lrdqn.config import InputError
from lrdqn.envs.live.expected_outcome import ExpectedOutcome, make_slate_outcome
from lrdqn.evaluation.statistics import Interval, bootstrap_mean, paired_difference
from lrdqn.evaluation.summary import LEARNED
from lrdqn.ops.slates import OPTIMISERS, as_action
from lrdqn.runner.checkpoint import load_policy
from lrdqn.runner.experiment import Experiment
from lrdqn.runner.folder import read_resolved, read_summary
from lrdqn.types import Params, Policy, View

Record = dict[str, Any]
WEIGHTS = {"next reward": MYOPIC_WEIGHTS, "planner's index": PLANNER_WEIGHTS}
"""Weights of the means of ``ExpectedOutcome`` that make a true value."""


class Parts(NamedTuple):
    """The parts that fill the slates."""

    choices: str
    """Choice model: ``learnt`` or ``true``."""
    values: str
    """Values: ``learnt``, or one of ``WEIGHTS``."""
    fill: str


ALL = [
    Parts(c, v, f)
    for c in ("learnt", "true")
    for v in ("learnt", *WEIGHTS)
    for f in ("greedy", "topk")
]


def make_mixed(experiment: Experiment, parts: Parts) -> Policy:
    """Return the run's policy with parts of it replaced by the truth; its state stays the learned
    parameters."""
    config = experiment.config
    of_agent = build.agent_parts(config, experiment.env, experiment.worlds)
    choice = choice_model(config.agent, of_agent)
    items, prospects = item_network(experiment.network, choice), make_slate_outcome(config.env)

    def worth(of: ExpectedOutcome) -> Array:
        return jnp.tensordot(jnp.asarray(WEIGHTS[parts.values]), jnp.stack(of), axes=1)

    def act(state: Params, view: View, key: Array) -> tuple[Array, Params]:
        del key
        v, v_nothing = choice.weights(state, view.obs, view.catalogue)
        q, q_nothing = item_and_null_values(
            items.apply(state, view.obs, view.catalogue, None), config.agent.slate.null_value
        )
        true_v, watched, nothing = prospects(*view.truth)
        if parts.choices == "true":
            v, v_nothing = true_v, jnp.ones_like(v_nothing)
        if parts.values in WEIGHTS:
            q, q_nothing = worth(watched), worth(nothing)
        return as_action(
            OPTIMISERS[parts.fill](v, q, view.obs.mask, v_nothing, q_nothing, config.env.slate)
        ), state

    return experiment.learned._replace(act=act, privileged=True)


def make_judge(run: Path) -> Callable[[Parts], Float[np.ndarray, "seeds"]]:
    """Return ``judge(parts) -> return [seeds]`` on the cohorts of the run's own table.

    Raises:
        InputError: it is no finished run of one ``agent=slateq`` in ``env=live``.
    """
    read_summary(run)
    values = read_resolved(run)
    if (values["agent"]["name"], values["env"]["kind"]) != ("slateq", "live"):
        name, kind = values["agent"]["name"], values["env"]["kind"]
        raise InputError(f"run={run}: of agent={name} env={kind}; must be of agent=slateq env=live")
    values["evaluate"]["references"] = False
    experiment = Experiment(freeze(TrainRun, values))
    if LEARNED not in experiment.names:
        raise InputError(
            f"run={run}: has a grid of learners ({', '.join(experiment.names)}); must have one"
        )
    experiment.baselines = {}
    params = jax.device_put(load_policy(run)[0], experiment.sharding)

    def judge(parts: Parts) -> Float[np.ndarray, "seeds"]:
        experiment.learned = make_mixed(experiment, parts)
        table = experiment.evaluate_table(
            experiment.evaluation_program(), params, experiment.config.train.seed
        )
        return table[LEARNED]["return"]

    return judge


def interval(of: Interval) -> str:
    return f"{of.mean:.2f} [{of.low:.2f}, {of.high:.2f}]"


def result_rows(
    returns: Mapping[Parts, Float[np.ndarray, "seeds"]], common: Record
) -> tuple[list[Record], list[str]]:
    """Return rows of the result file, and lines of the table: each return, and its distance from
    the same with one part learned."""
    found, lines = (
        [],
        [
            (
                "| how viewers choose | what follows | pages | return | "
                "minus learnt choices | minus learnt values |"
            )
        ],
    )
    lines.append("|---|---|---|---|---|---|")

    def add(name: str, of: Interval, unit: str, per_seed: Float[np.ndarray, "seeds"]) -> None:
        figures = {
            "mean": round(of.mean, 4),
            "ci_low": round(of.low, 4),
            "ci_high": round(of.high, 4),
            "n": len(per_seed),
        }
        seeds = [round(float(x), 3) for x in per_seed]
        found.append(
            {"name": name, "metric": "return", **figures, "unit": unit, "per_seed": seeds, **common}
        )

    for parts, own in returns.items():
        name, cells = (
            f"{parts.choices} choices, {parts.values} as values, {parts.fill}",
            [interval(bootstrap_mean(own))],
        )
        add(name, bootstrap_mean(own), rows.UNITS["return"], own)
        for part in ("choices", "values"):
            other = parts._replace(**{part: "learnt"})
            if other == parts:
                cells.append("")
                continue
            apart = paired_difference(own, returns[other])
            add(f"{name} - learnt {part}", apart, "paired by seed", own - returns[other])
            cells.append(interval(apart))
        lines.append(f"| {' | '.join([*parts, *cells])} |")
    return found, lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--run", type=Path, required=True, help="folder of a finished run of agent=slateq"
    )
    run, began = parser.parse_args().run, time.perf_counter()
    try:
        judge = make_judge(run)
    except InputError as error:
        parser.error(str(error))
    returns = {parts: judge(parts) for parts in ALL}
    command = (
        "python benchmarks/slates_live.py --out DIR && python "
        f"benchmarks/slates_parts.py --run DIR/{run.name}"
    )
    seconds = round(time.perf_counter() - began, 1)
    common = {
        "command": command,
        "commit": rows.commit(),
        "device": rows.device(),
        "seconds": seconds,
    }
    found, lines = result_rows(returns, common)
    rows.write("slates_parts", found, [*lines, ""])


if __name__ == "__main__":
    main()
