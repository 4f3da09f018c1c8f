"""Head-room of the live world with one mechanism removed at a time: which one makes planning pay?
Writes results/ablation_live.{json,md}.

    python benchmarks/ablation_live.py [--only NAME ...] [--seeds 10]

For each variant, the planner's weights are searched anew on worlds of their own
(``references.py``); then the planner and the privileged myopic policy play the same session starts
of other worlds. Head-room is ``planner / myopic - 1`` of the mean returns, paired by seed. Where it
falls, the removed mechanism was a reason to plan. Returns of different variants are not comparable.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from typing import Any

import jax
import numpy as np
import rows
from acceptance_live import headroom
from references import INDEX_START, Arena, index_state, with_state

from lrdqn import baselines, build
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import CalibrateRun
from lrdqn.envs.live.config import LiveConfig
from lrdqn.evaluation.cohort import make_cohort

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "full": ("the default world", {}),
    "return": ("coming back does not hang on satisfaction", {"law": {"return_slope": 0.0}}),
    "experience": (
        "every room leaves its users as content: patience and return ignore what is watched",
        {"law": {"experience_affinity": 0.0, "experience_skill": 0.0, "experience_hook": 0.0}},
    ),
    "patience": (
        "patience never runs out: sessions end when the time is up",
        {"law": {"patience_median": 1000.0}},
    ),
    "hook": ("what leaves users less content draws no clicks", {"law": {"hook": 0.0}}),
    "hook in experience": (
        "what draws clicks leaves users as content",
        {"law": {"experience_hook": 0.0}},
    ),
    "fatigue": ("nobody tires of a category", {"law": {"fatigue": 0.0}}),
    "loyalty": ("nobody is drawn to whom they know", {"law": {"loyalty": 0.0}}),
    "drift": ("interests stay as they are", {"drift": "none"}),
    "availability": (
        "rooms last some 20 hours: hardly any ends while it is watched",
        {"schedule": {"room_hours": 20.0, "room_sigma": 0.1, "empty_hazard": 0.0}},
    ),
}
"""Removed mechanism -> what its removal means, and the keys of ``env`` that remove it."""
SEARCHED = 2_000_000
"""Root seed of the worlds to search on; evaluation uses the first seeds of root 0."""


def config_of(changes: dict[str, Any]) -> LiveConfig:
    """Return the default live world with some keys changed."""
    env = dataclasses.asdict(LiveConfig())
    for key, value in changes.items():
        env[key] = env[key] | value if isinstance(value, dict) else value
    return freeze(CalibrateRun, dataclasses.asdict(CalibrateRun(env=env))).env


def judged(
    config: LiveConfig, weights: np.ndarray, seeds: int, sessions: int
) -> dict[str, dict[str, np.ndarray]]:
    """Return the mean return per seed of the planner and the myopic policy on the same session
    starts."""
    policies = {
        "oracle_planner": with_state(baselines.make_index(config), index_state(weights[None])[0]),
        "oracle_myopic": baselines.make_index(config),
    }
    cohort = make_cohort(
        build.build_env(config, sessions), tuple((policy, 1) for policy in policies.values())
    )
    keys = jax.random.split(jax.random.key(0), seeds)

    def one(world: Any, key: jax.Array) -> jax.Array:
        states = tuple(policy.init(key)[None] for policy in policies.values())
        return cohort(states, world, key).returns.mean(-1)

    means = np.asarray(
        jax.jit(jax.vmap(one))(build.build_worlds(config, 0, seeds), keys), np.float64
    )
    return {name: {"return": means[:, i]} for i, name in enumerate(policies)}


def variant(name: str, given: argparse.Namespace, common: dict[str, Any]) -> dict[str, Any]:
    """Return one row of the table."""
    began, (words, changes) = time.perf_counter(), VARIANTS[name]
    config = config_of(changes)
    arena = Arena(config, SEARCHED, given.worlds, given.sessions)
    mean, spread = map(list, zip(*INDEX_START.values(), strict=True))
    weights = arena.search(
        baselines.make_index(config), mean, spread, index_state, given.population, given.generations
    )
    table = judged(config, weights, given.seeds, given.judged)
    room = headroom(table)
    returns = {
        f"{policy}_return": round(float(of["return"].mean()), 3) for policy, of in table.items()
    }
    print(
        f"{name}: head-room {room['mean']:.3f} [{room['ci_low']:.3f}, {room['ci_high']:.3f}]",
        flush=True,
    )
    return {
        "name": name,
        "metric": "head-room",
        **room,
        "unit": "share",
        "without": words,
        **returns,
        "weights": [round(float(x), 3) for x in weights],
        **common,
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=list(VARIANTS),
        choices=VARIANTS,
        help="the rows of others stay",
    )
    parser.add_argument("--seeds", type=int, default=10, help="worlds to evaluate on (%(default)s)")
    parser.add_argument("--judged", type=int, default=256, help="sessions of each (%(default)s)")
    parser.add_argument(
        "--worlds", type=int, default=2, help="worlds that are searched on (%(default)s)"
    )
    parser.add_argument(
        "--sessions", type=int, default=128, help="sessions of a point and world (%(default)s)"
    )
    parser.add_argument(
        "--population", type=int, default=24, help="points of a generation (%(default)s)"
    )
    parser.add_argument(
        "--generations", type=int, default=6, help="generations of a search (%(default)s)"
    )
    given = parser.parse_args()
    command = " ".join(["python benchmarks/ablation_live.py", *sys.argv[1:]])
    common = {"command": command, "commit": rows.commit(), "device": rows.device()}
    path = rows.RESULTS / "ablation_live.json"
    kept = {row["name"]: row for row in (json.loads(path.read_text()) if path.is_file() else [])}
    for name in given.only:
        kept[name] = variant(name, given, common)
        made = [kept[each] for each in VARIANTS if each in kept]
        rows.write("ablation_live", made, table(made))
    print(path.with_suffix(".md").read_text())


def table(made: list[dict[str, Any]]) -> list[str]:
    """Return the Markdown table: what is removed, what that means, and the head-room that is
    left."""
    lines = ["| off | what that means | planner | myopic | head-room |", "|---|---|---|---|---|"]
    for row in made:
        lines.append(
            f"| {row['name'] if row['name'] != 'full' else '-'} | "
            f"{row['without']} | {row['oracle_planner_return']:.1f} | "
            f"{row['oracle_myopic_return']:.1f} | {row['mean']:.1%} "
            f"[{row['ci_low']:.1%}, {row['ci_high']:.1%}] |"
        )
    return [*lines, ""]


if __name__ == "__main__":
    main()
