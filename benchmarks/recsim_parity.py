"""The reference slate benchmark beside RecSim's own code: the same tasks and policies, and
statistics of their sessions.

    python benchmarks/speed/peers.py recsim      # once
    python benchmarks/recsim_parity.py [--sessions 2000] [--own 20000] [--only TEXT] [--dry]

Random draws are not shared, so metrics agree but for chance: a difference of more than four
standard errors is a FAIL (of some fifty metrics, one run in three hundred has one by chance), and
the exit code is then 1. `quality` is that of clicked documents; in long-term satisfaction, where
every first document is clicked, it is clickbait. Writes benchmarks/results/recsim_parity.{json,md}.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

sys.path.insert(1, str(Path(__file__).resolve().parent / "speed"))

import rows as result_files
from contest import PEERS, Contestant, Entry  # pyright: ignore[reportMissingImports]
from recsim_lrdqn import config_of  # pyright: ignore[reportMissingImports]

from lrdqn import build
from lrdqn.envs.recsim.config import ExplorationConfig
from lrdqn.envs.recsim.exploration import AFFINITY_MEAN
from lrdqn.envs.recsim.family import known_policies
from lrdqn.evaluation.cohort import Outcome, make_cohort

LIMIT = 4.0
COMMON = {"candidates": 10, "slate": 3, "horizon": 500}
UNITS = {
    "return": "reward per session",
    "ctr": "clicks per step",
    "steps": "per session",
    "quality": "of what was clicked",
}


class Scene(NamedTuple):
    """A world and the policies that both play in it."""

    name: str
    options: dict[str, Any]
    policies: tuple[str, ...]


KINDS = [ExplorationConfig().first_kind, 1 - ExplorationConfig().first_kind]
CLICKBAIT = ("random", "clickbait_0", "clickbait_0.5", "clickbait_1")
PLAIN = ("random", "myopic_topk", "static_ranking")
SCENES = (
    Scene("interest evolution", {"task": "interest_evolution"}, PLAIN),
    Scene("interest evolution, mnl", {"task": "interest_evolution", "choice_model": "mnl"}, PLAIN),
    Scene(
        "interest exploration, 100 steps",
        {
            "task": "interest_exploration",
            "horizon": 100,
            "kinds": KINDS,
            "affinity": AFFINITY_MEAN.tolist(),
        },
        ("random", "myopic_topk"),
    ),
    Scene(
        "long-term satisfaction", {"task": "long_term_satisfaction", "sensitivity": 0.01}, CLICKBAIT
    ),
    Scene(
        "long-term satisfaction, sensitivity .2",
        {"task": "long_term_satisfaction", "sensitivity": 0.2},
        CLICKBAIT,
    ),
)


class Figure(NamedTuple):
    """A mean and its standard error."""

    mean: float
    error: float


def ratio(top: np.ndarray, bottom: np.ndarray) -> Figure:
    """Return ``sum top / sum bottom`` over sessions, its error by the delta method."""
    r = top.sum() / bottom.sum()
    return Figure(float(r), float((top - r * bottom).std() / bottom.mean() / np.sqrt(len(top))))


def figures(returns: Any, length: Any, clicks: Any, quality: Any) -> dict[str, Figure]:
    """Return the metrics of the sessions ``[N]`` of one policy."""
    x = [np.asarray(values, np.float64) for values in (returns, length, clicks, quality)]
    ones = np.ones(len(x[0]))
    found = {
        "return": ratio(x[0], ones),
        "ctr": ratio(x[2], x[1]),
        "steps": ratio(x[1], ones),
        "quality": ratio(x[3], x[2]),
    }
    return {name: figure for name, figure in found.items() if np.isfinite(figure.mean)}


def theirs(scene: Scene, policy: str, sessions: int) -> dict[str, Figure]:
    """Play RecSim's own code, every time from another seed, so that no two metrics share random
    draws."""
    seed = 1 + 100 * SCENES.index(scene) + scene.policies.index(policy)
    options = {**COMMON, **scene.options, "policy": policy, "sessions": sessions, "seed": seed}
    peer = Contestant(Entry("recsim", "recsim_google.py", options, "recsim"))
    peer.ready()
    got = peer.run(seed)
    peer.close()
    return figures(got["returns"], got["length"], got["clicks"], got["quality"])


def ours(scene: Scene, sessions: int) -> dict[str, dict[str, Figure]]:
    """Play lrdqn, all policies in one program."""
    config = config_of({**COMMON, **scene.options})
    known = known_policies(config)
    groups = tuple((known[name], 1) for name in scene.policies)
    states = tuple(
        jax.tree.map(lambda x: x[None], policy.init(jax.random.key(0))) for policy, _ in groups
    )
    played: Outcome = jax.jit(make_cohort(build.build_env(config, sessions), groups))(
        states, (), jax.random.key(7)
    )
    return {
        name: figures(played.returns[i], played.length[i], played.clicks[i], played.quality[i])
        for i, name in enumerate(scene.policies)
    }


def compared(
    scene: Scene,
    policy: str,
    theirs: dict[str, Figure],
    ours: dict[str, Figure],
    n: tuple[int, int],
) -> list[dict]:
    """Return the rows of one policy: both metrics with their intervals, and the difference with its
    verdict.

    Where nothing is left to chance (a session of long-term satisfaction has 60 steps), both must be
    equal.
    """
    found: list[dict[str, Any]] = []
    for metric, a in theirs.items():
        b, name = ours[metric], f"{scene.name}/{policy}"
        gap = Figure(b.mean - a.mean, float(np.hypot(a.error, b.error)))
        met = abs(gap.mean) <= LIMIT * gap.error + 1e-9
        for who, figure, count in (
            ("RecSim", a, n[0]),
            ("lrdqn", b, n[1]),
            ("lrdqn - RecSim", gap, min(n)),
        ):
            low, high = figure.mean - 1.96 * figure.error, figure.mean + 1.96 * figure.error
            row = {
                "name": f"{name}/{who}",
                "metric": metric,
                "mean": figure.mean,
                "ci_low": low,
                "ci_high": high,
                "n": count,
            }
            found.append(
                row
                | {"unit": UNITS[metric]}
                | ({"verdict": "PASS" if met else "FAIL"} if who == "lrdqn - RecSim" else {})
            )
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Return the Markdown table: RecSim, lrdqn and the verdict side by side."""
    lines = [
        "| world and policy | | RecSim's own code | lrdqn | difference | |",
        "|---|---|---|---|---|---|",
    ]
    for a, b, gap in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        cells = [
            f"{row['mean']:.4g} [{row['ci_low']:.4g}, {row['ci_high']:.4g}]" for row in (a, b, gap)
        ]
        lines.append(
            f"| {a['name'].rpartition('/')[0]} | {a['metric']} | "
            f"{' | '.join(cells)} | {gap['verdict']} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sessions", type=int, default=2000, metavar="N", help="of RecSim's own code (%(default)s)"
    )
    parser.add_argument(
        "--own", type=int, default=20_000, metavar="N", help="of lrdqn (%(default)s)"
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="worlds whose name holds this text; writes nothing",
    )
    parser.add_argument("--dry", action="store_true", help="write no result files")
    given = parser.parse_args()
    if not (PEERS / "recsim" / "bin" / "python").exists():
        parser.error(f"{PEERS / 'recsim'} is not there: python benchmarks/speed/peers.py recsim")
    common = {
        "command": " ".join(["python benchmarks/recsim_parity.py", *sys.argv[1:]]),
        "commit": result_files.commit(),
        "device": result_files.device(),
    }
    rows: list[dict[str, Any]] = []
    for scene in (scene for scene in SCENES if given.only in scene.name):
        began, own = time.perf_counter(), ours(scene, given.own)
        for policy in scene.policies:
            made = compared(
                scene,
                policy,
                theirs(scene, policy, given.sessions),
                own[policy],
                (given.sessions, given.own),
            )
            print("\n".join(table(made).splitlines()[0 if not rows else 2 :]), flush=True)
            rows += [
                row | common | {"seconds": round(time.perf_counter() - began, 1)} for row in made
            ]
    if not (given.only or given.dry):
        result_files.write("recsim_parity", rows, [table(rows), ""])
    return 1 if any(row.get("verdict") == "FAIL" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
