"""The benchmark of perturbed worlds: which apply to a run, paired changes, and the worst case of
each policy."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from runner.runs import play

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import robustness  # noqa: E402

from lrdqn.compose.overrides import CONF  # noqa: E402
from lrdqn.compose.roots import register_schemas  # noqa: E402

RETURNS: robustness.Returns = {
    robustness.PLAIN: {"learned": [10.0, 20.0], "random": [5.0, 5.0]},
    "outage": {"learned": [9.0, 19.0], "random": [5.0, 5.0]},
    "clickbait": {"learned": [7.0, 15.0], "random": [6.0, 6.5]},
}


def folder(path: Path, *words: str) -> Path:
    """As much of a run as its configuration."""
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        path.mkdir()
        OmegaConf.save(compose("train", overrides=list(words)), path / "resolved.yaml")
    return path


def test_every_perturbation_that_applies_is_judged_and_the_others_are_named(tmp_path: Path) -> None:
    found, left_out = robustness.configs(folder(tmp_path / "exact"))
    assert set(found) | set(left_out) == {robustness.PLAIN, *robustness.names()}
    assert set(left_out) == {"missing_views"}
    assert "env.content=exact has no views" in left_out["missing_views"]
    assert len({config.env.perturb for config in found.values()}) == len(found)
    assert found["outage"].env.perturb.outage_share == 0.5
    found, left_out = robustness.configs(folder(tmp_path / "views", "content=multimodal"))
    assert not left_out
    assert found["missing_views"].env.perturb.missing_views == 0.5


def test_changes_are_paired_and_the_worst_case_is_marked() -> None:
    made = robustness.result_rows(RETURNS, {"seconds": 1.0})
    of = {(row["name"], row["metric"]): row for row in made}
    assert len(made) == 2 + 2 * 2 * 2
    outage, bait = of["outage/learned", "change"], of["clickbait/learned", "change"]
    assert (outage["mean"], outage["ci_low"], outage["ci_high"]) == (
        -1,
        -1,
        -1,
    )  # the seeds differ, their change does not
    # Student's t of 1 degree of freedom: 12.706 standard errors of 1
    assert (bait["mean"], bait["ci_low"], bait["ci_high"]) == pytest.approx(
        (-4, -16.706, 8.706), abs=1e-3
    )
    assert of["clickbait/random", "change"]["mean"] == pytest.approx(1.25)
    assert (robustness.PLAIN + "/learned", "change") not in of
    assert robustness.worst_of(made) == {"learned": "clickbait", "random": "outage"}
    lines = robustness.table(made, {"missing_views": "no views"}).splitlines()
    assert lines[0] == "| policy | unperturbed | outage | clickbait |"
    assert (
        lines[2]
        == "| learned | 15.00 | 14.00 (-1.00 [-1.00, -1.00]) | **11.00 (-4.00 [-16.71, +8.71])** |"
    )
    assert (
        lines[3]
        == "| random | 5.00 | **5.00 (+0.00 [+0.00, +0.00])** | 6.25 (+1.25 [-1.93, +4.43]) |"
    )
    assert "Left out: missing_views (no views)." in lines


VIEWS = {
    "kind": "live",
    "streamers": 60,
    "users": 20,
    "candidates": 4,
    "familiar": 1,
    "history": 4,
    "horizon": 20,
    "content": "multimodal",
}


@pytest.mark.slow
def test_a_run_on_views_is_judged_again_without_most_of_them(tmp_path: Path) -> None:
    """Trained, saved, and judged in three worlds by one program: the unperturbed one repeats the
    run's own table."""
    trained = play(
        tmp_path / "run",
        env=VIEWS,
        network={"name": "scorer", "hidden": [16, 8], "embedding": 2},
        train={"seeds": 2, "env_steps": 256, "eval_period": 256, "myopic": False},
    )
    assert trained is not None
    found, left_out = robustness.configs(tmp_path / "run")
    assert not left_out
    returns = robustness.judge(
        tmp_path / "run",
        {name: found[name] for name in (robustness.PLAIN, "missing_views", "cold_wave")},
    )
    assert set(returns[robustness.PLAIN]) == {"learned", "random", "popularity", "content"}
    for policy, values in returns[robustness.PLAIN].items():
        assert np.isfinite(values).all()
        np.testing.assert_allclose(
            values, trained["policies"][policy]["return"]["per_seed"], rtol=1e-6
        )
        assert (returns["missing_views"][policy] == values) == (
            policy in ("random", "popularity")
        ), policy
        assert returns["cold_wave"][policy] != values
