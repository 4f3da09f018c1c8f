"""Long-term satisfaction: the sensitivity at which clickbait stops paying, and whether a learner
finds out.

    python benchmarks/papers/satisfaction.py --out runs/satisfaction [--seeds 10]

The world of Ie et al. 2019 (RecSim, arXiv 1909.04847) at sensitivities from 0.01, its own, to 0.2:
a Double DQN that shows one document at a time and observes running sums of what was shown
(``env.memory``), its twin with gamma = 0, and policies of constant clickbait. Writes
``benchmarks/results/satisfaction.json`` and ``.md``; the run folders stay under ``--out``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import launch  # pyright: ignore[reportMissingImports]
import rows  # pyright: ignore[reportMissingImports]

SENSITIVITIES = (0.01, 0.02, 0.05, 0.1, 0.2)
WORDS = (
    "env=recsim env.task=long_term_satisfaction env.slate=1 "
    "env.memory=[0.7] agent=double_dqn replay=uniform "
    "agent.gamma=0.9 agent.reward_scale=0.01 agent.learning_rate_decay=0.98 "
    "network.hidden=[64,32] network.head=dueling "
    "replay.capacity=131072 train.env_steps=524288 evaluate.sessions=500 evaluate.cohorts=1"
)
POLICIES = ("learned", "myopic", "clickbait_0", "clickbait_0.5", "clickbait_1", "random")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the run folders")
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    found, lines = (
        [],
        [f"| sensitivity | {' | '.join(POLICIES)} |", "|---" * (1 + len(POLICIES)) + "|"],
    )
    for sensitivity in SENSITIVITIES:
        overrides = [
            *WORDS.split(),
            f"env.satisfaction.sensitivity={sensitivity}",
            f"train.seeds={given.seeds}",
        ]
        summary = launch.train(overrides, given.out / f"sensitivity_{sensitivity}")
        made = rows.summary_rows(
            f"{sensitivity}", summary, f"lrdqn train {' '.join(overrides)}", summary["seconds"]
        )
        found += [row for row in made if row["metric"] == "return"]
        entries = (summary["policies"][policy]["return"] for policy in POLICIES)
        cells = [f"{e['mean']:.4g} [{e['ci_low']:.4g}, {e['ci_high']:.4g}]" for e in entries]
        lines.append(f"| {sensitivity} | {' | '.join(cells)} |")
    rows.write("satisfaction", found, [*lines, ""])


if __name__ == "__main__":
    main()
