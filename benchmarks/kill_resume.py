"""Kill a run at random moments, resume it, and compare its end with that of an untouched run.

    python benchmarks/kill_resume.py --out runs/kill [--chains 6] [--kills 4] [KEY=VALUE ...]

Each chain is one run folder that is killed ``--kills`` times, by SIGKILL and SIGTERM in turn, in a
chunk, in an evaluation, while a checkpoint is written, or at any time, and is then left to finish.
Writes ``benchmarks/results/kill_resume.{json,md}``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PHASES = ("chunk", "evaluation", "checkpoint", "anywhere")
SIGNALS = ("SIGKILL", "SIGTERM")
SMALL = [
    "train.seeds=2",
    "train.sessions=32",
    "train.env_steps=4096",
    "train.update_period=32",
    "train.warmup_steps=256",
    "train.eval_period=512",
    "agent.target_period=256",
    "evaluate.sessions=16",
    "evaluate.cohorts=2",
    "env.streamers=200",
    "env.users=100",
    "replay.capacity=1024",
]
"""The live world at a size that starts in seconds; seven chunk boundaries before the last."""


def worker(plan: dict[str, Any], arguments: list[str]) -> None:
    """Run ``lrdqn train`` once in this process, which sends itself ``plan["signal"]`` in
    ``plan["phase"]``."""
    from lrdqn.cli.main import main
    from lrdqn.runner import experiment, run

    visits = dict.fromkeys(PHASES, 0)

    def strike(phase: str) -> None:
        if phase == plan["phase"]:
            visits[phase] += 1
            if visits[phase] == plan["visit"]:
                arm(plan["delay"])

    def arm(delay: float) -> None:
        blow = threading.Timer(delay, os.kill, (os.getpid(), getattr(signal, plan["signal"])))
        blow.daemon = True
        blow.start()

    def marked(phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            strike(phase)
            return function(*args, **kwargs)

        return call

    compile_parts = experiment.Experiment.compile

    def compiled(self: experiment.Experiment) -> Any:
        programs = compile_parts(self)
        if plan["phase"] == "anywhere":
            arm(plan["delay"] * 10)
        return programs._replace(
            chunk=marked("chunk", programs.chunk), evaluate=marked("evaluation", programs.evaluate)
        )

    experiment.Experiment.compile = compiled
    run.save_checkpoint = marked("checkpoint", run.save_checkpoint)
    sys.argv = ["lrdqn", "train", *arguments]
    main()


def attempt(folder: Path, arguments: list[str], plan: dict[str, Any] | None) -> dict[str, Any]:
    """Start or resume the run in ``folder``; return how it ended."""
    given = [f"hydra.run.dir={folder}", "resume=auto", "checkpoint.seconds=0", *arguments]
    command = [
        sys.executable,
        str(Path(__file__).resolve()),
        "--worker",
        json.dumps(plan or {"phase": "never"}),
        *given,
    ]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # SIGTERM is answered while the run lasts; before and after that it kills like the other
    if done.returncode not in (0, -signal.SIGKILL, -signal.SIGTERM):
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return {
        "code": done.returncode,
        "seconds": time.perf_counter() - began,
        "finished": (folder / "summary.json").exists(),
    }


def outcome(folder: Path) -> dict[str, Any]:
    """Return what must not depend on how often the run was killed."""
    summary = json.loads((folder / "summary.json").read_text())
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        del row["seconds"]
    kept = {key: summary[key] for key in ("policies", "differences", "score", "env_steps", "exact")}
    return kept | {"rows": rows}


def play(
    out: Path, chains: int, kills: int, arguments: list[str], seed: int = 0
) -> list[dict[str, Any]]:
    """Play the whole experiment; return one row per kill, with whether its chain ended as the
    untouched run.

    Args:
        out: folder for the run folders; emptied first.
        chains, kills: run folders, and kills of each.
        arguments: ``KEY=VALUE`` of the run.
        seed: of the random moments.
    """
    shutil.rmtree(out, ignore_errors=True)
    attempt(out / "untouched", arguments, None)
    expected, rng, table = outcome(out / "untouched"), random.Random(seed), []
    for chain in range(chains):
        folder, struck = out / f"chain{chain}", []
        for kill in range(kills):
            phase = PHASES[(chain + kill) % len(PHASES)]
            plan = {
                "phase": phase,
                "signal": SIGNALS[(chain // 2 + kill) % 2],
                "visit": rng.choice((1, 2)),
                "delay": round(rng.uniform(0, 0.15), 4),
            }
            end = attempt(folder, arguments, plan)
            struck.append({"chain": chain, **plan, **end, "saved": saved(folder)})
            if end["finished"]:
                break
        last = attempt(folder, arguments, None)
        same = outcome(folder) == expected
        table += [row | {"same": same, "last_sitting": last["seconds"]} for row in struck]
        print(
            f"chain {chain}: {len(struck)} kills, {'same' if same else 'DIFFERENT'} end", flush=True
        )
    return table


def saved(folder: Path) -> int | None:
    """Return the env steps of the newest checkpoint that a kill left."""
    steps = [int(path.name) for path in (folder / "checkpoints").glob("*") if path.name.isdigit()]
    return max(steps, default=None)


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        worker(json.loads(sys.argv[2]), sys.argv[3:])
        return
    import rows

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the run folders; emptied first"
    )
    parser.add_argument("--chains", type=int, default=6)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE of the run")
    given = parser.parse_args()
    began = time.perf_counter()
    table = play(given.out, given.chains, given.kills, [*SMALL, *given.overrides])
    seconds = round(time.perf_counter() - began, 1)
    command = (
        f"python benchmarks/kill_resume.py --out DIR --chains {given.chains} --kills {given.kills}"
    )
    common = {
        "command": command,
        "commit": rows.commit(),
        "device": rows.device(),
        "seconds": seconds,
    }
    result = []
    for phase in PHASES:
        for name in SIGNALS:
            of = [
                row
                for row in table
                if (row["phase"], row["signal"]) == (phase, name) and struck(row)
            ]
            share = sum(row["same"] for row in of) / max(1, len(of))
            result.append(
                {
                    "name": f"{name} in {phase}",
                    "metric": "same_end",
                    "value": share,
                    "n": len(of),
                    "unit": "share",
                    **common,
                }
            )
    rows.write("kill_resume", result)


def struck(row: dict[str, Any]) -> bool:
    """Return whether the signal ended the process: it may also come after a short run has
    finished."""
    return not row["finished"]


if __name__ == "__main__":
    main()
