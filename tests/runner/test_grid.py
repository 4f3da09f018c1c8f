"""The grid: all combinations in one program, each learning what it would learn alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from runner.runs import config, play, trained

from lrdqn.config import ConfigError
from lrdqn.runner.experiment import Experiment
from lrdqn.runner.folder import MetricsLog
from lrdqn.runner.learners import make_learners
from lrdqn.types import Hypers


def test_learners_are_all_combinations_and_one_twin_per_rest() -> None:
    grid = {"agent": {"learning_rate": [1e-3, 3e-3], "gamma": [0.0, 0.9, 0.99]}, "replay": {}}
    learners = make_learners(config(grid=grid))
    assert [x.name for x in learners] == [
        "learned[learning_rate=0.001,gamma=0]",
        "learned[learning_rate=0.001,gamma=0.9]",
        "learned[learning_rate=0.001,gamma=0.99]",
        "learned[learning_rate=0.003,gamma=0]",
        "learned[learning_rate=0.003,gamma=0.9]",
        "learned[learning_rate=0.003,gamma=0.99]",
        "myopic[learning_rate=0.001]",
        "myopic[learning_rate=0.003]",
    ]
    near = make_learners(
        config(grid={"agent": {"gamma": [0.9, 0.9000001]}}, train={"myopic": False})
    )
    assert [x.name for x in near] == ["learned[gamma=0.9]", "learned[gamma=0.9000001]"]
    assert learners[1].point == {"agent.learning_rate": 1e-3, "agent.gamma": 0.9}
    assert learners[6].point == {"agent.learning_rate": 1e-3, "agent.gamma": 0.0}
    assert [x.name for x in make_learners(config())] == ["learned", "myopic"]
    assert [x.name for x in make_learners(config(train={"myopic": False}))] == ["learned"]
    assert [x.name for x in make_learners(config(agent={"gamma": 0.0}))] == ["learned"]


def test_hypers_hold_the_points_and_the_single_values() -> None:
    e = Experiment(
        config(
            grid={"agent": {"tau": [0.25, 0.5]}, "replay": {"alpha": [0.0, 0.7]}},
            train={"myopic": False},
        )
    )
    hypers = jax.device_get(e.hypers)
    np.testing.assert_allclose(hypers.tau, [0.25, 0.25, 0.5, 0.5])
    np.testing.assert_allclose(hypers.alpha, [0.0, 0.7, 0.0, 0.7], rtol=1e-6)
    np.testing.assert_allclose(hypers.gamma, [0.9] * 4, rtol=1e-6)
    assert set(hypers._fields) == set(Hypers._fields)


@pytest.mark.slow
def test_each_point_learns_what_it_learns_alone() -> None:
    """Side by side against one by one; the compiler may order a sum differently for another batch
    shape."""
    rates, discounts = [1e-3, 5e-3], [0.5, 0.9]
    steps = {"env_steps": 128, "eval_period": 128, "myopic": False}
    env = {"probe": "truncation"}  # nothing ends in it, so discounts matter
    grid = {"agent": {"learning_rate": rates, "gamma": discounts}}
    side = trained(Experiment(config(grid=grid, train=steps, env=env))).agent.params
    points = [(rate, gamma) for rate in rates for gamma in discounts]
    for g, (rate, gamma) in enumerate(points):
        alone = trained(
            Experiment(config(agent={"learning_rate": rate, "gamma": gamma}, train=steps, env=env))
        ).agent.params
        for x, y in zip(jax.tree.leaves(side), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(
                np.asarray(x)[:, g], np.asarray(y)[:, 0], rtol=1e-3, atol=1e-5, err_msg=f"point {g}"
            )
    kernels = np.asarray(jax.tree.leaves(side)[-1])
    assert all((kernels[:, 0] != kernels[:, g]).any() for g in range(1, 4)), "points must differ"


@pytest.mark.slow
def test_rows_carry_their_coordinates_and_the_table_says_who_was_picked(tmp_path: Path) -> None:
    grid = {"agent": {"learning_rate": [1e-6, 5e-3]}}
    env = {"probe": "observation_action"}
    summary = play(
        tmp_path / "run", grid=grid, train={"env_steps": 2048, "eval_period": 1024}, env=env
    )
    assert summary is not None
    rows = MetricsLog(tmp_path / "run").rows()
    of = {(row["policy"], row["gamma"], row["agent.learning_rate"]) for row in rows}
    assert of == {
        (f"{name}[learning_rate={rate}]", gamma, float(rate))
        for name, gamma in (("learned", 0.9), ("myopic", 0.0))
        for rate in ("1e-06", "0.005")
    }
    last = {
        name: np.mean([r["return"] for r in rows if r["policy"] == name and r["env_steps"] == 2048])
        for name, *_ in of
    }
    assert summary["reference"] == max(
        (n for n in last if n.startswith("learned")), key=lambda n: last[n]
    )
    assert summary["reference"] == "learned[learning_rate=0.005]", (
        "a step size of a millionth learns nothing"
    )
    assert set(summary["policies"]) == {*summary["grid"], "random"}
    own = summary["policies"][summary["reference"]]["return"]
    assert summary["score"] == own["mean"]
    other = summary["policies"]["learned[learning_rate=1e-06]"]["return"]
    difference = summary["differences"]["learned[learning_rate=1e-06]"]["return"]["per_seed"]
    np.testing.assert_allclose(difference, np.subtract(own["per_seed"], other["per_seed"]))


@pytest.mark.parametrize(
    ("grid", "line"),
    [
        (
            {"agent": {"gamma": [0.9, 0.9]}},
            r"grid\.agent\.gamma=\[0\.9, 0\.9\]: must not hold a value twice",
        ),
        ({"agent": {"gamma": [0.9, 0.90000000001]}}, r"must not hold a value twice \(as float32\)"),
        ({"agent": {"gamma": [0.9, 1.5]}}, r"grid\.agent\.gamma=1\.5: must lie in \[0, 1\]"),
        ({"agent": {"gamma": 0.9}}, r"grid\.agent\.gamma=0\.9: must be a list of numbers"),
        ({"agent": {"gamma": []}}, r"grid\.agent\.gamma=\[\]: must be a list of numbers"),
        ({"agent": {"tau": [True]}}, r"grid\.agent\.tau=\[True\]: must be a list of numbers"),
        (
            {"replay": {"beta": [0.4, 0.9], "beta_end": [0.8]}},
            r"replay\.beta_end=0\.8: must be at least replay\.beta=0\.9",
        ),
        (
            {"agent": {"epsilon": [0.01]}},
            r"agent\.epsilon_end=0\.05: must not exceed agent\.epsilon=0\.01",
        ),
        ({"agent": {"optimizer": ["adam"]}}, r"grid\.agent\.optimizer=.*unknown key"),
    ],
)
def test_bad_grids_are_refused_by_key(grid: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        config(grid=grid)
