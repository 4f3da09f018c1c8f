"""A run in the tick clock, from configuration to table; saved and resumed."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console
from runner.runs import config

from lrdqn import build
from lrdqn.baselines import make_random
from lrdqn.cli.report import world_of
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import ReportedEnvConfig, ReportRun
from lrdqn.config import ConfigError
from lrdqn.report.streamer_welfare import CHUNK, play
from lrdqn.report.tables import STREAMER_ROWS, streamer_table
from lrdqn.runner.checkpoint import load_state, save_checkpoint
from lrdqn.runner.experiment import TRAIN_STREAM, Experiment

TICKING: dict[str, Any] = {
    "env": {
        "kind": "live",
        "clock": "tick",
        "streamers": 60,
        "users": 40,
        "candidates": 4,
        "familiar": 1,
        "history": 4,
        "tick": {"session_ticks": 60, "arrival_rate": 1.0},
    },  # so that places are hardly ever empty, whatever the hour
    "network": {"name": "scorer", "hidden": [8], "embedding": 2},
    "replay": {"name": "uniform"},
    "train": {"seeds": 1, "sessions": 8, "env_steps": 512, "myopic": False},
    "agent": {"target_period": 64},
    "evaluate": {"sessions": 4},
}


@pytest.mark.slow
def test_a_run_counts_decisions_and_goes_on_exactly_from_its_checkpoint(tmp_path: Path) -> None:
    """One compilation: two chunks on end, and the second one again from what was saved before
    it."""
    e = Experiment(config(**TICKING))
    programs = e.compile()
    state = programs.start(e.keys(TRAIN_STREAM), e.worlds, e.hypers)
    state, _ = programs.chunk(state, e.worlds, e.hypers, e.clock(0))
    params = jax.device_get(e.agent.policy_params(state.agent))
    save_checkpoint(tmp_path, params, {}, e.plan.chunk_steps, state)
    whole, metrics = programs.chunk(state, e.worlds, e.hypers, e.clock(1))
    decisions = np.asarray(metrics["decisions"])
    assert (decisions > 0.1 * e.plan.chunk_steps).all()
    assert (decisions < 0.9 * e.plan.chunk_steps).all()
    loaded = load_state(tmp_path, e.plan.chunk_steps, e.shapes.state)
    assert loaded.owed.dtype == jnp.int32
    assert (np.asarray(metrics["updates"]) == decisions // e.config.train.update_period).all()
    again, _ = programs.chunk(loaded, e.worlds, e.hypers, e.clock(1))
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(whole), strict=True):
        np.testing.assert_array_equal(
            *(
                jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x
                for x in (a, b)
            )
        )
    table = e.evaluate_table(programs.evaluate, e.agent.policy_params(again.agent), 0)
    assert set(table) == {"learned", "random", "popularity", "content"}
    for of in table.values():
        assert (of["session_length"] > 2).all(), "decisions"
        assert (of["session_length"] < 45).all(), "not ticks"
        assert (of["clicks"] <= of["session_length"]).all()
        assert (of["watch_minutes"] > 0).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"agent": {"n_steps": 3}},
            r"agent\.n_steps=3: env\.clock=tick hands over whole decisions.*; must be 1",
        ),
        (
            {"agent": {"target": "lambda"}, "replay": {"name": "queue"}},
            r"agent\.target=lambda: env\.clock=tick hands over",
        ),
        (
            {"evaluate": {"references": True}},
            r"evaluate\.references=true: .* must be false with env\.clock=tick",
        ),
        ({"env": {"episode": "user"}}, r"env\.episode=user: env\.clock=tick .* must be session"),
        (
            {"env": {"tick": {"served_share": 0.0}}},
            r"env\.tick\.served_share=0\.0: must lie in \(0, 1\]",
        ),
    ],
)
def test_what_does_not_go_with_ticks_is_refused_in_one_line(
    changes: dict[str, Any], words: str
) -> None:
    values = {key: TICKING.get(key, {}) | changes.get(key, {}) for key in TICKING | changes}
    with pytest.raises(ConfigError, match=words):
        config(**values)


@pytest.mark.slow
def test_how_streamers_fare_is_played_and_printed() -> None:
    env = config(**TICKING).env
    world = jax.tree.map(lambda x: jnp.asarray(x[0]), build.build_worlds(env, 0, 1))
    made = build.build_env(env, 8)
    found = play(made, make_random(made.spec), world, 0, 2)
    assert 0 < found["decisions"] < found["ticks"] <= 8 * 2 * CHUNK
    assert found["watch_hours"] > 0
    assert found["churned"] == 0
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(
        streamer_table({"random": found, "other": found | {"exposure_gini": float("nan")}})
    )
    lines = console.export_text().splitlines()
    assert len(lines) == 1 + len(STREAMER_ROWS) == 1 + len(found)
    assert lines[0].split()[-2:] == ["random", "other"]
    assert lines[2].split() == ["decisions", *[f"{found['decisions']:,.0f}"] * 2]
    assert any(line.split()[-1] == "nan" for line in lines)


def test_a_report_is_of_the_worlds_own_clock_or_of_the_one_asked_for() -> None:
    for clock, want in (("own", "decision"), ("tick", "tick")):
        asked = freeze(
            ReportRun, dataclasses.asdict(ReportRun(world="default", env=ReportedEnvConfig(clock)))
        )
        assert world_of(asked)[0].clock == want
    with pytest.raises(ConfigError, match=r"env\.clock=tock: must be one of own, decision, tick"):
        freeze(
            ReportRun, dataclasses.asdict(ReportRun(world="default", env=ReportedEnvConfig("tock")))
        )
