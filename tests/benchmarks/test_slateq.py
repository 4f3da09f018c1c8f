"""Rows, bounds and headline of SlateQ's table, from files made by hand
(``benchmarks/papers/slateq.py``)."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

PAPERS = Path(__file__).resolve().parents[2] / "benchmarks" / "papers"
sys.path[:0] = [str(PAPERS), str(PAPERS.parent)]

import distance_live  # noqa: E402
import satisfaction  # noqa: E402
import slateq  # noqa: E402
import slates_live  # noqa: E402

from lrdqn.compose.freeze import freeze  # noqa: E402
from lrdqn.compose.overrides import CONF  # noqa: E402
from lrdqn.compose.roots import TrainRun, register_schemas  # noqa: E402


def entry(*per_seed: float) -> dict[str, Any]:
    return {
        "return": {"per_seed": list(per_seed)},
        "quality": {"per_seed": [0.1 * x for x in per_seed]},
    }


def made(folder: Path, name: str, late: tuple[float, float], **policies: dict[str, Any]) -> None:
    """A run folder of two seeds and eight points of the curve, the last two of which lie in the
    last quarter."""
    lines = [
        {
            "policy": "learned",
            "seed": s,
            "env_steps": 100 * k,
            "return": late[s] + (2 * k - 15 if k > 6 else -99),
        }
        for k in range(9)
        for s in (0, 1)
    ]
    (folder / name).mkdir()
    (folder / name / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / name / ".hydra").mkdir()
    words = [
        "experiment=recsim",
        *slateq.ROWS[name].overrides.split(),
        "train.seeds=2",
        "resume=auto",
    ]
    (folder / name / ".hydra" / "overrides.yaml").write_text(
        "".join(f"- {word}\n" for word in words)
    )
    (folder / name / "summary.json").write_text(json.dumps({"seconds": 9.0, "policies": policies}))


@pytest.fixture
def found(tmp_path: Path) -> list[dict[str, Any]]:
    known = {
        "random": entry(160, 161),
        "static_ranking": entry(264, 264),
        "renewal_exact": entry(280, 282),
    }
    made(tmp_path, "ql_gt_gs", (173, 175), learned=entry(172, 176), **known)
    made(tmp_path, "null_memory_double_gs", (270, 272), learned=entry(250, 252), **known)
    made(tmp_path, "cascade_ql_tt_ts", (166, 166), learned=entry(166, 167), random=entry(158, 160))
    given = argparse.Namespace(out=tmp_path, seeds=2, steps=None)
    found = slateq.result_rows(given, ["ql_gt_gs", "null_memory_double_gs", "cascade_ql_tt_ts"])
    return found + slateq.headline(found)


def of(found: list[dict[str, Any]], name: str, metric: str = "return") -> dict[str, Any]:
    (row,) = (r for r in found if r["name"] == name and r["metric"] == metric)
    return row


def test_every_policy_of_a_world_comes_once_with_its_bounds(found: list[dict[str, Any]]) -> None:
    assert (of(found, "random")["published"], of(found, "random")["verdict"]) == (159.2, "PASS")
    assert of(found, "cascade_random")["published"] == 159.9
    assert of(found, "cascade_random")["verdict"] == "-", "the bounds of another world say nothing"
    assert (of(found, "ql_gt_gs")["mean"], of(found, "ql_gt_gs")["verdict"]) == (174, "PASS")
    assert of(found, "ql_gt_gs", "quality of clicks")["published"] == -0.3772
    assert of(found, "null_memory_double_gs")["verdict"] == "FAIL", (
        "251 is below the static ranking"
    )


def test_the_headline_is_of_the_last_quarter_of_training(found: list[dict[str, Any]]) -> None:
    """Points at 700 and 800 of 800 steps: 270 - 1 and 270 + 1 for the first seed."""
    late = of(found, "null_memory_double_gs", "return, last quarter of training")
    assert late["per_seed"] == [270, 272]
    share = of(found, "null_memory_double_gs / renewal_exact", "share, last quarter of training")
    assert share["mean"] == pytest.approx(271 / 281, abs=1e-4)
    assert share["verdict"] == "PASS"
    above = of(found, "null_memory_double_gs - static_ranking", "return, last quarter of training")
    assert (above["mean"], above["verdict"]) == (7, "PASS")


def test_the_table_has_a_line_per_policy_and_every_seed(found: list[dict[str, Any]]) -> None:
    text = slateq.table(found)
    assert (
        "| ql_gt_gs | 172.9, -0.3772 | 174 [148.6, 199.4] | 17.4 [14.86, "
        "19.94] | 174 [161.3, 186.7] | 165 to 178 | PASS |"
    ) in text
    assert "- null_memory_double_gs, return, last quarter of training: 270, 272" in text


def test_rows_of_another_day_keep_their_places(found: list[dict[str, Any]]) -> None:
    def names(rows: list[dict[str, Any]]) -> list[str]:
        return list(dict.fromkeys(row["name"] for row in rows))

    again = [row | {"mean": 1.0} for row in found if row["name"] == "ql_gt_gs"]
    more = [row | {"name": "null_sarsa_ts"} for row in again]
    made = slateq.merged(found, [*again, *more])
    place = names(found).index("cascade_random")
    assert names(made) == [*names(found)[:place], "null_sarsa_ts", *names(found)[place:]]
    assert of(made, "ql_gt_gs")["mean"] == of(made, "null_sarsa_ts")["mean"] == 1.0
    assert slateq.merged(made, []) == made


@pytest.mark.parametrize("name", slateq.ROWS)
def test_every_row_is_a_run_that_can_be_asked_for(name: str) -> None:
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        words = ["experiment=recsim", *slateq.ROWS[name].overrides.split()]
        config = freeze(TrainRun, compose("train", overrides=words))
    if "full_slate" not in name:  # which always values what follows when nothing is clicked
        assert config.agent.slate.null_value == ("null" in name)
    assert (config.env.memory == ()) == ("memory" not in name)


def test_a_folder_of_other_words_is_not_taken_for_this_run(tmp_path: Path) -> None:
    made(tmp_path, "ql_gt_gs", (173, 175), learned=entry(172, 176))
    with pytest.raises(
        SystemExit,
        match=r"a run of other overrides: train\.seeds=2, train\.seeds=3; move it away",
    ):
        slateq.result_rows(argparse.Namespace(out=tmp_path, seeds=3, steps=None), ["ql_gt_gs"])


OTHERS = {
    "satisfaction": [satisfaction.WORDS],
    "slates_live": list(slates_live.jobs().values()),
    "distance_live": [words for _, words in distance_live.VARIANTS.values()],
}


@pytest.mark.parametrize("words", [words for each in OTHERS.values() for words in each])
def test_the_runs_of_other_tables_can_be_asked_for(words: str) -> None:
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        freeze(TrainRun, compose("train", overrides=words.split()))
