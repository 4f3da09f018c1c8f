"""Cost of a run before and while it runs: planned memory, compilations, metrics; and worlds that
are refused in time."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import jax
import pytest
from envs.worlds import live_config
from runner.runs import config, play

import lrdqn
from lrdqn import build
from lrdqn.compose.roots import TrainRun
from lrdqn.config import InputError
from lrdqn.envs.live.config import LiveConfig
from lrdqn.runner.compile import over_learners
from lrdqn.runner.experiment import TRAIN_STREAM, Experiment
from lrdqn.train.memory import refuse_large_worlds, tree_bytes

CHUNK = (
    "env.streamers=60",
    "env.users=30",
    "env.log.impressions=100",
    "train.seeds=2",
    "train.env_steps=4096",
    "train.eval_period=2048",
)


def test_planned_bytes_are_the_bytes_of_the_state() -> None:
    """The plan is made from shapes; the arrays that the run then holds have these bytes (but for
    keys, 8 bytes each)."""
    e = Experiment(config())
    state = e.compile().start(e.keys(TRAIN_STREAM), e.worlds, e.hypers)
    planned = {name: e.memory.parts[name] for name in ("replay", "tree", "networks", "sessions")}
    tree = tree_bytes(state.replay.tree)
    assert planned == {
        "replay": tree_bytes(state.replay) - tree,
        "tree": tree,
        "networks": tree_bytes(state.agent),
        "sessions": tree_bytes((state.env, state.obs)),
    }


@pytest.mark.slow
def test_the_default_replay_stays_below_256_megabytes() -> None:
    """Shapes of the default run, ten seeds and two learners each; nothing is compiled."""
    from hydra import compose, initialize_config_dir

    from lrdqn.compose.freeze import freeze
    from lrdqn.compose.overrides import CONF
    from lrdqn.compose.roots import register_schemas

    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plan = Experiment(freeze(TrainRun, compose("train"))).memory
    assert 150e6 < plan.parts["replay"] + plan.parts["tree"] < 256e6
    assert plan.parts["worlds"] > 1e6


def test_a_run_that_cannot_fit_is_refused_before_it_compiles() -> None:
    with pytest.raises(
        InputError, match=r"^replay\.capacity=500000: replay takes .* lower replay\.capacity first"
    ):
        Experiment(
            config(replay={"capacity": 500_000}, runtime={"memory_gib": 0.05})
        ).refuse_too_large()


@pytest.mark.slow
def test_worlds_that_cannot_fit_are_refused_before_they_are_drawn() -> None:
    """Also the estimate: an affine function of streamers and users, within a fifth of a world's
    real bytes."""

    def refuse(config: LiveConfig, seeds: int, free: int) -> None:
        refuse_large_worlds(config, build.world_bytes(config), seeds, free)

    began = time.perf_counter()
    for key in ("streamers", "users"):
        with pytest.raises(
            InputError, match=rf"^env\.{key}=2000000000: 3 worlds would take .* lower it"
        ):
            refuse(live_config(**{key: 2_000_000_000}), 3, 2**34)
    assert time.perf_counter() - began < 60
    real = live_config(streamers=20_500, users=1000)
    size = tree_bytes(build.build_worlds(real, 0, 1))
    refuse(real, 1, int(1.2 * size / 0.9))
    with pytest.raises(InputError, match=r"would take"):
        refuse(real, 1, int(0.8 * size / 0.9))


def test_nothing_compiles_after_the_first_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts the compiler's own events, small programs between chunks included."""
    from lrdqn.runner import run as module

    events: list[str] = []
    seen: list[int] = []
    save = module.save_checkpoint

    def counted(*args: Any) -> None:
        seen.append(len(events))
        save(*args)
        seen.append(len(events))

    monkeypatch.setattr(module, "save_checkpoint", counted)

    def listen(name: str, seconds: float, **_: Any) -> None:
        if "compile" in name or "trace" in name:
            events.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        play(tmp_path / "run")
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert seen[0] > 0, "the listener must have heard the programs compile"
    assert len(set(seen)) == 1, seen


def test_metrics_of_a_chunk_do_not_grow_with_the_run() -> None:
    def metric_bytes(**train: int) -> int:
        e = Experiment(config(train=train))
        chunk = jax.vmap(
            jax.vmap(e.trainer.chunk, in_axes=(0, None, 0, None)), in_axes=(0, 0, None, None)
        )
        _, metrics = jax.eval_shape(
            chunk, e.shapes.state, e.shapes.worlds, e.shapes.hypers, e.shapes.clock
        )
        return tree_bytes(metrics)

    assert metric_bytes(env_steps=1024, eval_period=256) == metric_bytes(
        env_steps=1 << 40, eval_period=1 << 30
    )


@pytest.mark.slow
def test_devices_wait_for_each_other_at_one_place_only() -> None:
    """A chunk on two devices has one collective, the condition of the loop that begins sessions
    anew. A second one might be met in another order on the other device, and both would wait for
    ever."""
    e = Experiment(lrdqn.make_config(*CHUNK))
    assert e.sharding.num_devices == 2
    s, chunk = e.shapes, over_learners(e.trainer)[1]
    program = jax.jit(chunk, out_shardings=e.sharding).lower(s.state, s.worlds, s.hypers, s.clock)
    text = program.compile().as_text()
    found = [
        line for line in text.splitlines() if re.search(r"= .*(all|collective)-[a-z]+\(", line)
    ]
    assert len(found) <= 1, found
