"""SlateQ on interest evolution: every row of the paper, and rows that were not published.

    python benchmarks/papers/slateq.py --out runs/slateq [--seeds 10] [--only double_gs,ql_gt_gs]
    [--steps 524288]

Each row is one ``lrdqn train experiment=recsim ...``, all its seeds in one program, evaluated on
500 users per seed; a stopped run is resumed, a finished one is not run again. Writes
``benchmarks/results/slateq.json``, ``.md``, ``.png``; the run folders stay under ``--out``. The
exit code is 1 where a row is outside its bounds.

Published results are those of Ie et al. 2019 (arXiv 1905.12767), Tables 1 to 3.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import launch  # pyright: ignore[reportMissingImports]
import rows  # pyright: ignore[reportMissingImports]
from verdict import BLUE, GREEN, INK, ORANGE, PINK, SKY, write_figure

from lrdqn.evaluation.statistics import bootstrap_mean

REFERENCE, HEADLINE = "renewal_exact", "null_memory_double_gs"
AS_PRINTED = (165.0, 178.0)
Record = dict[str, Any]


class Row(NamedTuple):
    """A learner."""

    overrides: str
    published: float | None = None
    quality: float | None = None
    low: float = -np.inf
    high: float = np.inf
    """Bounds of the mean return."""


RECSIM = "env.memory=[] network.head=linear"
"""RecSim's own observation, and SlateQ's network."""


def release(target: str, fill: str, target_fill: str = "same") -> str:
    """Return the overrides of SlateQ as released, with its default discount."""
    return (
        f"{RECSIM} agent.gamma=0.99 agent.target={target} agent.slate.fill={fill} "
        f"agent.slate.target_fill={target_fill} "
        "agent.slate.null_value=false"
    )


def null(target: str, fill: str, more: str = "agent.gamma=0.99") -> str:
    """Return the overrides of the same with the null item's value."""
    return f"{RECSIM} agent.target={target} agent.slate.fill={fill} {more}"


WIDE, CASCADE = "env.candidates=20", "env.choice_model=cascade_exp env.evolution.score_scaling=0.3"
UNDISCOUNTED = "agent.gamma=1"
FULL = f"agent=full_slate {RECSIM} agent.gamma=0.99"
ROWS = {
    "sarsa_ts": Row(release("sarsa", "topk"), 168.4, -0.4908, *AS_PRINTED),
    "sarsa_gs": Row(release("sarsa", "greedy"), 172.1, -0.3876, *AS_PRINTED),
    "ql_tt_ts": Row(release("max", "topk"), 168.4, -0.4931, *AS_PRINTED),
    "ql_gt_gs": Row(release("max", "greedy"), 172.9, -0.3772, *AS_PRINTED),
    "ql_ot_ts": Row(release("max", "topk", "exact"), 169.0, -0.4905, *AS_PRINTED),
    "ql_ot_gs": Row(release("max", "greedy", "exact"), 173.8, -0.3408, *AS_PRINTED),
    "ql_ot_os": Row(release("max", "exact"), 174.6, -0.3056, *AS_PRINTED),
    "null_sarsa_ts": Row(null("sarsa", "topk"), low=240),
    "null_sarsa_gs": Row(null("sarsa", "greedy"), low=240),
    "null_ql_tt_ts": Row(null("max", "topk"), low=240),
    "null_ql_gt_gs": Row(null("max", "greedy"), low=240),
    "null_ql_ot_os": Row(null("max", "exact"), low=240),
    "null_double_gs": Row(null("double", "greedy"), low=240),
    "null_double_gs_undiscounted": Row(null("double", "greedy", UNDISCOUNTED), low=240),
    "null_double_gs_dueling": Row(
        null("double", "greedy", f"{UNDISCOUNTED} network.head=dueling"), low=240
    ),
    "null_memory_double_gs": Row("", low=264),
    "null_memory_sarsa_gs": Row("agent.target=sarsa", low=240),
    "null_memory_double_os": Row("agent.slate.fill=exact", low=240),
    "null_memory_double_gs_10_step": Row("agent.n_steps=10", low=240),
    "null_memory_double_gs_prioritized": Row("replay=prioritized", low=240),
    "null_memory_double_gs_learned_choice": Row("agent.slate.choice=logit", low=240),
    "wide_full_slate": Row(f"{FULL} {WIDE}", 164.2, -0.5072),
    "wide_full_slate_outputs": Row(f"{FULL} network=mlp {WIDE}"),
    "wide_sarsa_ts": Row(f"{release('sarsa', 'topk')} {WIDE}", 170.7, -0.5340),
    "wide_null_ql_gt_gs": Row(f"{null('max', 'greedy')} {WIDE}"),
    "wide_null_memory_double_gs": Row(WIDE),
    "cascade_sarsa_ts": Row(f"{release('sarsa', 'topk')} {CASCADE}", 166.8, -0.4171),
    "cascade_ql_tt_ts": Row(f"{release('max', 'topk')} {CASCADE}", 166.5, -0.4227),
    "cascade_ql_ot_ts": Row(f"{release('max', 'topk', 'exact')} {CASCADE}", 167.5, -0.3985),
    "cascade_ql_ot_os": Row(f"{release('max', 'exact')} {CASCADE}", 167.6, -0.3903),
    "cascade_null_memory_double_os": Row(f"agent.slate.fill=exact {CASCADE}"),
}
"""``memory``: sums of the session's responses are observed too, from which the rest of the hidden
budget can be inferred."""
KNOWN = {
    "random": (159.2, -0.5929, 159.0, 162.0),
    "myopic_topk": (166.3, -0.5428, 166.0, 168.7),
    "myopic_greedy": (166.3, -0.5475, 166.0, 168.7),
    "static_ranking": (None, None, 262.0, 267.0),
    REFERENCE: (None, None, 275.0, 290.0),
}
"""Policies that do not learn, of the first table: published return and quality, bounds."""
OF_GROUP = {"wide": {"random": 160.6}, "cascade": {"random": 159.9, "myopic_topk": 163.6}}


