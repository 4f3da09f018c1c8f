"""Bad input: one line that names key, value and what is allowed; exit code 2; nothing written; jax
never imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from lrdqn.cli.calibrate import preflight as calibrate_preflight
from lrdqn.cli.evaluate import preflight as evaluate_preflight
from lrdqn.cli.evaluate import train_config
from lrdqn.cli.launch import check_jobs
from lrdqn.cli.report import preflight as report_preflight
from lrdqn.cli.train import continued, preflight
from lrdqn.compose.freeze import freeze
from lrdqn.compose.overrides import CONF
from lrdqn.compose.roots import (
    CalibrateRun,
    EvaluateRun,
    ReportRun,
    TrainRun,
    TuneRun,
    register_schemas,
)
from lrdqn.config import InputError

BAD = {
    "agent.gama=.9": "agent.gama=.9: unknown key; did you mean agent.gamma?",
    "env.population=": "env.population=: is empty; give a value, or leave it out",
    "resume=": "resume=: is empty; give a value, or leave it out",
    "hydra.run.dir=": "hydra.run.dir=: is empty; give a folder, or leave it out",
    "hydra.run.dir=''": "hydra.run.dir='': is empty; give a folder, or leave it out",
    "agnt=dqn": "agnt=dqn: unknown key; did you mean agent?",
    "foo=1": (
        "foo=1: unknown key; allowed are agent, checkpoint, debug, "
        "env, evaluate, grid, logger, network, replay"
    ),
    "+agent.extra=1": "agent.extra=1: unknown key",
    "agent.gamma=abc": "agent.gamma=abc: must be a number",
    "train.seeds=2.5": "train.seeds=2.5: must be a whole number",
    "network.hidden=5": "network.hidden=5: must be a list",
    "network.hidden=[0]": "network.hidden=[0]: must be a list of integers, each at least 1",
    "agent.gamma=1.5": "agent.gamma=1.5: must lie in [0, 1]",
    "env.log.impressions=10": (
        "env.log.impressions=10: must be 0 or at least 2000, one for each user and streamer"
    ),
    "env.log.impressions=100000000": "env.log.impressions=100000000: must lie in [0, 20000000]",
    "env.log.policy=profile": "env.log.policy=profile: must be one of reference, random",
    "agent.target_candidates=2 env.slate=3 agent=slateq": (
        "agent.target_candidates=2: is for agent=dqn where one of a set of candidates is shown"
    ),
    "agent.policy=target agent=pqn": (
        "agent.policy=target: agent.target=lambda has no target network; must be online"
    ),
    "agent.weight_decay=-1": "agent.weight_decay=-1.0: must lie in [0, 100]",
    "agent.learning_rate=inf": "agent.learning_rate=inf: must lie in (0, 10]",
    "env.reward.watch_cap_minutes=inf": (
        "env.reward.watch_cap_minutes=inf: must be a finite number"
    ),
    "agent.gamma=nan": "agent.gamma=nan: must lie in [0, 1]",
    "agent.learning_rate=0": "agent.learning_rate=0.0: must lie in (0, 10]",
    "agent.loss=hubr": "agent.loss=hubr: must be one of mse, huber",
    "agent=ddqn": "agent=ddqn: must be one of c51, double_dqn, double_q_learning, dqn, ",
    "replay=prioritised": "replay=prioritised: must be one of prioritized, queue, rank, uniform",
    "replay.alpha=1.2": "replay.alpha=1.2: must lie in [0, 1]",
    "replay.beta=-1": "replay.beta=-1.0: must lie in [0, 1]",
    "replay.batch_size=100000": "replay.batch_size=100000: must not exceed replay.capacity=16384",
    "env.candidates=5000": "env.candidates=5000: must not exceed the catalogue, env.streamers=1000",
    "env.familiar=16": "env.familiar=16: must be below env.candidates=16",
    "env=probe evaluate.references=true": (
        "evaluate.references=true: there are none for env=probe; must be false"
    ),
    "env.popular=9 env.fresh=9": (
        "env.candidates=16: familiar, popular, fresh and similar places are 21; must not exceed"
    ),
    "env.choice_model=logit": (
        "env.choice_model=logit: must be one of mnl, proportional, cascade, pbm, bernoulli"
    ),
    "perturbation=quake": (
        "perturbation=quake: must be one of clickbait, cold_wave, "
        "missing_views, outage, popularity_shock"
    ),
    "content=video": "content=video: must be one of embeddings, exact, multimodal",
    "content=embeddings": (
        "env.embeddings=null: env.content=embeddings needs a file, env.embeddings=PATH.npy"
    ),
    "content=embeddings env.embeddings=/no/such.npy": (
        "env.embeddings=/no/such.npy: no such file; must be a .npy or .npz file"
    ),
    "env.embeddings=x.npy": ("x.npy: env.content=exact reads no file; use content=embeddings"),
    "env=recsim perturbation=outage": (
        "perturbation=outage: changes the live world; must be left out with another env"
    ),
    "perturbation=missing_views": (
        "env.perturb.missing_views=0.5: env.content=exact has no views; use content=multimodal"
    ),
    "env.content_views.text.missing=2": "env.content_views.text.missing=2.0: must lie in [0, 1]",
    "env.slate=2": (
        "env.slate=2: this agent (dqn) shows one item per request; must be 1, or use agent=slateq"
    ),
    "env=recsim env.slate=11": "env.slate=11: must not exceed env.candidates=10",
    "env=recsim env.task=bandit": (
        "env.task=bandit: must be one of interest_evolution, interest_exploration, long_term"
    ),
    "env=recsim env.choice_model=pbm": (
        "env.choice_model=pbm: must be one of auto, proportional, mnl, cascade_exp"
    ),
    "env=recsim env.evolution.budgt=5": (
        "env.evolution.budgt=5: unknown key; did you mean env.evolution.budget?"
    ),
    (
        "env=recsim env.task=long_term_satisfaction env.choice_model=mnl"
    ): "env.task=long_term_satisfaction has its own",
    "env=recsim agent=dqn": (
        "env.slate=3: this agent (dqn) shows one item per request; must be 1, or use agent=slateq"
    ),
    "env=recsim env.task=interest_exploration": (
        "agent.gamma=1.0: env.task=interest_exploration never ends; must be below 1"
    ),
    "env=recsim env.task=long_term_satisfaction": (
        "env.slate=3: env.task=long_term_satisfaction: agent=slateq cannot learn"
    ),
    "agent=full_slate network=mlp history=gru": (
        "network.history=gru: network=mlp reads no watch sequence; must be mean"
    ),
    "env.clock=tick env.slate=2": (
        "env.slate=2: this agent (dqn) shows one item per request; must be 1"
    ),
    "agent=slateq env=garnet": (
        "agent=slateq: fills slates, and env=garnet takes none; use env=live or env=recsim"
    ),
    "agent=slateq agent.target=munchausen": (
        "agent.target=munchausen: must be one of max, double, sarsa"
    ),
    "agent=slateq agent.slate.choice=told": (
        "agent.slate.choice=told: env=live hides how users choose; use logit"
    ),
    "agent=full_slate agent.slate.fill=exact": (
        "agent.slate.fill=exact: is not read by this agent (full_slate)"
    ),
    "agent.slate.null_value=false": (
        "agent.slate.null_value=false: is not read by this agent (dqn); leave it out, or use"
    ),
    "agent=slateq env.clock=tick": (
        "env.clock=tick: does not tell agent=slateq what was taken; must be decision"
    ),
    "agent.target=sarsa": (
        "agent.target=sarsa: must be one of max, double, expected_sarsa, munchausen, lambda"
    ),
    "agent=full_slate network=cnn": (
        "network=cnn: agent=full_slate scores slates by network=scorer, or has one output for each"
    ),
    "agent=full_slate env.candidates=20 env.slate=8": (
        "env.candidates=20: 125970 slates of 8 of them; must not be more than"
    ),
    "env.discount_unit=hours:1": (
        "env.discount_unit=hours:1: must be `decision` or `minutes:X` with X > 0"
    ),
    "env.population=/no/such": "env.population=/no/such: no such folder",
    "env=probe network=scorer": "network=scorer: env=probe has a fixed set of actions",
    "env=garnet agent=dueling": (
        "network.head=dueling: network=table has no such part; must be linear, or use network=mlp"
    ),
    "env=gymnax env.name=cartpole": (
        "env.name=cartpole: gymnax has no such environment; did you mean CartPole-v1?"
    ),
    "env=gymnax env.name=Pendulum-v1": (
        "env.name=Pendulum-v1: its actions are continuous; lrdqn chooses among numbered ones"
    ),
    "env=gymnax env.size=5": "env.size=5: env.name=CartPole-v1 has no size; leave it out",
    "env=gymnax env.name=DeepSea-bsuite env.size=1": "env.size=1: must be at least 2",
    "env=gymnax env.horizon=0": "env.horizon=0: must be at least 1",
    "env=gymnax env.store=bool": (
        "env.store=bool: does not hold observations of "
        "env.name=CartPole-v1 exactly; must be float32"
    ),
    "env=gymnax env.store=int4": "env.store=int4: must be one of float32, uint8, bool",
    "env=gymnax network=cnn": "network=cnn: env.name=CartPole-v1 shows vector; use network=mlp",
    (
        "env=gymnax env.name=Breakout-MinAtar network=table"
    ): "shows image; use network=mlp or network=cnn",
    "env=gymnax network.channels=[0]": (
        "network.channels=[0]: must be a list of integers, each at least 1"
    ),
    "experiment=cartpol": "experiment=cartpol: must be one of acrobot, cartpole, catch, deep_sea",
    "experiment=cartpole env.nam=x": "env.nam=x: unknown key; did you mean env.name?",
    "network=mlp": "network=mlp: env=live offers a changing candidate set; use network=scorer",
    "agent.target_period=1000": (
        "must be a multiple of train.sessions=128; the nearest is 896 or 1024"
    ),
    "train.env_steps=1000": (
        "train.env_steps=1000: must be a multiple of train.sessions=128; the nearest is 896 or 1024"
    ),
    "train.update_period=100": (
        "train.update_period=100: must divide train.sessions=128; the nearest is 64 or 128"
    ),
    "train.eval_period=3072": (
        "train.env_steps=163840: must be a multiple of train.eval_period=3072; the nearest is"
    ),
    "train.warmup_steps=128": "train.warmup_steps=128: must be at least replay.batch_size=256",
    "agent=dqn,double_dqn": "agent=dqn,double_dqn: is a list of choices; sweep over it with -m",
    "agent.name=ddpg": "agent.name=ddpg: must be one of dqn",
    "env.kind=foo": "env.kind=foo: must be one of live, probe, garnet, gymnax",
    "env.world_seed=-1": "env.world_seed=-1: must lie in [0, 2147483647]",
    "env.schedule.days=5": "env.schedule.days=5: must be at least env.max_sessions + 3 = 8",
    "replay.capacity=64": "replay.batch_size=256: must not exceed replay.capacity=64",
    "agent=1": "agent=1: must be one of c51, double_dqn, double_q_learning, dqn, dueling",
    "debug=slow": "debug=slow: must be one of checkify, fast, nan, profile",
    "logger=mlflow": "logger=mlflow: must be one of jsonl, tensorboard, wandb",
    "runtime=ipu": "runtime=ipu: must be one of auto, cpu, gpu, tpu",
    "sweep=all": (
        "sweep=all: must be one of discount, dqn_parts, family, learning_rate, replay_size"
    ),
    "grid.agent.gama=[0.9]": "grid.agent.gama=[0.9]: unknown key; did you mean grid.agent.gamma?",
    "grid.agent.gamma=[0.9,2]": "grid.agent.gamma=2.0: must lie in [0, 1]",
    "grid.agent.gamma=0.9": "grid.agent.gamma=0.9: must be a list of numbers, [a,b,...]",
    "checkpoint.seconds=-1": "checkpoint.seconds=-1.0: must be at least 0",
    "checkpoint.keep=0": "checkpoint.keep=0: must be at least 1",
    "runtime.devices=0": "runtime.devices=0: must be at least 1",
    "runtime.prng=pcg": "runtime.prng=pcg: must be one of threefry2x32, rbg",
    "runtime.memory_gib=0": "runtime.memory_gib=0.0: must be greater than 0",
    "runtime.processes=2": "runtime.processes=2: only goes with runtime.coordinator=HOST:PORT",
    "hydra/launcher=submitit_nope": (
        "hydra/launcher=submitit_nope: must be basic, submitit_local or submitit_slurm"
    ),
    "logger=[tensorbord]": "logger=tensorbord: must be one of jsonl, tensorboard, wandb",
    "runtime.coordinator=auto": (
        "hydra.run.dir=null: processes that share a run need one folder; give it"
    ),
    "hydra.run.dir=/etc/hostname/run": (
        "/etc/hostname/run: cannot be made a run folder (/etc/hostname is not a folder)"
    ),
    "runtime.coordinator=localhost:1234": (
        "runtime.processes=null: runtime.coordinator=localhost:1234 needs it"
    ),
    "'agent.gamma": "cannot be read; arguments are KEY=VALUE",
}


@pytest.fixture(autouse=True)
def fresh_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["lrdqn"])  # the preflight looks at Hydra's own keys there
    register_schemas()


@pytest.mark.parametrize("override", BAD)
def test_a_mistake_is_answered_in_one_line(override: str) -> None:
    words = override.split(" ")
    sys.argv[1:] = words
    with pytest.raises(InputError) as error:
        check_jobs("train", TrainRun, words, preflight)
    line = " ".join(str(error.value).split())
    assert BAD[override] in line
    listed = line.partition("must be one of ")[2]  # grows with every part
    assert len(line) - len(listed) < 220


def test_good_input_passes() -> None:
    check_jobs(
        "train",
        TrainRun,
        ["agent=dqn", "replay=uniform", "train.sessions=32", "train.env_steps=2048"],
        preflight,
    )
    check_jobs("train", TrainRun, ["env=probe"], preflight)
    check_jobs("train", TrainRun, ["env=probe", "network=mlp"], preflight)
    check_jobs("train", TrainRun, ["env=gymnax", "env.name=CartPole-v1"], preflight)
    check_jobs(
        "train",
        TrainRun,
        ["env=gymnax", "env.name=FrozenLake-misc", "network=table", "agent=q_learning"],
        preflight,
    )
    check_jobs("train", TrainRun, ["-m", "experiment=cartpole,catch"], preflight)


def test_embeddings_are_checked_before_anything_is_compiled(tmp_path: Path) -> None:
    words = ["content=embeddings", f"env.embeddings={tmp_path}/e.npy", "env.streamers=60"]
    np.save(tmp_path / "e.npy", np.ones((60, 4)))
    check_jobs("train", TrainRun, words, preflight)
    check_jobs("calibrate", CalibrateRun, words, calibrate_preflight)
    with pytest.raises(InputError, match=r"env\.embeddings=.*e\.npy: has 60 rows for 70 streamers"):
        check_jobs("train", TrainRun, [*words[:2], "env.streamers=70"], preflight)


def test_games_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"env=gymnax: needs gymnax; pip install 'lrdqn\[games\]'"):
        check_jobs("train", TrainRun, ["env=gymnax"], preflight)


def test_every_job_of_a_sweep_is_checked_first() -> None:
    check_jobs(
        "train", TrainRun, ["-m", "agent=dqn,double_dqn", "replay=uniform,prioritized"], preflight
    )
    with pytest.raises(InputError, match=r"agent\.gamma=2\.0"):
        check_jobs(
            "train", TrainRun, ["-m", "agent=dqn,double_dqn", "agent.gamma=0.9,2"], preflight
        )


def test_a_ready_sweep_is_expanded_and_checked() -> None:
    check_jobs("train", TrainRun, ["sweep=dqn_parts"], preflight)
    check_jobs("train", TrainRun, ["sweep=learning_rate"], preflight)
    with pytest.raises(
        InputError, match=r"replay\.batch_size=8192: must not exceed replay\.capacity=4096"
    ):
        check_jobs("train", TrainRun, ["sweep=replay_size", "replay.batch_size=8192"], preflight)
    check_jobs(
        "train",
        TrainRun,
        ["sweep=replay_size", "replay.batch_size=8192", "replay.capacity=16384"],
        preflight,
    )


@pytest.mark.slow
def test_a_search_needs_ranges_and_whole_batches() -> None:
    check_jobs("tune", TuneRun, [], preflight)
    for override, line in {
        "tune.trials=9": r"tune\.trials=9: must be a multiple of tune\.batch=8",
        "tune.space.agent.gamma=[0.9]": r"tune\.space\.agent\.gamma=\[0\.9\]: must be \[low,high\]",
        "tune.space.agent.gamma=[0.9,0.5]": r"must be \[low,high\] with low < high",
        "grid.agent.gamma=[0.9,0.5]": "a search has no grid",
        "train.myopic=true": r"train\.myopic=true: a search trains its trials alone",
        "debug='nan'": "debug=nan: not in a search",
        "tune.space.replay.beta_end=[0.1,1]": (
            r"replay\.beta_end=0\.1: must be " r"at least replay\.beta=0\.4"
        ),
    }.items():
        with pytest.raises(InputError, match=line):
            check_jobs("tune", TuneRun, [override], preflight)


def test_resume_stands_for_the_arguments_of_the_run(tmp_path: Path) -> None:
    assert continued(["agent=dqn", "resume=auto"]) == ["agent=dqn", "resume=auto"]
    with pytest.raises(InputError, match=r"resume=.*: no \.hydra/overrides\.yaml there"):
        continued([f"resume={tmp_path}"])
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text(
        "- agent=dqn\n- train.env_steps=2048\n- resume=auto\n"
    )
    where = f"hydra.run.dir={tmp_path.resolve()}"
    given = [f"resume={tmp_path}", "train.env_steps=4096"]
    assert continued(given) == [
        "agent=dqn",
        "train.env_steps=4096",
        f"resume={tmp_path}",
        where,
        "hydra.mode=RUN",
    ]
    with pytest.raises(InputError, match="continues one run; a sweep is continued by resume=auto"):
        continued(["-m", *given])
    with pytest.raises(InputError, match="goes on in its own folder"):
        continued([*given, "hydra.run.dir=elsewhere"])


def test_only_a_live_world_can_be_perturbed(tmp_path: Path) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        register_schemas()
        OmegaConf.save(compose("train", overrides=["env=probe"]), tmp_path / "resolved.yaml")
        asked = freeze(
            EvaluateRun, compose("evaluate", overrides=[f"run={tmp_path}", "perturbation=outage"])
        )
    with pytest.raises(
        InputError, match=r"env.perturb=outage_share: the run played env=probe; must be live"
    ):
        train_config(asked)


def test_embeddings_are_those_of_the_runs_own_streamers(tmp_path: Path) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        register_schemas()
        words = ["content=embeddings", "env.embeddings=e.npy"]
        OmegaConf.save(compose("train", overrides=words), tmp_path / "resolved.yaml")
        asked = freeze(
            EvaluateRun, compose("evaluate", overrides=[f"run={tmp_path}", "population=other"])
        )
    with pytest.raises(
        InputError, match=r"population=other: env\.embeddings=e\.npy shows the run's own streamers"
    ):
        train_config(asked)


def test_other_commands_say_what_they_need(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run=.*is required"):
        check_jobs("report", ReportRun, [], report_preflight)
    with pytest.raises(InputError, match="no such folder"):
        check_jobs("evaluate", EvaluateRun, [f"run={tmp_path}/none"], evaluate_preflight)
    with pytest.raises(
        InputError, match="env=garnet: chooses a network too, and lrdqn calibrate has none"
    ):
        check_jobs("calibrate", CalibrateRun, ["env=garnet"], lambda config: None)
    for source in ("movielens", "kuailive", "kuairand"):
        with pytest.raises(InputError, match=f"path=null: source={source} needs the folder"):
            check_jobs("calibrate", CalibrateRun, [f"source={source}"], lambda config: None)
    with pytest.raises(
        InputError, match=r"source=kwai: must be one of world, movielens, kuailive, kuairand"
    ):
        check_jobs("calibrate", CalibrateRun, ["source=kwai"], lambda config: None)
    words = ["source=movielens", f"path={tmp_path}", f"out={tmp_path}/pop"]
    with pytest.raises(InputError, match=r"users=1: must"):
        check_jobs("calibrate", CalibrateRun, ["users=1"], lambda config: None)
    for word in ("env.population=x", "content=multimodal"):
        with pytest.raises(
            InputError,
            match=r"env\..*: goes with lrdqn train; must be left out while a log is fitted",
        ):
            check_jobs("calibrate", CalibrateRun, [*words, word], calibrate_preflight)
    with pytest.raises(InputError, match="out=null"):
        check_jobs(
            "calibrate", CalibrateRun, ["source=movielens", f"path={tmp_path}"], lambda config: None
        )


def lrdqn(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from lrdqn.cli.main import main; sys.argv[0] = 'lrdqn'; main()"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "agent.gama=.9"),
        ("trian",),
        *(
            pytest.param(x, marks=pytest.mark.slow)
            for x in (
                ("report", "run=nowhere"),
                ("train", "-m", "agent=x,y"),
                ("train", "env=gymnax", "env.name=typo"),
                ("calibrate", "source=kuailive", "path=.", "out=pop"),
                ("calibrate", "source=kuairand", "path=.", "out=pop"),
            )
        ),
    ],
)
def test_the_shell_sees_one_line_and_exit_code_2(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = lrdqn(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("lrdqn: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_a_run_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    done = lrdqn("train", f"hydra.run.dir={tmp_path}", cwd=tmp_path)
    assert done.returncode == 2
    assert "holds a run already" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("train", "--help"),
        ("train", "--cfg", "job"),
        ("evaluate", "--help"),
        ("calibrate", "--help"),
    ],
)
def test_help_comes_without_jax(arguments: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        "import sys; from lrdqn.cli.main import main; sys.argv[0] = 'lrdqn'\n"
        "try: main()\nexcept SystemExit: pass\nassert 'jax' not in sys.modules, 'jax was imported'"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "lrdqn" in done.stdout or "agent:" in done.stdout
    assert ("kuailive, kuairand" in done.stdout) == ("calibrate" in arguments)
    assert list(tmp_path.iterdir()) == []
