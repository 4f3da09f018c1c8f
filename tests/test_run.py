"""The main job as a user runs it, at a small size: folder, table, evaluation, report, sweep,
populations fitted to logs, wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
from data.kuailive_mini import make_mini
from data.kuairand_mini import make_mini as make_rand
from data.movielens_mini import write_tastes

from lrdqn import build
from lrdqn.envs.live.config import LiveConfig

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]
SMALL = [
    "train.seeds=2",
    "train.sessions=32",
    "train.env_steps=1024",
    "train.update_period=32",
    "train.warmup_steps=256",
    "agent.target_period=256",
    "evaluate.sessions=16",
    "evaluate.cohorts=2",
    "env.streamers=200",
    "env.users=100",
    "env.log.impressions=1000",
    "replay.capacity=1024",
]
LOGGED = {"profile", "predicted_reward", "predicted_return"}
POLICIES = {"learned", "myopic", "random", "popularity", "content"} | LOGGED


def lrdqn(cwd: Path, *arguments: str, code: int = 0, path: Path = ROOT) -> str:
    """Return what ``lrdqn`` prints; its programs are kept in the session's folder."""
    program = "import sys; from lrdqn.cli.main import main; sys.argv[0] = 'lrdqn'; main()"
    env = {**os.environ, "PYTHONPATH": str(path), "COLUMNS": "100"}
    if arguments[0] != "report":
        arguments += (f"runtime.cache_dir={jax.config.jax_compilation_cache_dir}",)
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    home = tmp_path_factory.mktemp("main_job")
    return home / "run", lrdqn(home, "train", f"hydra.run.dir={home / 'run'}", *SMALL)


def test_a_run_leaves_a_folder_worth_opening(run: tuple[Path, str]) -> None:
    folder, printed = run
    names = {p.name for p in folder.iterdir()}
    expected = {
        ".hydra",
        ".lock",
        "resolved.yaml",
        "env.json",
        "metrics.jsonl",
        "metrics.parquet",
        "summary.json",
        "checkpoints",
        "learning_curve.png",
    }
    assert names == expected
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary["policies"]) == POLICIES
    for metrics in summary["policies"].values():
        base = {"return", "watch_minutes", "session_length", "clicks"}
        groups = {f"{name}/{group}" for name in base for group in ("cold", "warm", "active")}
        assert set(metrics) == base | groups | {"new_streamers"}
        for name, entry in metrics.items():
            assert len(entry["per_seed"]) == 2
            if None in entry["per_seed"]:
                assert "/" in name, "only a group of viewers can be missing from a cohort"
                continue
            assert entry["mean"] == pytest.approx(np.mean(entry["per_seed"]), rel=1e-6)
            assert entry["ci_low"] <= entry["mean"] <= entry["ci_high"]
    assert summary["env_steps"] == 1024
    assert summary["score"] == summary["policies"]["learned"]["return"]["mean"]
    assert summary["steps_per_second"] > 0
    assert summary["compile_seconds"] > 0
    assert summary["peak_bytes"] > 0
    difference = summary["differences"]["random"]["return"]
    own, other = (summary["policies"][p]["return"]["per_seed"] for p in ("learned", "random"))
    np.testing.assert_allclose(difference["per_seed"], np.subtract(own, other), rtol=1e-6)
    for policy in POLICIES:
        assert policy in printed


def test_metrics_have_a_row_per_seed_learner_and_evaluation(run: tuple[Path, str]) -> None:
    rows = [json.loads(line) for line in (run[0] / "metrics.jsonl").read_text().splitlines()]
    points = sorted({row["env_steps"] for row in rows})
    assert points[0] == 0
    assert points[-1] == 1024
    keys = [(row["env_steps"], row["seed"], row["policy"]) for row in rows]
    assert len(keys) == len(set(keys)) == len(points) * 2 * 2
    assert all(np.isfinite(row["return"]) for row in rows)
    assert all(row["nonfinite"] == 0 for row in rows if row["env_steps"])


def test_evaluation_of_the_saved_policy_repeats_the_final_table(run: tuple[Path, str]) -> None:
    folder, printed = run
    again = lrdqn(folder.parent, "evaluate", f"run={folder}")
    table = [
        line for line in printed.splitlines() if line.split()[:1] and line.split()[0] in POLICIES
    ]
    assert table
    for line in table:
        assert line in again
    other = lrdqn(folder.parent, "evaluate", f"run={folder}", "seed=5")
    assert any(line not in other for line in table), "another seed is another cohort"
    assert [p.name for p in folder.parent.iterdir()] == ["run"], (
        "evaluation must leave nothing behind"
    )