def group_of(name: str) -> str:
    """Return the paper's world that a row belongs to."""
    return next((group for group in OF_GROUP if name.startswith(group)), "")


def run(name: str, given: argparse.Namespace) -> tuple[Record, str]:
    """Train or resume; return the summary and the command."""
    overrides = ["experiment=recsim", *ROWS[name].overrides.split(), f"train.seeds={given.seeds}"]
    overrides += [f"train.env_steps={given.steps}"] if given.steps else []
    return launch.train(overrides, given.out / name), f"lrdqn train {' '.join(overrides)}"


def last_quarter(folder: Path) -> list[float]:
    """Return, for every seed, the mean return of the last quarter of training."""
    steps, returns = launch.curve(folder)
    return returns[steps > 0.75 * steps[-1]].mean(0).tolist()


def measured(
    name: str, per_seed: Sequence[float], metric: str, of: Record, bounds: tuple[float, float]
) -> Record:
    """Return a row of the result files; ``bounds`` are of its mean."""
    interval = bootstrap_mean(np.asarray(per_seed))
    low, mean, high = (round(x, 4) for x in (interval.low, interval.mean, interval.high))
    verdict = (
        "-" if bounds == (-np.inf, np.inf) else "PASS" if bounds[0] <= mean <= bounds[1] else "FAIL"
    )
    stated = " to ".join(f"{x:.4g}" for x in bounds if np.isfinite(x))
    return {
        "name": name,
        "metric": metric,
        "mean": mean,
        "ci_low": low,
        "ci_high": high,
        "n": len(per_seed),
        "unit": metric,
        "bounds": stated,
        "verdict": verdict,
        "per_seed": [round(x, 3) for x in per_seed],
        **of,
    }


def figures(row: str, policy: Record, known: tuple[Any, ...], common: Record) -> list[Record]:
    """Return rows for return and quality of one policy."""
    published, quality, low, high = known
    found = [
        measured(
            row,
            policy["return"]["per_seed"],
            "return",
            common | {"published": published},
            (low, high),
        )
    ]
    if "quality" in policy:
        of = common | {"published": quality}
        found.append(
            measured(row, policy["quality"]["per_seed"], "quality of clicks", of, (-np.inf, np.inf))
        )
    return found


