"""Layout of the repository: the direction of imports, the length of files, and that every YAML
builds."""

from __future__ import annotations

import ast
import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import jax
import pytest
from hydra import compose, initialize_config_dir

from lrdqn import build
from lrdqn.compose.freeze import freeze
from lrdqn.compose.overrides import CONF
from lrdqn.compose.roots import CalibrateRun, EvaluateRun, TrainRun, TuneRun, register_schemas
from lrdqn.config import ConfigError
from lrdqn.types import Env

ROOT = Path(__file__).resolve().parents[1]
FLOORS = [
    {"types", "observations", "config"},
    {"atomic", "ops"},
    {"networks", "replay", "envs"},
    {"agents", "baselines", "logs"},
    {"family"},
    {"train", "evaluation"},
    {"compose"},
    {"build"},
    {"runner", "calibration", "interop"},
    {"report"},
    {"api", "cli"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted((ROOT / "lrdqn").rglob("*.py"))


def room_of(path: Path) -> str:
    """Return the folder under lrdqn; a family, which plugs its folder into the rest, is a room of
    its own."""
    room = path.relative_to(ROOT / "lrdqn").parts[0].removesuffix(".py")
    return "family" if path.name == "family.py" and room != "config" else room


def imported_rooms(path: Path) -> set[str]:
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [node.module]
                if node.module != "lrdqn"
                else [f"lrdqn.{alias.name}" for alias in node.names]
            )
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name.startswith("lrdqn.")}
    return rooms & set(LEVEL)


def problems(path: Path) -> list[str]:
    room, name = room_of(path), path.relative_to(ROOT)
    length = len(path.read_text().splitlines())
    found = [f"{name} has {length} lines"] if length > 400 else []
    if room == "__init__":
        return found
    if room not in LEVEL:
        return [*found, f"{name}: {room} has no place in the floor plan"]
    for other in imported_rooms(path) - {room}:
        below = LEVEL[other] < LEVEL[room] or {room, other} == {"types", "config"}
        found += [] if below else [f"{name} ({room}) imports {other}"]
    return found


def test_imports_point_one_way_and_files_are_short() -> None:
    assert [problem for path in MODULES for problem in problems(path)] == []


def test_variants_are_a_few_lines() -> None:
    for path in CONF.rglob("*.yaml"):
        if path.parent.name in ("agent", "network", "replay", "env", "content"):
            assert len(path.read_text().splitlines()) <= 10, path


GROUPS = {
    name: sorted(p.stem for p in (CONF / name).glob("*.yaml"))
    for name in ("agent", "replay", "env", "experiment", "content", "reward", "perturbation")
}
TABULAR = ("q_learning", "double_q_learning", "value_iteration")
TYPICAL = ("dqn", "rainbow", "pqn", "slateq", "q_learning")
SLATED = ("slateq", "slateq_sarsa", "slateq_release", "full_slate")
SMALL = {"live": ["env.streamers=50", "env.users=20"]}


def refusal(agent: str, replay: str, env: str) -> str | None:
    """Return the key that is named where the three cannot be combined, with the network that the
    environment chooses."""
    slated = agent in SLATED
    if slated and env not in ("live", "recsim"):
        return "agent="
    if env == "garnet" and agent in ("dueling", "noisy", "c51", "qr_dqn", "rainbow", "pqn"):
        return "network."
    if env == "recsim" and not slated:
        return "agent=" if agent in TABULAR else "env.slate="
    if env != "garnet" and agent in TABULAR:
        return "agent="
    return "replay=" if (agent == "pqn") != (replay == "queue") else None


def covering() -> list[Any]:
    """Every agent in every environment and with every replay; a replay asks nothing of an
    environment. Where the pair of agent and environment is refused, one replay is enough. The fast
    tests take ``TYPICAL`` agents only."""
    of_env = [
        (agent, "queue" if agent == "pqn" else "uniform", env)
        for agent in GROUPS["agent"]
        for env in GROUPS["env"]
    ]
    of_replay = [
        (agent, replay, "garnet" if agent in TABULAR else "live")
        for agent in GROUPS["agent"]
        for replay in GROUPS["replay"]
    ]
    return [
        x if x in of_env and x[0] in TYPICAL else pytest.param(*x, marks=pytest.mark.slow)
        for x in sorted({*of_env, *of_replay})
    ]


@pytest.mark.parametrize(("agent", "replay", "env"), covering())
def test_every_combination_builds_or_is_refused_by_name(agent: str, replay: str, env: str) -> None:
    register_schemas()
    overrides = [f"agent={agent}", f"replay={replay}", f"env={env}", *SMALL.get(env, [])]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", overrides=overrides)
    refused = refusal(agent, replay, env)
    if refused:
        with pytest.raises(ConfigError, match=refused):
            freeze(TrainRun, composed)
        return
    build_every_part(freeze(TrainRun, composed))


def build_every_part(config: TrainRun) -> None:
    """Build every part from shapes; nothing is compiled."""
    worlds, built = world_of(config.env)
    learner = build.build_learner(config, built, worlds)
    state = jax.eval_shape(learner.agent.init, jax.random.key(0))
    assert jax.tree.leaves(learner.agent.policy_params(state))
    assert build.build_replay(config)
    assert build.build_horizon(config, learner.network)
    assert "random" in build.build_baselines(config.env, built)


