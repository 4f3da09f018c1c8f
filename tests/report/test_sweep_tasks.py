"""Joined reports rank within a task: returns of different environments are not compared."""

from __future__ import annotations

from lrdqn.report.sweep import JoinedRow, _place


def row(run: str, mean: float, note: str = "", **varying: str) -> JoinedRow:
    settings = {key.replace("__", "."): value for key, value in varying.items()}
    metrics = {"return": {"mean": mean, "ci_low": mean, "ci_high": mean, "per_seed": [mean]}}
    return JoinedRow(run, "learned", settings, metrics, {}, None, None, None, note)


def test_rows_are_grouped_by_environment_and_its_settings() -> None:
    rows = [
        row("a", 1, env="live"),
        row("b", 500, env="gymnasium", env__name="CartPole-v1"),
        row("c", 2, env="live", agent="dqn"),
        row("d", -100, env="gymnasium", env__name="Acrobot-v1"),
        row("e", 9, env="gymnasium", env__name="CartPole-v1"),
        row("f", 900, note="damaged: x", env="live"),
    ]
    assert [r.run for r in sorted(rows, key=_place)] == ["d", "b", "e", "c", "a", "f"]
