"""Figures, gates and table of the benchmark of small tasks, from files made by hand
(``benchmarks/tasks.py``)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import tasks  # noqa: E402

from lrdqn.compose.overrides import CONF  # noqa: E402
from lrdqn.compose.roots import register_schemas  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two seeds, two chunks of 100 steps; a random policy's row must not count."""
    made = [{"policy": "learned", "seed": seed, "env_steps": 0, "return": 0.0} for seed in (0, 1)]
    for steps, reward, ended in ((100, 0.5, 0), (200, 0.9, 20)):
        made += [
            {
                "policy": "learned",
                "seed": s,
                "env_steps": steps,
                "train_return": None if ended == 0 else reward - s,
            }
            for s in (0, 1)
        ]
        made += [{"policy": "myopic", "seed": 0, "env_steps": steps, "train_return": 9.0}]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, made)) + "\n")
    return tmp_path


def summary(greedy: list[float]) -> dict[str, Any]:
    entry = {"mean": 0.4, "ci_low": 0.3, "ci_high": 0.5, "per_seed": [0.3, 0.5]}
    return {
        "seeds": 2,
        "seconds": 90.0,
        "env_steps": 200,
        "policies": {"learned": {"return": {"per_seed": greedy}}, "random": {"return": entry}},
    }


def test_the_training_return_is_that_of_finished_episodes(folder: Path) -> None:
    """NaN in the first chunk, where no episode ended."""
    assert tasks.training_returns(folder, 2) == [
        pytest.approx([np.nan, 0.9], nan_ok=True),
        pytest.approx([np.nan, -0.1], nan_ok=True),
    ]
    of = tasks.figures(folder, summary([1.0, 2.0]))
    assert of[tasks.GREEDY] == [1.0, 2.0]
    assert of[tasks.LAST] == pytest.approx([0.9, -0.1])


def test_a_gate_asks_most_seeds() -> None:
    returns = [500.0] * 8 + [100.0] * 2
    assert tasks.verdict((tasks.GREEDY, 475.0), {tasks.GREEDY: returns})[1] == "PASS, 8 of 10"
    words, outcome = tasks.verdict(
        (tasks.GREEDY, 475.0), {tasks.GREEDY: [*returns[1:], float("nan")]}
    )
    assert (words, outcome) == ("greedy return >= 475 on 80% of seeds", "FAIL, 7 of 10")
    assert tasks.verdict(None, {})[1] == "-"


def test_rows_and_table_hold_every_seed(folder: Path) -> None:
    made = tasks.result_rows("pqn_cartpole", folder, summary([500.0, 400.0]))
    assert [row["metric"] for row in made] == [tasks.GREEDY, tasks.LAST, "random policy"]
    assert made[0]["per_seed"] == [500.0, 400.0]
    assert (made[0]["mean"], made[0]["ci_low"], made[0]["ci_high"]) == pytest.approx(
        (450.0, 450 - 12.7062 * 50, 450 + 12.7062 * 50), abs=1e-3
    )
    text = tasks.table(made)
    assert "| pqn_cartpole | 200 | 450 [-185.3, 1085] | 0.4 [-5.953, 6.753] |" in text
    assert "FAIL, 1 of 2 | 1.5 |" in text
    assert "- pqn_cartpole, greedy return: 500, 400" in text


def test_every_experiment_is_a_task_with_ends_that_can_be_read() -> None:
    register_schemas()
    of_others = {"recsim", "look_ahead"}  # benchmarks/papers/slateq.py, benchmarks/learner.py
    assert {path.stem for path in (CONF / "experiment").glob("*.yaml")} == set(
        tasks.TASKS
    ) | of_others
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for name in tasks.TASKS:
            config = compose("train", overrides=[f"experiment={name}"])
            assert config.train.eval_period, "the last chunk of training has a length of its own"


POSSIBLE = {
    "cartpole": (1, 500),
    "pqn_cartpole": (1, 500),
    "acrobot": (-500, 0),
    "catch": (-1, 1),
    "deep_sea": (-0.01, 0.99),
    "pqn_minatar_breakout": (0, np.inf),
    "highway_fast": (0, 30),
}
"""Least and greatest return of an episode of each task: CartPole pays 1 a step for at most 500
steps, Acrobot -1 for at most 500, highway-fast at most 1 a step for 30; deep sea of 10 x 10 costs
0.001 a step to the right and pays 1 at the end."""


def test_recorded_returns_are_possible() -> None:
    recorded = json.loads((BENCHMARKS / "results" / "tasks.json").read_text())
    assert {row["name"] for row in recorded} == POSSIBLE.keys()
    for row in recorded:
        low, high = (-np.inf, 1.0) if row["unit"] == "score" else POSSIBLE[row["name"]]
        for value in (row["mean"], *row.get("per_seed", [])):
            assert low - 1e-4 <= value <= high + 1e-4, row["name"]
