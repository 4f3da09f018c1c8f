"""Slates of the live world: is the null item's value worth as much there as in RecSim, and do
decomposed slates match full ones?

    python benchmarks/slates_live.py --out runs/slates_live [--seeds 10]

Three of sixteen rooms per slate; users scan from the top (position-based) or consider all rooms at
once (logit); a choice model is learned beside the values. Compared are SlateQ with and without the
null item's value, with and without a target of its own slates, and full-slate Q-learning, as one
network that reads the rooms of a slate or with an output for each of the 560 slates. The reasons
for their order are studied in the first world: gamma = 0, another head, the hidden state observed,
longer training; and by ``slates_parts.py``. Writes ``benchmarks/results/slates_live.json`` and
``.md``; the run folders stay under ``--out``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import launch
import numpy as np
import rows

from lrdqn.evaluation.statistics import paired_difference

WORLDS = {"mnl": "env.choice_model=mnl", "pbm": "env.choice_model=pbm"}
LEARNERS = {
    "slateq": "agent=slateq evaluate.references=true",
    "slateq_without_null": "agent=slateq agent.slate.null_value=false",
    "slateq_sarsa": "agent=slateq_sarsa",
    "slateq_topk": "agent=slateq agent.slate.fill=topk",
    "full_slate": "agent=full_slate agent.target=double",
    "full_slate_outputs": "agent=full_slate network=mlp agent.target=double",
}
MYOPIC, SIGHT, LONG = "agent.gamma=0", "env.obs=full", "train.env_steps=655360"
TOPK, WITHOUT_NULL = "agent.slate.fill=topk", "agent.slate.null_value=false"
WHY = {
    "slateq_gamma_0": f"agent=slateq {MYOPIC}",
    "slateq_topk_gamma_0": f"agent=slateq {TOPK} {MYOPIC}",
    "slateq_dueling": "agent=slateq network.head=dueling",
    "slateq_sight": f"agent=slateq {SIGHT}",
    "slateq_without_null_sight": f"agent=slateq {WITHOUT_NULL} {SIGHT}",
    "slateq_topk_sight": f"agent=slateq {TOPK} {SIGHT}",
    "slateq_long": f"agent=slateq {LONG}",
    "slateq_without_null_long": f"agent=slateq {WITHOUT_NULL} {LONG}",
    "slateq_topk_long": f"agent=slateq {TOPK} {LONG}",
}
"""Variants in the first world alone. If values of the future were learned badly, rewards alone
(gamma = 0), of which the null item has exactly 0, would do better, or a head of its own for what
all rooms of a slate share (dueling); if values of rooms were, the hidden state shown to the learner
or four times the training would bring the rows together."""
PAIRS = [
    *(
        ("slateq", other)
        for other in (
            *list(LEARNERS)[1:],
            "slateq_gamma_0",
            "slateq_dueling",
            "slateq_sight",
            "slateq_long",
        )
    ),
    ("slateq_topk", "slateq_topk_gamma_0"),
    ("slateq_gamma_0", "slateq_topk_gamma_0"),
    *(("slateq_sight", other) for other in ("slateq_without_null_sight", "slateq_topk_sight")),
    *(("slateq_long", other) for other in ("slateq_without_null_long", "slateq_topk_long")),
]
"""Learners that are compared seed by seed."""

LEFT_OUT = {("pbm", "full_slate")}
"""Left out: where order counts there are 3,360 slates, six times the work, and more than a scorer
of slates may have."""


def jobs() -> dict[tuple[str, str], str]:
    """Return ``{(world, learner): overrides}``."""
    learners = {"mnl": LEARNERS | WHY, "pbm": LEARNERS}
    found = {
        (world, name): f"env.slate=3 {WORLDS[world]} {learner}"
        for world, of in learners.items()
        for name, learner in of.items()
    }
    return {job: overrides for job, overrides in found.items() if job not in LEFT_OUT}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the run folders")
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    found, lines = (
        [],
        ["| world | policy | return | watch (min) | page clicks |", "|---|---|---|---|---|"],
    )
    seeds: dict[tuple[str, str], np.ndarray] = {}
    for (world, name), learner in jobs().items():
        overrides = [*learner.split(), "train.myopic=false", f"train.seeds={given.seeds}"]
        summary = launch.train(overrides, given.out / f"{world}_{name}")
        made = rows.summary_rows(
            f"{world}/{name}", summary, f"lrdqn train {' '.join(overrides)}", summary["seconds"]
        )
        # what does not learn is the same beside every learner of a world: it is written once
        own = {f"{world}/{name}", f"{world}/{name}/learned"}
        found += [
            row
            for row in made
            if "/" not in row["metric"] and (name == "slateq" or row["name"] in own)
        ]
        shown = (
            summary["policies"] if name == "slateq" else {"learned": summary["policies"]["learned"]}
        )
        for policy, metrics in shown.items():
            cells = [
                f"{e['mean']:.4g} [{e['ci_low']:.4g}, {e['ci_high']:.4g}]"
                for e in (metrics[metric] for metric in ("return", "watch_minutes", "clicks"))
            ]
            lines.append(
                f"| {world} | {name if policy == 'learned' else policy} | {' | '.join(cells)} |"
            )
        seeds[world, name] = np.asarray(summary["policies"]["learned"]["return"]["per_seed"])
        for one, other in PAIRS:
            if name not in (one, other) or not {(world, one), (world, other)} <= seeds.keys():
                continue
            apart = paired_difference(seeds[world, one], seeds[world, other])
            lines.append(
                f"| {world} | {one} - {other} | {apart.mean:+.2f} "
                f"[{apart.low:.2f}, {apart.high:.2f}] | | |"
            )
            figures = {
                "mean": apart.mean,
                "ci_low": apart.low,
                "ci_high": apart.high,
                "n": given.seeds,
            }
            common = {k: made[0][k] for k in ("command", "commit", "device", "seconds")}
            found.append(
                {
                    "name": f"{world}/{one} - {other}",
                    "metric": "return",
                    **figures,
                    "unit": "paired by seed",
                    **common,
                }
            )
        every = [
            f"- {where}, {who}: {', '.join(f'{x:.4g}' for x in returns)}"
            for (where, who), returns in seeds.items()
        ]
        rows.write("slates_live", found, [*lines, "", "Every seed, return:", "", *every, ""])


if __name__ == "__main__":
    main()