def result_rows(given: argparse.Namespace, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return all rows, learner by learner; policies that do not learn come with the first learner
    of their world."""
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    for name in names:
        summary, command = run(name, given)
        common = {
            "command": command,
            "commit": rows.commit(),
            "device": rows.device(),
            "seconds": round(summary["seconds"], 1),
        }
        group = group_of(name)
        if group not in seen:
            seen.add(group)
            for policy, of in summary["policies"].items():
                if policy != "learned":
                    known = KNOWN.get(policy, (None, None, -np.inf, np.inf))
                    known = (
                        known if not group else (OF_GROUP[group].get(policy), None, -np.inf, np.inf)
                    )
                    found += figures(f"{group}_{policy}".strip("_"), of, known, common)
        row = ROWS[name]
        own = figures(
            name,
            summary["policies"]["learned"],
            (row.published, row.quality, row.low, row.high),
            common,
        )
        late = last_quarter(given.out / name)
        of = common | {"published": None}
        found += [
            *own,
            measured(name, late, "return, last quarter of training", of, (-np.inf, np.inf)),
        ]
    return found


def headline(found: Sequence[Record]) -> list[Record]:
    """Compare ``HEADLINE``, chosen before its results were seen, with the static ranking and the
    reference policy."""
    late = {r["name"]: r for r in found if r["metric"].startswith("return, last")}
    reference = next((r for r in found if r["name"] == REFERENCE), None)
    static = next(
        (r for r in found if r["name"] == "static_ranking" and r["metric"] == "return"), None
    )
    if HEADLINE not in late or reference is None or static is None:
        return []
    best = late[HEADLINE]
    of = {k: best[k] for k in ("command", "commit", "device", "seconds")} | {"published": None}
    share = (np.array(best["per_seed"]) / reference["mean"]).tolist()
    above = (np.array(best["per_seed"]) - static["mean"]).tolist()
    return [
        measured(
            f"{best['name']} / {REFERENCE}",
            share,
            "share, last quarter of training",
            of,
            (0.95, np.inf),
        ),
        measured(
            f"{best['name']} - static_ranking",
            above,
            "return, last quarter of training",
            of,
            (0.0, np.inf),
        ),
    ]


def table(found: Sequence[dict[str, Any]]) -> str:
    """Return the table, one line per policy."""
    lines = [
        "| policy | published | return | quality of clicks | last quarter | bounds | |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["name"] for row in found):
        of = {row["metric"]: row for row in found if row["name"] == name}
        main = next(iter(of.values()))

        def cell(row: dict[str, Any] | None) -> str:
            return (
                ""
                if row is None
                else f"{row['mean']:.4g} [{row['ci_low']:.4g}, {row['ci_high']:.4g}]"
            )

        quality = of.get("quality of clicks")
        published = "" if main["published"] is None else f"{main['published']:g}"
        if quality and quality["published"] is not None:
            published += f", {quality['published']:g}"
        late = cell(of.get("return, last quarter of training")) if "return" in of else ""
        lines.append(
            f"| {name} | {published} | {cell(main)} | {cell(quality)} | "
            f"{late} | {main['bounds']} | {main['verdict']} |"
        )
    lines += ["", "Every seed:", ""]
    return "\n".join(
        [
            *lines,
            *(
                f"- {r['name']}, {r['metric']}: {', '.join(f'{x:.4g}' for x in r['per_seed'])}"
                for r in found
            ),
            "",
        ]
    )


CURVES = {
    "ql_ot_os": (INK, "QL-OT-OS, as published"),
    "null_ql_gt_gs": (SKY, "QL-GT-GS and the value of nothing"),
    "null_double_gs_undiscounted": (PINK, "the same, Double, undiscounted"),
    "null_double_gs_dueling": (GREEN, "the same, dueling"),
    "null_memory_double_gs": (BLUE, "the same, sums of responses shown"),
}
"""Rows in the plot."""


def draw(out: Path, found: Sequence[dict[str, Any]]) -> Any:
    """Plot learning curves: published SlateQ and ours, all seeds, and the policies that do not
    learn."""

    def on(figure: Any) -> None:
        figure.set_size_inches(8, 4.6)
        axes = figure.add_subplot()
        for name, (colour, label) in CURVES.items():
            steps, returns = launch.curve(out / name)
            axes.plot(steps / 1000, returns, color=colour, alpha=0.25, linewidth=0.8)
            axes.plot(steps / 1000, returns.mean(1), color=colour, label=label)
        for policy in ("random", "myopic_topk", "static_ranking", REFERENCE):
            row = next((r for r in found if r["name"] == policy and r["metric"] == "return"), None)
            if row:
                axes.axhline(row["mean"], color=ORANGE, linewidth=0.8, linestyle="--")
                axes.annotate(
                    policy.replace("_", " "),
                    (1, row["mean"]),
                    xycoords=("axes fraction", "data"),
                    fontsize=8,
                    color=ORANGE,
                    xytext=(4, -3),
                    textcoords="offset points",
                )
        axes.set(
            xlabel="thousand env steps per seed", ylabel="minutes watched per user (greedy policy)"
        )
        axes.legend(frameon=False, fontsize=8, loc="center right")
        axes.spines[["top", "right"]].set_visible(False)

    return on


def merged(kept: Sequence[Record], new: Sequence[Record]) -> list[Record]:
    """Return the rows of an earlier result file with new ones in their places, or at the end of
    their world's; and the headline of all."""
    again = {row["name"] for row in new}
    of = {
        (row["name"], row["metric"]): row for row in (*kept, *new) if " " not in row["name"]
    }  # two names: the headline's
    made = [row for row in of.values() if row in new or row["name"] not in again]
    found = sorted(made, key=lambda row: ("", *OF_GROUP).index(group_of(row["name"])))
    return found + headline(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the run folders")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--steps", type=int, help="env steps per seed instead of the experiment's own"
    )
    parser.add_argument("--only", default="", help="rows, separated by commas; the others stay")
    given = parser.parse_args()
    names = [n for n in given.only.split(",") if n] or list(ROWS)
    if unknown := set(names) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    path = rows.RESULTS / "slateq.json"
    new = result_rows(given, names)
    kept = json.loads(path.read_text()) if given.only and path.is_file() else []
    found = merged(kept, new)
    rows.write("slateq", found, [table(found)])
    if missing := [name for name in CURVES if not (given.out / name / "metrics.jsonl").is_file()]:
        print(f"slateq.png is left as it is: no runs of {', '.join(missing)} under {given.out}")
    else:
        write_figure(draw(given.out, found), rows.RESULTS / "slateq.png")
    failed = [f"{row['name']}: {row['metric']}" for row in found if row["verdict"] == "FAIL"]
    sys.exit(f"outside their bounds: {'; '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