def test_report_redraws_table_and_curve(run: tuple[Path, str]) -> None:
    folder, printed = run
    (folder / "learning_curve.png").unlink()
    again = lrdqn(folder.parent, "report", f"run={folder}")
    assert (folder / "learning_curve.png").read_bytes()[:4] == b"\x89PNG"
    assert (
        again.splitlines()[:6] == printed[printed.index(again.splitlines()[0]) :].splitlines()[:6]
    )


def test_a_sweep_ends_with_a_summary_per_job(tmp_path: Path) -> None:
    lrdqn(
        tmp_path,
        "train",
        "-m",
        "hydra.sweep.dir=sweep",
        "agent=dqn,double_dqn",
        "replay=uniform,prioritized",
        *SMALL,
    )
    summaries = sorted((tmp_path / "sweep").glob("*/summary.json"))
    assert len(summaries) == 4
    scores = {json.loads(s.read_text())["score"] for s in summaries}
    assert len(scores) > 1
    printed = lrdqn(tmp_path, "report", "run=sweep")
    assert "4 runs" in " ".join(printed.split())
    rows = json.loads((tmp_path / "sweep" / "joined.json").read_text())
    assert {
        row["metrics"]["return"]["mean"] for row in rows if row["policy"] == "learned"
    } == scores
    assert {row["varying"]["agent"] for row in rows if row["policy"] == "learned"} == {
        "dqn",
        "double_dqn",
    }
    assert (tmp_path / "sweep" / "joined.md").read_text().startswith("| Run |")


PROBE = [
    "env=probe",
    "network=mlp",
    "train.seeds=2",
    "train.sessions=8",
    "train.env_steps=1024",
    "train.update_period=8",
    "train.warmup_steps=256",
    "agent.target_period=64",
    "evaluate.sessions=8",
    "replay.capacity=1024",
]


def test_a_search_goes_on_where_it_was_left(tmp_path: Path) -> None:
    words = [
        "tune.space.agent.learning_rate=[1e-6,1e-2]",
        "tune.space.agent.gamma=null",
        "tune.batch=4",
        *PROBE,
    ]
    printed = lrdqn(tmp_path, "tune", "hydra.run.dir=study", "tune.trials=4", *words)
    assert "4/4 trials" in printed
    again = lrdqn(tmp_path, "tune", "resume=study", "tune.trials=8")
    assert "4 trials to go" in again
    trials = json.loads((tmp_path / "study" / "trials.json").read_text())
    assert sorted(trial["trial"] for trial in trials) == list(range(8))
    means = [trial["return"]["mean"] for trial in trials]
    assert means == sorted(means, reverse=True)
    rates = [trial["point"]["agent.learning_rate"] for trial in trials]
    assert len(set(rates)) == 8
    assert all(1e-6 <= rate <= 1e-2 for rate in rates)
    assert "best: lrdqn train env=probe network=mlp" in again
    best = next(line for line in again.splitlines() if line.startswith("best: lrdqn train "))
    assert f"agent.learning_rate={rates[0]:.6g} train.seed=1" in best
    lrdqn(tmp_path, "tune", "resume=study", "tune.trials=8", "agent.tau=0.5", code=2)


def test_loggers_chosen_by_name_hold_the_run(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    lrdqn(tmp_path, "train", "hydra.run.dir=run", "logger=[tensorboard,wandb]", *PROBE)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    (final,) = events.Scalars("final/return/learned")
    assert final.value == pytest.approx(summary["policies"]["learned"]["return"]["mean"], rel=1e-5)
    assert len(list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))) == 1


INTERCEPTS = {
    f"env.law.{name}" for name in ("click_bias", "engage_bias", "reaction_norm", "return_bias")
}


