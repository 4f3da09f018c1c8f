"""Pages filled by truth in place of what was learnt: both ends are policies that a run's own table has."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from experiment.runs import merged, play
from family import TINY_WORLD, of_place

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import slates_parts  # noqa: E402

TINY = {
    "env": {"slate": 2},
    "network": {"name": "scorer", "hidden": [8, 8], "embedding": 2},
    "replay": {"name": "uniform", "capacity": 64, "batch_size": 8},
    "train": {"sessions": 4, "env_steps": 64, "eval_period": 64, "warmup_steps": 16, "update_period": 4, "myopic": False},
    "agent": {"name": "slateq", "target_period": 16},
    "evaluate": {"sessions": 16, "references": True},
}


@pytest.mark.slow
def test_nothing_replaced_is_the_run_and_everything_replaced_the_privileged_policy(tmp_path: Path) -> None:
    play(tmp_path / "run", **of_place(merged(TINY_WORLD, TINY)))
    policies = json.loads((tmp_path / "run" / "summary.json").read_text())["policies"]
    judge = slates_parts.make_judge(tmp_path / "run")
    for parts, policy in (
        (slates_parts.Parts("learnt", "learnt", "greedy"), "learned"),
        (slates_parts.Parts("true", "next reward", "greedy"), "oracle_greedy"),
    ):
        np.testing.assert_allclose(judge(parts), policies[policy]["return"]["per_seed"], rtol=1e-4)


def test_a_run_of_another_agent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "resolved.yaml").write_text("agent: {name: dqn}\nenv: {kind: live}\n")
    with pytest.raises(SystemExit, match="of agent=dqn env=live; must be of agent=slateq env=live"):
        slates_parts.make_judge(tmp_path)
