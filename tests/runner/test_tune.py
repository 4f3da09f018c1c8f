"""The search: trials learn at their own points, and a killed search loses none of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from runner.runs import merged, values

from lrdqn.compose.freeze import freeze
from lrdqn.compose.grid import GridConfig
from lrdqn.compose.roots import TuneRun
from lrdqn.runner.experiment import Experiment
from lrdqn.runner.folder import Files
from lrdqn.runner.signals import StopRequest

pytest.importorskip("optuna")
from lrdqn.runner.tune import finished, open_study, suggest, train_batch, tune_in


def search_values(**tune: Any) -> dict[str, Any]:
    import dataclasses

    space = merged(dataclasses.asdict(GridConfig()), {"agent": {"learning_rate": [1e-6, 1e-2]}})
    root = values(train={"myopic": False, "env_steps": 512}, env={"probe": "observation_action"})
    return root | {"tune": {"trials": 4, "batch": 2, "space": space} | tune}


def search(folder: Path, **changes: Any) -> list[dict[str, Any]] | None:
    of = search_values() | changes
    files = Files(OmegaConf.to_yaml(OmegaConf.create(of)), {}, [])
    return tune_in(folder, freeze(TuneRun, of), files, lambda text: None)


@pytest.mark.slow
def test_each_trial_trains_at_its_own_point(tmp_path: Path) -> None:
    """The second batch runs through the program of the first: its returns are those of a program
    compiled for it."""
    rows = search(tmp_path / "study")
    assert rows is not None
    assert json.loads((tmp_path / "study" / "trials.json").read_text()) == rows
    by_number = {row["trial"]: row for row in rows}
    for batch in ((0, 1), (2, 3)):
        e = Experiment(
            freeze(TuneRun, search_values()), points=[by_number[i]["point"] for i in batch]
        )
        again = train_batch(e, e.compile(), StopRequest())
        assert again == [by_number[i]["return"]["per_seed"] for i in batch]
    hypers = [row["point"]["agent.learning_rate"] for row in rows]
    assert len(set(hypers)) == 4
    assert len({row["return"]["mean"] for row in rows}) > 1, (
        "a millionth and a hundredth must not learn alike"
    )


def test_trials_of_a_killed_batch_are_asked_for_again(tmp_path: Path) -> None:
    config = freeze(TuneRun, search_values())
    study = open_study(tmp_path / "study.db", config)
    lost = [suggest(study.ask(), config) for _ in range(2)]
    study = open_study(tmp_path / "study.db", config)
    assert [suggest(study.ask(), config) for _ in range(2)] == lost
    assert finished(study) == 0
