"""The replay race without the libraries it races: contestants are toys, environments are planned
and not installed."""

# ruff: noqa: E402
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SPEED = Path(__file__).resolve().parents[2] / "benchmarks" / "speed"
sys.path.append(str(SPEED.parent))
sys.path.append(str(SPEED))

import contest
import peers
import race_replay
from contest import Entry, ratios
from race_replay import CONTESTS, Contest, entries, judged
from replay_items import drift, items

TOY = """
import sys
sys.path.insert(0, {speed!r})
from worker import serve

def prepare(options):
    print("libraries talk", flush=True)
    return lambda seed: {{"seconds": options["step"] * (1 + seed), "told": options["step"]}}

serve(prepare)
"""


def runs(seconds: list[float], **more: Any) -> list[dict[str, Any]]:
    return [{"seconds": s, **more} for s in seconds]


def test_ratios_are_paired_by_round() -> None:
    got = ratios(runs([2.0, 6.0, 40.0]), runs([1.0, 2.0, 10.0]))
    assert got == {"value": 3.0, "q25": 2.5, "q75": 3.5, "n": 3}


def test_toys_race_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "toy.py").write_text(TOY.format(speed=str(SPEED)))
    monkeypatch.setattr(contest, "wait_for_quiet", lambda: 0.0)
    toys = [
        Entry(name, str(tmp_path / "toy.py"), {"step": step})
        for name, step in (("fast", 1.0), ("slow", 3.0))
    ]
    found = contest.race(toys, rounds=2, first_seed=5)
    assert [run["seconds"] for run in found["slow"]] == [18.0, 21.0]
    assert found["fast"][0].keys() == {"seconds", "cpu_seconds", "told", "prepare_seconds", "load"}
    assert ratios(found["slow"], found["fast"])["value"] == 3.0
    turns = [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if "round" in line]
    assert turns == ["  round 1/2 fast", "  round 1/2 slow", "  round 2/2 fast", "  round 2/2 slow"]


@pytest.mark.parametrize("contest_", CONTESTS, ids=lambda c: c.name)
def test_everybody_gets_the_same_task(contest_: Contest) -> None:
    """But for the setter that a flashbax is told to use."""
    first, *others = entries(contest_, 1000)
    assert first.peer is None
    for entry in others:
        assert {k: v for k, v in entry.options.items() if k != "setter"} == first.options
        assert entry.peer in peers.PLANS
    assert all((SPEED / entry.script).is_file() for entry in (first, *others))


def test_verdicts() -> None:
    """The bar is for the best of the peers, and drift and copies are judged where they are
    lrdqn's."""
    told = {"drift": 1e-7, "aliased_bytes": 100, "state_bytes": 100, "temporary_bytes": 0}
    worse = {"drift": 1e-3, "aliased_bytes": 50, "state_bytes": 100, "temporary_bytes": 90}
    its = Contest("x", {}, ("near", "far"), bar=1.5)
    for near, verdict in ((1.6, "PASS"), (1.4, "FAIL")):
        all_runs = {
            "lrdqn": runs([1.0] * 7, **told),
            "near": runs([near] * 7, **worse),
            "far": runs([9.0] * 7),
        }
        rows = judged(its, all_runs, 1000)
        assert {(r["name"], r["metric"]): r["verdict"] for r in rows if "verdict" in r} == {
            ("x/lrdqn", "root off the sum of its leaves"): "PASS",
            ("x/lrdqn", "state that is written in place"): "PASS",
            ("x/near : lrdqn", "time, ratio"): verdict,
        }
    assert next(r for r in rows if r["metric"] == "time of a round")["value"] == 1000.0  # us
    late = judged(its, {**all_runs, "lrdqn": runs([1.0] * 7, **worse)}, 1000)
    assert [r["verdict"] for r in late if r["name"] == "x/lrdqn" and "verdict" in r] == [
        "FAIL",
        "FAIL",
    ]
    assert "| 1.5 | FAIL |" in race_replay.table(late)


def test_drift_is_relative_to_the_exact_sum() -> None:
    leaves = np.full(2**20, 0.1, np.float32)
    assert drift(float(np.sum(leaves, dtype=np.float64)) * (1 + 1e-4), leaves) == pytest.approx(
        1e-4
    )
    assert {x.shape[0] for x in items(3, 0).values()} == {3}


def test_an_environment_is_built_once_and_again_for_other_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return subprocess.CompletedProcess(
            command, int("torch==2.13.0+cpu" in command), "", "ERROR: no such version"
        )

    def built(name: str) -> bool:
        return peers.build(name, tmp_path, run, create=lambda folder: folder.mkdir(parents=True))

    assert built("rejax")
    assert [call[-1] for call in calls] == ["jax==0.10.2", "gymnax==0.0.9", "safetensors"]
    assert ["--no-deps" in call for call in calls] == [False, True, False]
    assert json.loads((tmp_path / "rejax" / peers.MARKER).read_text()) == peers.pins("rejax")
    assert not built("rejax")
    assert len(calls) == 3
    monkeypatch.setitem(peers.PLANS, "rejax", (peers.Install(("rejax==9",)),))
    assert built("rejax")
    assert built("sb3"), "torch as it comes, where there is no CPU build"
    assert [call[-1] for call in calls[4:6]] == ["torch==2.13.0+cpu", "torch==2.13.0"]


def test_a_failure_is_one_line_and_leaves_no_marker(tmp_path: Path) -> None:
    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(
            command, 1, "", "noise\nERROR: No matching distribution found for cpprb\n"
        )

    with pytest.raises(
        SystemExit,
        match=r"^cpprb==11\.0\.0 numpy==2\.4\.6: ERROR: No matching distribution found for cpprb$",
    ):
        peers.build("cpprb", tmp_path, run, create=lambda folder: folder.mkdir())
    assert not peers.finished(tmp_path / "cpprb", "cpprb")