@cache
def world_of(env: Any) -> tuple[Any, Env]:
    """Return the environment and its world, drawn once for all tests that use it."""
    return build.build_worlds(env, 0, 1), build.build_env(env, 4)


@pytest.mark.parametrize("agent", GROUPS["agent"])
def test_every_preset_runs_by_its_name_alone(agent: str) -> None:
    """``lrdqn train agent=NAME`` needs no second word, but for the environment that a table has to
    have."""
    register_schemas()
    more = ["env=garnet"] if agent in TABULAR else []
    with initialize_config_dir(str(CONF), version_base="1.3"):
        freeze(TrainRun, compose("train", overrides=[f"agent={agent}", *more]))


@pytest.mark.parametrize("experiment", GROUPS["experiment"])
def test_every_experiment_builds_and_says_what_it_reproduces(experiment: str) -> None:
    """Claim, command, hardware, minutes and the expected result are at the top of each."""
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = freeze(TrainRun, compose("train", overrides=[f"experiment={experiment}"]))
        freeze(TrainRun, compose("train", overrides=[f"experiment={experiment}", "debug=fast"]))
        tuned = freeze(TuneRun, compose("tune", overrides=[f"experiment={experiment}"]))
        assert (tuned.env, tuned.agent, tuned.network) == (config.env, config.agent, config.network)
    if experiment == "highway_fast":
        pytest.importorskip("highway_env", reason="needs the extra `driving`")
    build_every_part(config)
    assert config.train.myopic == (config.env.kind == "live"), "a game has no twin"
    lines = (CONF / "experiment" / f"{experiment}.yaml").read_text().splitlines()
    head = "\n".join(line for line in lines if line.startswith("# "))
    assert lines[0] == "# @package _global_"
    for word in (
        "Claim: ",
        f"Command: lrdqn train experiment={experiment}",
        "Hardware: ",
        "Minutes: ",
        "Expected: ",
    ):
        assert f"# {word}" in head, word


NEEDS = {"missing_views": ["content=multimodal"], "embeddings": ["env.embeddings=table.npy"]}
"""What a named setting cannot be without."""
LIVE_ROOTS = {
    "train": TrainRun,
    "tune": TuneRun,
    "calibrate": CalibrateRun,
    "evaluate": EvaluateRun,
}


@pytest.mark.parametrize("command", list(LIVE_ROOTS))
@pytest.mark.parametrize("group", ["content", "reward", "perturbation"])
def test_named_settings_of_the_live_world_compose_for_every_command_that_has_them(
    command: str, group: str
) -> None:
    register_schemas()
    if command == "evaluate" and group != "perturbation":
        pytest.skip("a policy is judged by the reward and the content that it learnt from")
    more = ["run=somewhere"] if command == "evaluate" else []
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plain = freeze(LIVE_ROOTS[command], compose(command, overrides=more)).env
        for name in GROUPS[group]:
            needed = NEEDS.get(name, []) if command != "evaluate" else []
            env = freeze(
                LIVE_ROOTS[command], compose(command, overrides=[f"{group}={name}", *needed, *more])
            ).env
            assert (env == plain) == (name in ("balanced", "exact"))


@pytest.mark.parametrize(
    ("words", "network"),
    [
        ("env=live", "scorer"),
        ("env=probe", "mlp"),
        ("env=garnet", "table"),
        ("env=gymnax", "mlp"),
        ("env=gymnasium", "mlp"),
        ("env=garnet network=mlp", "mlp"),
        ("network=mlp env=garnet", "mlp"),
        ("env=gymnax env.name=Breakout-MinAtar network=cnn", "cnn"),
        ("experiment=catch", "mlp"),
        ("experiment=minatar_breakout", "cnn"),
        ("experiment=minatar_breakout network=mlp", "mlp"),
        ("env=recsim", "scorer"),
        ("env=recsim agent=full_slate", "scorer"),
        ("agent=full_slate network=mlp", "mlp"),
    ],
)
def test_an_environment_chooses_a_network_unless_the_user_does(words: str, network: str) -> None:
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        assert freeze(TrainRun, compose("train", overrides=words.split())).network.name == network


def test_frozen_configs_are_hashable_and_do_not_change() -> None:
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = freeze(TrainRun, compose("train"))
    assert hash(config) == hash(freeze(TrainRun, compose_again()))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.agent.gamma = 0.5
    assert isinstance(config.network.hidden, tuple)


def compose_again() -> object:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train")


def test_the_family_shares_its_settings_on_the_live_world_only() -> None:
    """Of the DQN family, only pqn, which has no target network, has settings of its own."""
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for path in (CONF / "agent").glob("*.yaml"):
            if "/schema/agent/dqn@agent" not in path.read_text():
                continue
            name = path.stem
            live = compose("train", overrides=[f"agent={name}"]).agent
            other = compose("train", overrides=[f"agent={name}", "env=gymnax"]).agent
            assert (other.tau, other.weight_decay, other.policy) == (1.0, 0.0, "online"), name
            shared = (1.0, 0.0, "online") if name == "pqn" else (0.3, 0.5, "target")
            assert (live.tau, live.weight_decay, live.policy) == shared, name
            explores = name not in ("noisy", "rainbow")
            assert (live.epsilon > 0) == (other.epsilon > 0) == explores, name
