"""An environment and an agent of another package: installed, chosen by name, checked, trained,
evaluated, resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.checker import check_env
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from lrdqn import build
from lrdqn.cli.launch import check_jobs
from lrdqn.compose import families
from lrdqn.compose.freeze import freeze
from lrdqn.compose.overrides import CONF
from lrdqn.compose.roots import ReportRun, TrainRun, TuneRun, register_schemas
from lrdqn.config import ConfigError, InputError
from lrdqn.envs.streams import WORLD_STREAM
from lrdqn.runner.checkpoint import load_policy
from lrdqn.runner.evaluate import evaluate_run
from lrdqn.runner.folder import Files
from lrdqn.runner.run import run_in
from lrdqn.types import Agent, Sample, Transition

ROOT = Path(__file__).resolve().parents[1]
THEIRS = ROOT / "tests" / "plugins"
ENTRIES = {
    "lrdqn.envs": {"bandit": "their_env:PLUGIN"},
    "lrdqn.agents": {"plain_q": "their_agent:PLUGIN", "plainest_q": "their_agent:make_agent"},
}
CHOSEN = ["env=bandit", "network=mlp", "agent=plain_q", "env.arms=5"]
SMALL = [
    "train.seeds=2",
    "train.sessions=8",
    "train.env_steps=4096",
    "train.eval_period=1024",
    "train.update_period=8",
    "train.warmup_steps=64",
    "train.myopic=false",
    "agent.epsilon_end=1",
    "agent.learning_rate=0.2",
    "agent.reward_scale=1",
    "network.hidden=[16]",
    "replay=uniform",
    "replay.capacity=512",
    "replay.batch_size=64",
    "evaluate.sessions=8",
    "evaluate.cohorts=2",
    "evaluate.resamples=100",
    "checkpoint.seconds=0",
    "runtime.cache_dir=null",
]
NO_FILES = lambda config: None  # noqa: E731


def install(site: Path, package: str, entries: dict[str, dict[str, str]], **modules: str) -> Path:
    """Write the files that ``pip install`` leaves of a package: its modules, and a ``dist-info``
    folder that declares its entry points."""
    folder = site / f"{package.replace('-', '_')}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    rows = [
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in of.items())
        for group, of in entries.items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(rows))
    for name, text in modules.items():
        (site / f"{name}.py").write_text(text)
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("site"), "their-package", ENTRIES)


@pytest.fixture
def also(tmp_path: Path) -> Path:
    """Return a second folder to install into."""
    return tmp_path / "also"


@pytest.fixture(autouse=True)
def installed(site: Path, also: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put both folders on the path, and remove all traces of them afterwards."""
    for place in (also, site, THEIRS):
        monkeypatch.syspath_prepend(place)
    monkeypatch.setattr(sys, "argv", ["lrdqn"])
    before = set(sys.modules)
    yield
    for part in families.GROUPS:
        ConfigStore.instance().repo.pop(part, None)
    for name in set(sys.modules) - before:
        if name.startswith(("their_", "odd_")):
            del sys.modules[name]


def composed(*overrides: str) -> Any:
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=list(overrides))


def play(folder: Path, *more: str) -> dict[str, Any] | None:
    config = composed(*CHOSEN, *SMALL, *more)
    return run_in(
        folder, freeze(TrainRun, config), Files(OmegaConf.to_yaml(config, resolve=True), {}, [])
    )


@pytest.mark.parametrize("name", ["their_env", "their_agent"])
def test_thirty_lines_are_enough(name: str) -> None:
    assert (
        sum(bool(line.strip()) for line in (THEIRS / f"{name}.py").read_text().splitlines()) <= 35
    )


def test_their_keys_are_typed_ranged_and_frozen() -> None:
    config = freeze(TrainRun, composed(*CHOSEN, "agent.decay=0.25", "agent.gamma=0.5"))
    assert (config.env.kind, config.env.arms, config.env.noise) == ("bandit", 5, 0.0)
    assert (config.agent.name, config.agent.decay, config.agent.gamma) == ("plain_q", 0.25, 0.5)  # type: ignore[attr-defined]
    again = freeze(TrainRun, composed(*CHOSEN, "agent.decay=0.25", "agent.gamma=0.5"))
    assert config == again
    assert hash(config) == hash(again)
    assert freeze(TrainRun, composed(*CHOSEN)) != config
    with pytest.raises(ConfigError, match=r"^env\.arms=1: must be at least 2$"):
        freeze(TrainRun, composed(*CHOSEN, "env.arms=1"))


