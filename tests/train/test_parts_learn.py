"""Every part of the family reaches the closed-form values of a probe that its kind of mistake would
miss."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from runner.runs import merged, trained, values

from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import TrainRun
from lrdqn.envs.probes.env import optimum
from lrdqn.runner.experiment import Experiment

BASE: dict[str, Any] = {
    "replay": {"name": "uniform"},
    "agent": {"reward_scale": 1.0, "target": "max"},
    "train": {"env_steps": 24_576, "eval_period": None, "myopic": False},
}
NOISY = {
    "network": {"layers": "noisy"}
}  # beside epsilon: without it, an action once seen to be bad is hardly taken again
RANGE = {"value": "categorical", "v_min": -2.0, "v_max": 2.0, "atoms": 21}
PQN = {
    "agent": {"target": "lambda", "optimizer": "radam"},
    "replay": {"name": "queue", "batch_size": 16},
    "network": {"norm": "layer"},
    "train": {"rollout": 8, "update_period": 8},
}
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("expected SARSA", "observation_action", {"agent": {"target": "expected_sarsa"}}),
    ("three steps", "discount", {"agent": {"n_steps": 3}}),
    ("three steps under a time limit", "truncation", {"agent": {"n_steps": 3}}),
    ("dueling", "observation_action", {"network": {"head": "dueling"}}),
    ("noisy", "observation_action", NOISY),
    ("categorical", "discount", {"network": RANGE}),
    ("categorical, action", "observation_action", {"network": RANGE}),
    (
        "categorical under a time limit",
        "truncation",
        {"network": RANGE | {"v_max": 20.0, "atoms": 45}},
    ),
    ("quantile", "discount", {"network": {"value": "quantile", "atoms": 11}}),
    ("quantile, action", "observation_action", {"network": {"value": "quantile", "atoms": 11}}),
    ("rank-based replay", "observation_action", {"replay": {"name": "rank"}}),
    ("PQN, discount", "discount", PQN),
    ("PQN, action", "observation_action", PQN),
    ("PQN under a time limit", "truncation", merged(PQN, {"agent": {"trace": 0.9}})),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("probe", "changes"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_part_reaches_the_values_of_a_probe(probe: str, changes: dict[str, Any]) -> None:
    config = freeze(TrainRun, values(**merged(merged(BASE, {"env": {"probe": probe}}), changes)))
    e = Experiment(config)
    params = e.agent.policy_params(trained(e).agent)
    for seed in range(2):
        own = jax.tree.map(lambda x, seed=seed: x[seed, 0], params)
        for number, want in optimum(probe, config.agent.gamma).items():
            q = e.network.apply(own, jnp.array([[number, 1.0]]), (), None).q[0]
            np.testing.assert_allclose(
                q, want, atol=0.05 + 0.05 * abs(max(want)), err_msg=f"seed {seed}, sees {number}"
            )
