"""What the default learner owes to each of its parts: one part changed at a time, ten seeds each.
Writes results/learner.{json,md}.

    python benchmarks/learner.py --out DIR [--only NAME ...] [--seeds 10]

Differences are to the default run on the same worlds and session starts, paired by seed. A finished
run in DIR is used again, an unfinished one resumed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import launch
import numpy as np
import rows

from lrdqn.evaluation.statistics import bootstrap_mean

CASES: dict[str, list[str]] = {
    "default": [],
    "no log": ["env.log.impressions=0"],
    "log of 51,200": ["env.log.impressions=51200"],
    "log of 819,200": ["env.log.impressions=819200"],
    "log of a random policy": ["env.log.policy=random"],
    "all candidates in the target": ["agent.target_candidates=null"],
    "no weight decay": ["agent.weight_decay=0"],
    "online network recommends": ["agent.policy=online"],
    "target network copied": ["agent.tau=1"],
    "learning rate 0.002": ["agent.learning_rate=0.002"],
    "epsilon from 1": ["agent.epsilon=1", "agent.epsilon_steps=40960"],
    "uniform replay": ["replay=uniform"],
    "2,560 updates": ["train.update_period=64"],
    "look_ahead": ["experiment=look_ahead"],
}
RESAMPLES = 10_000
POLICIES = ("learned", "myopic", "predicted_return", "predicted_reward", "profile", "content")


def returns(summary: dict[str, Any], policy: str) -> np.ndarray | None:
    """Return a policy's mean return per seed; ``None`` where the run had none of that name."""
    found = summary["policies"].get(policy)
    return None if found is None else np.asarray(found["return"]["per_seed"])


def case_rows(name: str, summary: dict[str, Any], default: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rows of each policy's return, of the learned policy against its twin and the rivals,
    and of the learned policy against the default run's."""
    found = {policy: returns(summary, policy) for policy in POLICIES}
    known = {policy: x for policy, x in found.items() if x is not None}
    values = {f"{name}/{policy}": x for policy, x in known.items()}
    learned = known["learned"]
    values |= {
        f"{name}/learned - {policy}": learned - x
        for policy, x in known.items()
        if policy != "learned"
    }
    base = returns(default, "learned")
    if base is not None and summary is not default and len(base) == len(learned):
        values[f"{name}/learned - default"] = learned - base
    made = []
    for row, x in values.items():
        mean, low, high = bootstrap_mean(x, RESAMPLES)
        made.append(
            {
                "name": row,
                "metric": "return",
                "mean": round(mean, 4),
                "ci_low": round(low, 4),
                "ci_high": round(high, 4),
                "per_seed": [round(float(v), 4) for v in x],
                "n": len(x),
                "unit": rows.UNITS["return"],
                "seconds": round(summary.get("seconds", 0.0), 1),
                "command": " ".join(["lrdqn train", *CASES[name]]),
                "commit": rows.commit(),
                "device": rows.device(),
            }
        )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the run folders")
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    made: list[dict[str, Any]] = []
    default: dict[str, Any] = {}
    for name in ["default", *(name for name in given.only if name != "default")]:
        words = [*CASES[name], f"train.seeds={given.seeds}"]
        summary = launch.train(words, given.out / name.replace(" ", "_").replace(",", ""))
        default = default or summary
        made += case_rows(name, summary, default)
    rows.write("learner", made)


if __name__ == "__main__":
    main()