MISTAKES = {
    "env=bandti": "env=bandti: must be one of bandit, ",
    "agent=plain": ", plain_q, plainest_q",
    "env.arm=5": "env.arm=5: unknown key; did you mean env.arms?",
    "agent.deca=1": "agent.deca=1: unknown key; did you mean agent.decay?",
    "agent.decay=2": "agent.decay=2.0: must lie in [0, 1]",
    "env.arms=x": "env.arms=x: must be a whole number",
    "env.kind=bandti": (
        "env.kind=bandti: must be one of live, probe, garnet, gymnax, gymnasium, recsim, bandit"
    ),
    "agent.name=plain": "value_iteration, plain_q, plainest_q",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_in_one_line(mistake: str) -> None:
    register_schemas()
    with pytest.raises(InputError) as error:
        check_jobs("train", TrainRun, [*CHOSEN, mistake], NO_FILES)
    assert MISTAKES[mistake] in str(error.value)
    assert "\n" not in str(error.value)


def test_plugins_go_with_sweeps_and_searches() -> None:
    register_schemas()
    check_jobs(
        "train", TrainRun, ["-m", "env=probe,bandit", "network=mlp", "agent=dqn,plain_q"], NO_FILES
    )
    check_jobs("tune", TuneRun, CHOSEN, NO_FILES)
    with pytest.raises(InputError, match=r"^agent\.decay=3\.0: must lie in"):
        check_jobs("train", TrainRun, ["-m", *CHOSEN, "agent.decay=0,3"], NO_FILES)


def test_a_network_that_cannot_read_their_observation_is_refused_by_name() -> None:
    config = freeze(TrainRun, composed("env=bandit"))
    env, worlds = build.build_env(config.env, 4), build.build_worlds(config.env, 0, 1)
    line = (
        r"^network=scorer: reads candidates or documents, and "
        r"env=bandit shows vector; use network=mlp$"
    )
    with pytest.raises(InputError, match=line):
        build.build_learner(config, env, worlds)


def test_their_environment_keeps_the_contract() -> None:
    config = freeze(TrainRun, composed(*CHOSEN, "env.noise=1")).env
    world = jax.tree.map(lambda x: x[0], build.build_worlds(config, 0, 1))
    assert check_env(build.build_env(config, 4), world, steps=10) == {
        "terminated": 40,
        "truncated": 0,
    }


def test_every_seed_has_a_world_of_its_own() -> None:
    config = freeze(TrainRun, composed(*CHOSEN)).env
    means = build.build_worlds(config, 7, 3)["mean"]
    assert means.dtype == np.float32
    streams = [np.random.default_rng([7, i, WORLD_STREAM]) for i in range(3)]
    np.testing.assert_array_equal(
        means, np.stack([rng.uniform(size=5).astype(np.float32) for rng in streams])
    )


def built_agent(*overrides: str) -> tuple[Agent, Any, Any]:
    config = freeze(
        TrainRun, composed("env=bandit", "network=mlp", "network.hidden=[4]", *overrides)
    )
    agent = build.build_learner(config, build.build_env(config.env, 2), ()).agent
    hypers = jax.tree.map(lambda x: x[0], build.build_hypers(config, [{}]))
    return agent, agent.init(jax.random.key(0)), hypers


def test_their_agent_gets_its_own_keys() -> None:
    """Weights of 0 leave a step nothing but the decay."""
    agent, state, hypers = built_agent("agent=plain_q", "agent.decay=0.25")
    t = Transition(
        jnp.ones((2, 1)), jnp.array([0, 3]), jnp.zeros(2), jnp.zeros(2), jnp.ones((2, 1))
    )
    moved, _, metrics = jax.jit(agent.update)(
        state, Sample(t, *3 * [jnp.zeros(2)]), (), hypers, jax.random.key(1)
    )
    for new, old in zip(jax.tree.leaves(moved), jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(new, 0.75 * old, rtol=1e-6)
    assert set(metrics) == {"loss"}, "the loop counts errors that are not finite"


@pytest.mark.slow
def test_a_run_reaches_the_optimum_and_is_judged_again(tmp_path: Path) -> None:
    """Without noise the values are the arms' means, and the greedy policy earns the best arm's
    every time."""
    run = tmp_path / "run"
    summary = play(run)
    assert summary is not None
    config = freeze(TrainRun, composed(*CHOSEN, *SMALL))
    worlds = build.build_worlds(config.env, 0, 2)
    learned, random = (
        summary["policies"][name]["return"]["per_seed"] for name in ("learned", "random")
    )
    np.testing.assert_allclose(learned, worlds["mean"].max(axis=1), rtol=1e-6)
    assert np.all(np.less(random, learned))
    network = build.build_learner(config, build.build_env(config.env, 1), worlds).network
    q = jax.vmap(jax.vmap(lambda p: network.apply(p, jnp.ones((1, 1)), (), None).q[0]))(
        load_policy(run)[0]
    )
    # A fifth of a batch is each arm's, on average, and its bias alone takes 0.2 of its error away:
    # exp(-0.04 * 512) < 1e-8 is left, and the rounding of float32.
    np.testing.assert_allclose(q[:, 0], worlds["mean"], atol=1e-5)
    assert evaluate_run(config, run, None, True)["policies"] == summary["policies"]
    with pytest.raises(
        InputError, match=r"trained with another configuration: env\.arms=6 \(was 5\)"
    ):
        play(run, "resume=auto", "env.arms=6")


@pytest.mark.slow
def test_a_run_goes_on_exactly(tmp_path: Path) -> None:
    run, one = tmp_path / "run", tmp_path / "one"
    play(run, "train.env_steps=1024", "env.noise=1")
    longer, untouched = (
        play(x, "resume=auto", "train.env_steps=2048", "env.noise=1") for x in (run, one)
    )
    assert longer is not None
    assert untouched is not None
    assert longer["resumed"] == (1024,)
    assert longer["exact"] is True
    assert longer["policies"] == untouched["policies"]
    jax.tree.map(np.testing.assert_array_equal, load_policy(run)[0], load_policy(one)[0])


HEAD = (
    "from dataclasses import dataclass\nfrom lrdqn.config import "
    "EnvConfig\nfrom lrdqn.config.family import EnvFamily\n"
)
BROKEN = {
    "import no_such_module": (
        "env",
        "cannot be loaded (ModuleNotFoundError: No module named 'no_such_module')",
    ),
    "PLUGIN = ]": ("env", "cannot be loaded (SyntaxError: "),
    "OTHER = 1": ("agent", "cannot be loaded (AttributeError: "),
    "PLUGIN = 1": ("env", "is of type int; must be a lrdqn.config.family.EnvFamily"),
    "PLUGIN = None": ("agent", "is of type NoneType; must be a lrdqn.config.family.AgentFamily"),
    HEAD + "PLUGIN = EnvFamily(dict, print)": (
        "env",
        "has a schema that is no @dataclass derived from EnvConfig",
    ),
    HEAD + "class A(EnvConfig):\n    arms: int = 1\nPLUGIN = EnvFamily(A, print)": (
        "env",
        "has a schema that is no @dataclass derived from EnvConfig",
    ),
    HEAD + "@dataclass\nclass A(EnvConfig):\n    arms: iter = 1\nPLUGIN = EnvFamily(A, print)": (
        "env",
        "has a schema that cannot be composed (Unexpected type annotation: ",
    ),
}


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_a_broken_plugin_is_one_line_where_it_is_named_and_nothing_elsewhere(
    number: int, also: Path
) -> None:
    text, (part, reason) = list(BROKEN.items())[number]
    install(
        also,
        "odd-package",
        {families.GROUPS[part]: {"odd": f"odd_{number}:PLUGIN"}},
        **{f"odd_{number}": text},
    )
    register_schemas()
    check_jobs("train", TrainRun, [], NO_FILES)
    ways = [
        [f"{part}=odd"],
        [f"{part}=odd", "--cfg", "job"],
        ["-m", f"{part}=odd,odd"],
        [f"{part}.{families.NAMED_BY[part]}=odd"],
    ]
    for argv in ways if number == 0 else ways[:1]:
        with pytest.raises(InputError) as error:
            check_jobs("train", TrainRun, argv, NO_FILES)
        start = f"{part}=odd: odd-package 1.0 ({families.GROUPS[part]}: odd = odd_{number}:PLUGIN) "
        assert str(error.value).startswith(start + reason)
        assert "\n" not in str(error.value)


def test_a_world_seed_draws_every_world_alike(also: Path) -> None:
    schema = "@dataclass\nclass A(EnvConfig):\n    world_seed: int | None = None\n"
    text = (
        HEAD
        + schema
        + (
            "PLUGIN = EnvFamily(A, print, lambda config, rng: "
            "(rng.integers(2**31), rng.normal(size=3)))"
        )
    )
    install(also, "odd-package", {"lrdqn.envs": {"odd": "odd_seed:PLUGIN"}}, odd_seed=text)
    own, one = (
        freeze(TrainRun, composed("env=odd", f"env.world_seed={seed}")).env for seed in ("null", 3)
    )
    number, normal = build.build_worlds(own, 0, 4)
    assert (number.dtype, normal.dtype) == (np.int32, np.float32)
    assert len(set(number.tolist())) == 4
    number, normal = build.build_worlds(one, 0, 4)
    assert len(set(number.tolist())) == 1
    assert np.all(normal == normal[:1])


def test_what_a_plugin_makes_is_checked(also: Path) -> None:
    """The second environment has no worlds."""
    text = HEAD + (
        "@dataclass\nclass A(EnvConfig):\n    pass\nPLUGIN = EnvFamily(A, "
        "lambda config, sessions: (config, sessions))"
    )
    entries = {
        "lrdqn.envs": {"odd": "odd_made:PLUGIN"},
        "lrdqn.agents": {"odder": "builtins:print"},
    }
    install(also, "odd-package", entries, odd_made=text)
    config = freeze(TrainRun, composed("env=odd", "network=mlp", "agent=odder"))
    assert build.build_worlds(config.env, 0, 2) == ()
    with pytest.raises(
        InputError, match=r"^env=odd: the plugin made a tuple; must make a lrdqn\.types\.Env$"
    ):
        build.build_env(config.env, 3)
    bandit = build.build_env(freeze(TrainRun, composed("env=bandit", "network=mlp")).env, 1)
    with pytest.raises(
        InputError,
        match=r"^agent=odder: the plugin made a NoneType; must make a lrdqn\.types\.Agent$",
    ):
        build.build_learner(config, bandit, ())


@pytest.mark.parametrize(
    ("part", "name"),
    [("env", "live"), ("agent", "dqn"), ("agent", "rainbow"), ("agent", "q_learning")],
)
def test_a_name_of_lrdqns_own_is_refused(part: str, name: str, also: Path) -> None:
    install(also, "odd-package", {families.GROUPS[part]: {name: "odd_taken:PLUGIN"}})
    register_schemas()
    line = (
        rf"^{part}={name}: odd-package 1\.0 \({families.GROUPS[part]}: {name} "
        r"= odd_taken:PLUGIN\) takes a name of lrdqn's own"
    )
    with pytest.raises(InputError, match=line):
        check_jobs("train", TrainRun, [], NO_FILES)
    check_jobs("report", ReportRun, ["run=somewhere"], NO_FILES)


def test_a_name_of_two_packages_is_refused_where_it_is_chosen(also: Path) -> None:
    install(also, "odd-package", {"lrdqn.envs": {"bandit": "odd_two:PLUGIN"}})
    register_schemas()
    check_jobs("train", TrainRun, [], NO_FILES)
    with pytest.raises(
        InputError,
        match=(
            r"^env=bandit: comes from (their|odd)-package 1\.0 "
            r"\(.*\) and .*; uninstall all but one$"
        ),
    ):
        check_jobs("train", TrainRun, CHOSEN, NO_FILES)


def lrdqn(
    site: Path, cwd: Path, *arguments: str, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, which prints at its end which plugins, and whether
    jax, were imported."""
    program = (
        "import atexit, sys; from lrdqn.cli.main import main; sys.argv[0] = 'lrdqn'\n"
        "names = ('jax', 'their_env', 'their_agent')\n"
        "atexit.register(lambda: open('imported', 'w').write(' "
        "'.join(n for n in names if n in sys.modules)))\n"
        "main()"
    )
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, site, THEIRS))),
        "COLUMNS": "100",
    }
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_help_lists_them_without_importing_them(site: Path, tmp_path: Path) -> None:
    printed = lrdqn(site, tmp_path, "train", "--help").stdout
    assert (tmp_path / "imported").read_text() == ""
    rows = {
        line.split()[0]: line
        for line in printed.splitlines()
        if line.startswith("  ") and line.split()
    }
    assert "bandit, " in rows["env"]
    assert "plain_q, plainest_q, " in rows["agent"]
    assert "env.arms=10" not in rows


def test_help_of_a_choice_shows_its_own_keys(site: Path, tmp_path: Path) -> None:
    printed = lrdqn(site, tmp_path, "train", "env=bandit", "--help").stdout
    assert "env.arms=10 " in printed
    assert "arms; their mean rewards are uniform on [0, 1]" in printed
    assert (tmp_path / "imported").read_text() == "jax their_env"


@pytest.mark.slow
def test_the_commands_know_them(site: Path, tmp_path: Path) -> None:
    trained = lrdqn(site, tmp_path, "train", *CHOSEN, *SMALL, "hydra.run.dir=run").stdout
    judged = lrdqn(site, tmp_path, "evaluate", "run=run").stdout
    table = [line for line in trained.splitlines() if line.split()[:1] in (["learned"], ["random"])]
    assert len(table) >= 2
    assert all(line in judged for line in table)
    lrdqn(site, tmp_path, "train", "resume=run", "train.env_steps=5120")
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["resumed"] == [4096]
    assert "sessions" in lrdqn(site, tmp_path, "report", "run=run").stdout
    assert (tmp_path / "imported").read_text() == ""
    refused = lrdqn(site, tmp_path, "train", "env=bandit", code=2)
    assert refused.stderr == (
        "lrdqn: network=scorer: reads candidates or documents, "
        "and env=bandit shows vector; use network=mlp\n"
    )
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    gone = lrdqn(nothing, tmp_path, "evaluate", "run=run", code=2)
    assert gone.stderr.startswith("lrdqn: agent.name=plain_q: must be one of dqn, ")
