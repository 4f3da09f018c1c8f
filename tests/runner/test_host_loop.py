"""Runs whose environment is stepped outside jit: the same training, known values, resume,
baselines, refusals."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="needs the extra gym")
from envs.walks import NAME, make_ring, register, values
from runner.runs import config, merged, play
from runner.test_resume import rows_of, stopped

from lrdqn import build
from lrdqn.compose.roots import TrainRun
from lrdqn.config import ConfigError
from lrdqn.envs.gymnasium.config import GymnasiumConfig
from lrdqn.runner.experiment import CURVE_STREAM, TRAIN_STREAM, Experiment

RING = {"env": dataclasses.asdict(GymnasiumConfig(name=NAME, idle=1)), "evaluate": {"sessions": 4}}
TABLE = {
    "network": {"name": "table"},
    "agent": {
        "name": "q_learning",
        "learning_rate": 0.5,
        "epsilon_end": 0.5,
        "reward_scale": 1.0,
    },
    "replay": {"name": "uniform"},
}


@pytest.fixture(autouse=True)
def ring() -> None:
    register()


def ring_config(**changes: Any) -> TrainRun:
    return config(**merged(RING, changes))


def trained(e: Experiment, chunks: int) -> tuple[Any, Any, Any]:
    programs = e.compile()
    state, metrics = programs.start(e.keys(TRAIN_STREAM), e.worlds, e.hypers), None
    for i in range(chunks):
        state, metrics = programs.chunk(state, e.worlds, e.hypers, e.clock(i))
    outcome = programs.evaluate(e.agent.policy_params(state.agent), e.worlds, e.keys(CURVE_STREAM))
    e.close()
    return state, metrics, outcome


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"agent": {"n_steps": 3, "target": "max"}, "train": {"rollout": 2}},
    ],
)
def test_stepped_outside_or_inside_the_training_is_the_same(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment has no luck, and every key is used for the same thing: replay, parameters,
    keys, evaluation."""
    outside = trained(Experiment(ring_config(**changes)), 2)
    monkeypatch.setattr(build, "build_env", lambda config, sessions: make_ring(sessions))
    inside = trained(Experiment(ring_config(**changes)), 2)
    whole, parts = inside[0], outside[0]
    assert np.array_equal(jax.random.key_data(whole.key), jax.random.key_data(parts.key))
    for name in ("agent", "replay", "horizon"):
        for a, b in zip(
            jax.tree.leaves(getattr(whole, name)),
            jax.tree.leaves(getattr(parts, name)),
            strict=True,
        ):
            np.testing.assert_allclose(
                np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-5, err_msg=name
            )
    for name, figures in inside[1].items():
        np.testing.assert_allclose(
            np.asarray(figures), outside[1][name], rtol=1e-3, atol=1e-4, err_msg=name
        )
    for a, b in zip(jax.tree.leaves(inside[2]), jax.tree.leaves(outside[2]), strict=True):
        np.testing.assert_allclose(np.asarray(a), b)


def test_a_ring_that_is_cut_has_the_values_of_one_that_is_not() -> None:
    """Bootstrapping from nothing at the cut, or from the first observation of the next session,
    gives other values."""
    e = Experiment(ring_config(**TABLE, train={"env_steps": 4096, "eval_period": 4096}))
    table = e.agent.policy_params(trained(e, 1)[0].agent)
    for g, learner in enumerate(e.learners):
        for seed in range(2):
            own = jax.tree.map(lambda x, seed=seed, g=g: x[seed, g], table)
            q = e.network.apply(own, np.eye(4, dtype=np.float32), (), None).q
            np.testing.assert_allclose(q, values(learner.point["agent.gamma"]), atol=0.02)


@pytest.mark.slow
def test_a_resumed_run_begins_fresh_sessions_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {**RING, "agent": {"n_steps": 2}}
    stopped(tmp_path / "run", 2, monkeypatch, **changes)
    summary = play(tmp_path / "run", resume="auto", **changes)
    assert summary is not None
    assert (
        "the sessions of env=gymnasium cannot be saved and begin afresh" in capsys.readouterr().out
    )
    assert (summary["resumed"], summary["exact"]) == ((512,), False)
    assert set(summary["policies"]) == {"learned", "myopic", "random", "idle"}
    assert summary["policies"]["idle"]["return"]["mean"] == 0.0
    assert sorted({row["env_steps"] for row in rows_of(tmp_path / "run")}) == [
        0,
        256,
        512,
        768,
        1024,
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"debug": {"mode": "nan"}},
            r"^debug=nan: looks inside the training loop, and env=gymnasium is stepped outside",
        ),
        ({"debug": {"mode": "checkify"}}, r"^debug=checkify: looks inside the training loop"),
        (
            {"runtime": {"coordinator": "auto"}},
            r"^runtime\.coordinator=auto: env=gymnasium .* one process only",
        ),
        (
            {"network": {"name": "scorer"}},
            r"^network=scorer: env=gymnasium has a fixed set of actions",
        ),
    ],
)
def test_what_needs_the_whole_loop_inside_is_refused_by_name(
    changes: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigError, match=line):
        ring_config(**changes)
