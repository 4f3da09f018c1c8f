"""Why the learner stays below the privileged policies: the default run with one thing changed at a
time.

    python benchmarks/distance_live.py --out runs/distance [--seeds 10] [--only sight,wide]

Each row is one ``lrdqn train ...`` on the default run's worlds and session starts: with the hidden
state observed, a wider network, another encoder of the watch history, longer training, another
discount or unit of it. Writes ``benchmarks/results/distance_live.json`` and ``.md`` with the paired
difference from the default run, beside the privileged rows of ``acceptance_live.json``; the run
folders stay under ``--out``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import launch
import numpy as np
import rows

from lrdqn.evaluation.statistics import bootstrap_mean, paired_difference

VARIANTS = {
    "default": ("the default run", ""),
    "sight": (
        (
            "sees the truth: each candidate's utility, experience, "
            "affinity, highlight; patience, satisfaction"
        ),
        "env.obs=full",
    ),
    "signals": ("sees recent reactions and the room's sound", "env.live_signals=true"),
    "wide": ("four times as wide a network", "network.hidden=[256,128]"),
    "gru": ("reads the watch sequence by a GRU", "history=gru"),
    "attention": ("reads it by attention", "history=attention"),
    "long": ("trains four times as long", "train.env_steps=655360"),
    "discount": ("looks further ahead", "agent.gamma=0.97"),
    "minutes": ("discounts minutes and not decisions: .9 per 2", "env.discount_unit=minutes:2"),
    "sight and length": (
        "sees the truth and trains four times as long",
        "env.obs=full train.env_steps=655360",
    ),
}
PRIVILEGED = ("oracle_myopic", "oracle_planner")


def privileged() -> dict[str, dict[str, Any]]:
    """Return the privileged rows of the default world from the result file of
    ``acceptance_live.py``."""
    path = rows.RESULTS / "acceptance_live.json"
    found = json.loads(path.read_text()) if path.is_file() else []
    return {
        row["name"].partition("/")[2]: row
        for row in found
        if row["name"].startswith("default/") and row["metric"] == "return"
    }


def measured(
    name: str, given: argparse.Namespace, base: list[float] | None
) -> tuple[list[dict[str, Any]], list[float]]:
    """Return the rows of one variant, and its return seed by seed."""
    overrides = [*VARIANTS[name][1].split(), f"train.seeds={given.seeds}"]
    summary = launch.train(overrides, given.out / name.replace(" ", "_"))
    common = {
        "command": f"lrdqn train {' '.join(overrides)}",
        "commit": rows.commit(),
        "device": rows.device(),
        "seconds": round(summary["seconds"], 1),
        "n": given.seeds,
    }
    own = {
        policy: summary["policies"][policy]["return"]["per_seed"]
        for policy in ("learned", "myopic")
    }
    intervals = {policy: bootstrap_mean(np.asarray(x)) for policy, x in own.items()}
    if base is not None:
        intervals["learned - default"] = paired_difference(
            np.asarray(own["learned"]), np.asarray(base)
        )
    intervals["learned - myopic"] = paired_difference(
        np.asarray(own["learned"]), np.asarray(own["myopic"])
    )
    made = [
        {
            "name": f"{name}/{what}",
            "metric": "return",
            "mean": round(x.mean, 4),
            "ci_low": round(x.low, 4),
            "ci_high": round(x.high, 4),
            "unit": "reward per session",
            **common,
        }
        for what, x in intervals.items()
    ]
    return made, own["learned"]


def table(found: list[dict[str, Any]]) -> list[str]:
    """Return the Markdown table: one line per variant, then the privileged policies."""
    of = {row["name"]: row for row in found}

    def cell(row: dict[str, Any] | None) -> str:
        return (
            "-" if row is None else f"{row['mean']:.4g} [{row['ci_low']:.4g}, {row['ci_high']:.4g}]"
        )

    lines = [
        "| learner | learned | less the default run | γ = 0 | less its γ = 0 twin |",
        "|---|---|---|---|---|",
    ]
    for name, (what, _) in VARIANTS.items():
        if f"{name}/learned" in of:
            cells = (
                cell(of.get(f"{name}/{part}"))
                for part in ("learned", "learned - default", "myopic", "learned - myopic")
            )
            lines.append(f"| {what} | {' | '.join(cells)} |")
    lines += [
        f"| {name} | {cell(row)} | | | |"
        for name, row in privileged().items()
        if name in PRIVILEGED
    ]
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the run folders")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--only", default="", help="variants, separated by commas; the rows of others stay"
    )
    given = parser.parse_args()
    names = [n for n in given.only.split(",") if n] or list(VARIANTS)
    if unknown := set(names) - set(VARIANTS):
        parser.error(
            f"no such variant: {', '.join(sorted(unknown))}; there are {', '.join(VARIANTS)}"
        )
    path = rows.RESULTS / "distance_live.json"
    kept = json.loads(path.read_text()) if given.only and path.is_file() else []
    found = {
        name: [row for row in kept if row["name"].partition("/")[0] == name] for name in VARIANTS
    }
    found["default"], base = measured("default", given, None)
    for name in names:
        if name != "default":
            found[name] = measured(name, given, base)[0]
        made = [row for of in found.values() for row in of]
        rows.write("distance_live", made, table(made))


if __name__ == "__main__":
    main()
