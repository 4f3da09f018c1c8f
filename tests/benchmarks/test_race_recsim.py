"""The race against RecSim's own code and the comparison with it, without RecSim."""

# ruff: noqa: E402
# pyright: reportMissingImports=false

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

SPEED = Path(__file__).resolve().parents[2] / "benchmarks" / "speed"
sys.path.append(str(SPEED.parent))
sys.path.append(str(SPEED))

import peers
import race_recsim
import recsim_parity
from recsim_lrdqn import config_of

from lrdqn.envs.recsim.family import known_policies


@pytest.mark.parametrize("task", race_recsim.TASKS)
def test_everybody_plays_the_same_task(task: str) -> None:
    first, *others = race_recsim.entries(task, (64, 128))
    assert first.peer in peers.PLANS
    assert [other.options["sessions"] for other in others] == [64, 128]
    assert {other.options["sessions"] * other.options["calls"] * 64 for other in others} == {2**21}
    for entry in (first, *others):
        assert (SPEED / entry.script).is_file()
        assert entry.options.items() >= {"task": task, "candidates": 10, "slate": 3}.items()


def test_speeds_and_ratios() -> None:
    runs = {
        "recsim": [{"step_seconds": 1e-4}] * 3,
        "lrdqn users=8": [{"step_seconds": s * 1e-6} for s in (0.5, 1.0, 2.0)],
    }
    rows = race_recsim.judged("x", runs)
    assert [(r["name"], round(r["value"])) for r in rows] == [
        ("x/recsim", 10_000),
        ("x/lrdqn users=8", 1_000_000),
        ("x/recsim : lrdqn users=8", 100),
    ]
    assert "| x | lrdqn users=8 | 1,000,000 | 100 [75, 150] |" in race_recsim.table(rows)


@pytest.mark.parametrize("scene", recsim_parity.SCENES, ids=lambda s: s.name)
def test_every_policy_that_is_compared_is_known(scene: recsim_parity.Scene) -> None:
    config = config_of({**recsim_parity.COMMON, **scene.options})
    assert set(scene.policies) <= set(known_policies(config))


def test_figures_and_verdicts() -> None:
    """Errors of ratios by the delta method agree with resampling; equal worlds pass and a shifted
    one fails."""
    rng = np.random.default_rng(0)
    length = rng.integers(50, 90, 2000).astype(float)
    clicks = rng.binomial(length.astype(int), 0.5).astype(float)
    share = recsim_parity.ratio(clicks, length)
    picks = rng.integers(0, 2000, (300, 2000))
    again = clicks[picks].sum(1) / length[picks].sum(1)
    assert share.error == pytest.approx(again.std(), rel=0.15)
    a = recsim_parity.figures(4 * clicks, length, clicks, clicks * 0.1)
    assert a["quality"] == (pytest.approx(0.1), pytest.approx(0.0, abs=1e-9))
    scene = recsim_parity.SCENES[0]
    same = recsim_parity.compared(scene, "random", a, a, (2000, 2000))
    assert {row["verdict"] for row in same if "verdict" in row} == {"PASS"}
    b = recsim_parity.figures(
        4 * clicks + 8 * 4.5 * a["return"].error, length, clicks, clicks * 0.1
    )
    off = recsim_parity.compared(scene, "random", a, b, (2000, 2000))
    assert [row["metric"] for row in off if row.get("verdict") == "FAIL"] == ["return"]
    assert "| FAIL |" in recsim_parity.table(off)
