"""The Python functions of ``lrdqn`` and ``python -m lrdqn``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from omegaconf import OmegaConf

import lrdqn
from lrdqn.cli.train import continued
from lrdqn.compose.overrides import VARIABLE

ROOT = Path(__file__).resolve().parents[1]
SMALL = [
    "train.seeds=2",
    "train.sessions=8",
    "train.env_steps=128",
    "train.warmup_steps=32",
    "train.update_period=8",
    "train.eval_period=64",
    "train.myopic=false",
    "agent.target_period=32",
    "replay.capacity=128",
    "replay.batch_size=8",
    "evaluate.sessions=4",
    "evaluate.cohorts=2",
    "evaluate.resamples=100",
    "env.streamers=50",
    "env.users=20",
]


def test_the_package_runs_as_a_module(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lrdqn", *words],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert run("--version").stdout == f"lrdqn {lrdqn.__version__}\n"
    wrong = run("train", "agent.gama=1")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "lrdqn: agent.gama=1: unknown key; did you mean agent.gamma?\n"


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("agent.gama=0.9", "agent.gama=0.9: unknown key; did you mean agent.gamma?"),
        ("agent.gamma=1.5", "agent.gamma=1.5: must lie in [0, 1]"),
        ("agent=ddqn", "agent=ddqn: must be one of"),
        ("network=mlp", "network=mlp: env=live offers a changing candidate set"),
        ("env.population=/no/such", "env.population=/no/such: no such folder"),
        ("agent=dqn,double_dqn", "agent=dqn,double_dqn: is a list of choices"),
    ],
)
def test_a_mistake_is_an_error_of_one_line(word: str, line: str) -> None:
    with pytest.raises(lrdqn.InputError) as error:
        lrdqn.make_config(word)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_words_of_the_environment_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "train.seeds=3 agent=c51")
    config = lrdqn.make_config("train.seeds=2", "agent=dqn", "train.sessions=64")
    assert (config.train.seeds, config.train.sessions) == (3, 64)
    assert config.network.value == "categorical"
    monkeypatch.setenv(VARIABLE, "train.sedes=3")
    with pytest.raises(lrdqn.InputError, match=r"train\.sedes=3: unknown key; did you mean"):
        lrdqn.make_config()
    monkeypatch.setenv(VARIABLE, "env.name='x")
    with pytest.raises(lrdqn.InputError, match=r"LRDQN_OVERRIDES=env\.name='x: cannot be read"):
        lrdqn.make_config()


def test_a_configuration_with_a_grid_or_an_environment_outside_jit_is_not_compiled() -> None:
    with pytest.raises(lrdqn.InputError, match="grid: make_train trains one learner"):
        lrdqn.make_train(lrdqn.make_config("grid.agent.gamma=[0.5,0.9]"))
    with pytest.raises(lrdqn.InputError, match="env=gymnasium is stepped outside"):
        lrdqn.make_train(lrdqn.make_config("env=gymnasium"))


@pytest.mark.slow
def test_an_environment_is_reset_and_stepped() -> None:
    env, world = lrdqn.make_env(lrdqn.make_config(*SMALL))
    state, obs = jax.jit(env.reset)(jax.random.key(0), world)
    action = jnp.argmax(obs.mask, axis=1).astype(jnp.int32)
    _, timestep = jax.jit(env.step)(jax.random.key(1), state, action, world)
    assert timestep.reward.shape == (8,)
    assert jax.tree.map(jnp.shape, timestep.obs) == jax.tree.map(jnp.shape, obs)
    assert bool(jnp.isfinite(timestep.reward).all())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any, Path, Any]:
    """A configuration, its training state and metrics, and a run of the same, with summary."""
    config = lrdqn.make_config(*SMALL)
    state, metrics = jax.jit(jax.vmap(lrdqn.make_train(config)))(*lrdqn.seeds(config))
    folder = tmp_path_factory.mktemp("api") / "run"
    summary = lrdqn.run(config, folder, say=lambda line: None)
    return config, state, metrics, folder, summary


@pytest.mark.slow
def test_evaluation_gives_the_numbers_of_a_run(trained: tuple[Any, Any, Any, Path, Any]) -> None:
    config, state, metrics, _, summary = trained
    np.testing.assert_array_equal(metrics["env_steps"], [[64, 128]] * 2)
    evaluation = lrdqn.evaluate(config, state)
    for policy in ("learned", "content", "popularity", "random"):
        own = summary["policies"][policy]["return"]["per_seed"]
        np.testing.assert_allclose(evaluation.per_seed(policy), own, rtol=1e-5)
    assert evaluation.score == pytest.approx(summary["score"], rel=1e-5)
    assert "learned" in str(evaluation)
    assert evaluation.per_seed() != lrdqn.evaluate(config, state, seed=5).per_seed()
    one = jax.tree.map(lambda x: x[:1], state)
    with pytest.raises(lrdqn.InputError, match=r"has 1 seeds; must have train\.seeds=2"):
        lrdqn.evaluate(config, one)


@pytest.mark.slow
def test_a_saved_policy_scores_as_its_network(trained: tuple[Any, Any, Any, Path, Any]) -> None:
    from lrdqn import build

    config, state, _, folder, _ = trained
    env, world = lrdqn.make_env(config)
    _, obs = env.reset(jax.random.key(0), world)
    policy, same = lrdqn.load_policy(folder), lrdqn.make_policy(config, state)
    worlds = build.build_worlds(config.env, config.train.seed, 1)
    network = build.build_learner(config, env, worlds).network
    q, mask, _ = network.apply(policy.params, obs, policy.catalogue, None)
    scores = policy(obs)
    np.testing.assert_allclose(np.where(mask, scores, 0), np.where(mask, q, 0), rtol=1e-6)
    np.testing.assert_allclose(scores, same(obs), rtol=1e-4)
    np.testing.assert_array_equal(policy.act(obs), jnp.argmax(scores, axis=1))
    with pytest.raises(lrdqn.InputError, match=r"seed=2: must lie in \[0, 1\]"):
        lrdqn.load_policy(folder, seed=2)


@pytest.mark.slow
def test_a_run_keeps_the_words_that_resume_it(trained: tuple[Any, Any, Any, Path, Any]) -> None:
    folder = trained[3]
    assert OmegaConf.load(folder / ".hydra" / "overrides.yaml") == SMALL
    words = continued([f"resume={folder}", "train.env_steps=256"])
    assert [*SMALL[:2], "train.env_steps=256"] == words[:3]
    with pytest.raises(lrdqn.InputError, match="holds a run already"):
        lrdqn.run(trained[0], folder, say=lambda line: None)