def test_a_population_fitted_to_ratings_is_trained_on(tmp_path: Path) -> None:
    write_tastes(tmp_path / "log")
    words = ("calibrate", "source=movielens", "path=log", "out=pop", "factors=8")
    assert "1,200 ratings" in lrdqn(tmp_path, *words)
    fit = json.loads((tmp_path / "pop/card.json").read_text())["fit"]
    assert fit["recall"] > fit["recall_of_popularity"]
    settings = (tmp_path / "pop.overrides").read_text().split()
    assert {setting.partition("=")[0] for setting in settings} == INTERCEPTS
    lrdqn(
        tmp_path,
        "train",
        "env.population=pop",
        *settings,
        "hydra.run.dir=run",
        *[o for o in SMALL if o[:4] != "env."],
    )
    assert set(json.loads((tmp_path / "run/summary.json").read_text())["policies"]) == POLICIES
    lrdqn(tmp_path, "evaluate", "run=run", "population=pop", "sessions=8", "cohorts=1")
    damaged = tmp_path / "pop/population.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    lrdqn(tmp_path, "train", "env.population=pop", *SMALL, code=2)
    assert not (tmp_path / "runs").exists()


def test_a_population_and_constants_fitted_to_kuailive_are_trained_on(tmp_path: Path) -> None:
    """The command that is printed is the one that is run."""
    make_mini(users=40, streamers=80, rooms=300).write(tmp_path / "log dir")
    printed = lrdqn(
        tmp_path,
        "calibrate",
        "source=kuailive",
        "path=log dir",
        "out=pop",
        "streamers=60",
        "factors=8",
    )
    assert "held-out recall@20" in printed
    assert "lrdqn train env.population=pop $(cat pop.overrides)" in printed
    overrides = (tmp_path / "pop.overrides").read_text().split()
    card = json.loads((tmp_path / "pop/card.json").read_text())
    told = {key: str(value) for key, value in card["law"].items() if key not in INTERCEPTS}
    settings = dict(override.split("=") for override in overrides)
    assert settings.keys() == told.keys() | INTERCEPTS
    assert {key: settings[key] for key in told} == told
    assert settings["env.law.engage_bias"] != str(card["law"]["env.law.engage_bias"]), (
        "or nothing was fitted"
    )
    assert all(override in printed for override in overrides)
    assert (card["streamers"], card["users"]) == (60, 40)
    once = ["debug=fast", "train.seeds=1", "train.myopic=false", "env.horizon=20"]
    lrdqn(tmp_path, "train", "env.population=pop", *overrides, "hydra.run.dir=run", *once)
    resolved = (tmp_path / "run/resolved.yaml").read_text()
    assert f"dwell_median: {card['law']['env.law.dwell_median']}" in resolved


def test_a_population_fitted_to_kuairand_is_a_world(tmp_path: Path) -> None:
    make_rand(impressions=3000).write(tmp_path / "log")
    (tmp_path / "pop.overrides").write_text("env.law.click_bias=9\n")
    words = ("calibrate", "source=kuairand", "path=log", "out=pop", "factors=8", "fit=false")
    printed = lrdqn(tmp_path, *words)
    assert "Beta a" in printed
    assert not (tmp_path / "pop.overrides").exists(), (
        "settings of a population that was there before"
    )
    assert printed.endswith("train on it: lrdqn train env.population=pop\n")
    world = build.build_worlds(LiveConfig(population=str(tmp_path / "pop")), 0, 1)
    assert world.streamers.style.shape == (1, 91, 8)


def test_the_world_is_compared_with_real_figures(tmp_path: Path) -> None:
    printed = lrdqn(tmp_path, "calibrate", "sessions=512", "worlds=2")
    assert "next-day return" in printed
    assert "KuaiLive" in printed


def test_the_wheel_runs_from_an_empty_folder(tmp_path: Path) -> None:
    """Built, unpacked, and asked from an empty folder: the configuration travels inside."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(tmp_path / "dist"),
            str(ROOT),
        ],
        check=True,
        capture_output=True,
        timeout=300,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert "lrdqn/conf/train.yaml" in names
    assert "lrdqn/py.typed" in names
    assert not [n for n in names if n.startswith(("conf/", "tests/", "benchmarks/"))]
    empty = tmp_path / "empty"
    empty.mkdir()
    printed = lrdqn(empty, "train", "--cfg", "job", path=tmp_path / "site")
    assert "target: double" in printed
    program = "import lrdqn.cli.launch as l; print(l.CONF)"
    where = subprocess.run(
        [sys.executable, "-c", program],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(tmp_path / "site") in where.stdout
