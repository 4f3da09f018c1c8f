"""The compiled loop: what it learns, and that seeds, devices and programs are what they claim to
be."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from runner.runs import trained

from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import TrainRun
from lrdqn.envs.probes.config import ProbeConfig
from lrdqn.envs.probes.env import optimum
from lrdqn.runner.compile import Programs
from lrdqn.runner.devices import seed_keys
from lrdqn.runner.experiment import TRAIN_STREAM, Experiment


def probe_run(
    probe: str = "action",
    replay: str = "uniform",
    target: str = "double",
    devices: int | None = None,
    **train: Any,
) -> Experiment:
    root = dataclasses.asdict(TrainRun(env=dataclasses.asdict(ProbeConfig(probe=probe))))
    root["network"] |= {"name": "mlp", "hidden": [16]}
    root["replay"] |= {"name": replay, "capacity": 512, "batch_size": 32}
    root["agent"] |= {
        "target": target,
        "target_period": 64,
        "learning_rate": 3e-3,
        "epsilon_steps": 1000,
        "reward_scale": 1.0,
    }
    root["train"] |= {
        "seeds": 2,
        "sessions": 8,
        "env_steps": 8192,
        "warmup_steps": 64,
        "update_period": 8,
    } | train
    root["runtime"] |= {"devices": devices}
    root["evaluate"] |= {"sessions": 8, "cohorts": 1}
    return Experiment(freeze(TrainRun, root))


PAIRS = [
    ("value", "uniform", "max"),
    ("observation", "prioritized", "double"),
    ("discount", "uniform", "double"),
    ("action", "prioritized", "max"),
    ("observation_action", "uniform", "double"),
    ("truncation", "prioritized", "max"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("probe", "replay", "target"), PAIRS)
def test_probes_are_learnt_to_their_closed_form(probe: str, replay: str, target: str) -> None:
    """Each probe can only be failed for one reason; values, not returns, are judged, for both
    learners of every seed."""
    e = probe_run(probe, replay, target, env_steps=24_576)
    params = e.agent.policy_params(trained(e).agent)
    for g, gamma in enumerate(learner.point["agent.gamma"] for learner in e.learners):
        for number, want in optimum(probe, gamma).items():
            obs = jnp.array([[number, 1.0]])
            for seed in range(2):
                own = jax.tree.map(lambda x, seed=seed, g=g: x[seed, g], params)
                q = e.network.apply(own, obs, (), None).q[0]
                np.testing.assert_allclose(
                    q,
                    want,
                    atol=0.05 + 0.05 * abs(max(want)),
                    err_msg=f"gamma {gamma}, sees {number}",
                )


def assert_close(a: Any, b: Any) -> None:
    """Equal to float32 rounding, a few hundred updates long."""
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-4, atol=1e-6)


def test_seeds_are_honest() -> None:
    """Different seeds differ; the same seed is bit-equal; seed i does not depend on how many run
    beside it.

    Three seeds do not divide over two devices and run on one, so beside two seeds on two devices
    they agree to rounding.
    """
    two, again, three = (
        trained(probe_run(seeds=n, env_steps=512, eval_period=512)) for n in (2, 2, 3)
    )
    chex.assert_trees_all_equal(two.agent, again.agent)
    assert_close(two.agent, jax.tree.map(lambda x: np.asarray(x)[:2], three.agent))
    weights = np.asarray(two.agent.params["torso"]["layers"]["0"]["kernel"])
    assert (weights[0] != weights[1]).any()
    assert not np.array_equal(jax.random.key_data(two.key)[0], jax.random.key_data(two.key)[1])
    keys = jax.random.key_data(seed_keys(0, 3, 0))
    assert len({tuple(k) for k in np.asarray(keys)}) == 3


@pytest.mark.slow
def test_seeds_spread_over_two_devices_give_what_one_device_gives() -> None:
    assert jax.device_count() == 2
    spread = probe_run(seeds=4, env_steps=512, eval_period=512)
    assert spread.sharding.num_devices == 2
    state = trained(spread)
    assert len(state.agent.params["head"]["stream"]["out"]["kernel"].sharding.device_set) == 2
    alone = probe_run(seeds=4, env_steps=512, eval_period=512, devices=1)
    assert alone.sharding.num_devices == 1
    assert_close(state.agent, trained(alone).agent)


@cache
def in_chunks() -> tuple[Experiment, Programs]:
    """A run of four chunks, compiled for the tests that play it."""
    e = probe_run(env_steps=512, eval_period=128)
    return e, e.compile()


def test_the_loop_never_talks_to_the_host_and_its_state_is_donated() -> None:
    e, programs = in_chunks()
    state = programs.start(e.keys(TRAIN_STREAM), e.worlds, e.hypers)
    clocks = [e.clock(i) for i in range(4)]
    with jax.transfer_guard("disallow"):
        for clock in clocks:
            before = state
            state, _ = programs.chunk(state, e.worlds, e.hypers, clock)
    assert all(x.is_deleted() for x in jax.tree.leaves(before.replay)), (
        "replay must be donated, not copied"
    )


def test_one_chunk_of_all_steps_equals_chunks_of_some() -> None:
    whole = trained(probe_run(env_steps=1024, eval_period=1024))
    parts = trained(probe_run(env_steps=1024, eval_period=256))
    chex.assert_trees_all_equal(whole.agent, parts.agent)


def test_gamma_zero_never_bootstraps() -> None:
    """The myopic learner's transitions carry discount 0 exactly, so nothing beyond the reward can
    reach it."""
    e = probe_run("truncation", env_steps=512, eval_period=512)
    discount = np.asarray(trained(e).replay.data.discount)
    assert (discount[:, 1] == 0).all()
    np.testing.assert_allclose(discount[:, 0], e.config.agent.gamma, rtol=1e-6)


def test_random_numbers_are_not_used_twice() -> None:
    """Each chunk begins with a key that no other began with, for every learner."""
    e, programs = in_chunks()
    state, keys = programs.start(e.keys(TRAIN_STREAM), e.worlds, e.hypers), []
    for i in range(4):
        keys.append(np.asarray(jax.random.key_data(state.key)).reshape(-1, 2))
        state, _ = programs.chunk(state, e.worlds, e.hypers, e.clock(i))
    for learner in range(keys[0].shape[0]):
        assert len({tuple(k[learner]) for k in keys}) == 4


def test_the_training_return_is_the_mean_of_finished_sessions() -> None:
    """Sessions of ten steps that pay 1 each return 10, wherever chunks cut them; where none
    finishes, there is no return."""
    e = probe_run("truncation", env_steps=512, eval_period=64, warmup_steps=64)
    programs = e.compile()
    state = programs.start(e.keys(TRAIN_STREAM), e.worlds, e.hypers)
    found, ended = [], []
    for chunk in range(8):
        state, metrics = programs.chunk(state, e.worlds, e.hypers, e.clock(chunk))
        found.append(np.asarray(metrics["train_return"]))
        ended.append(np.asarray(metrics["ended"]))
        assert "finished_return" not in metrics
    # eight sessions in step: warm-up has played 8 of the first ten rounds, each chunk plays 8
    np.testing.assert_array_equal(np.stack(ended)[:, 0, 0], [8, 8, 8, 8, 0, 8, 8, 8])
    want = np.where(np.stack(ended) > 0, 10.0, np.nan)
    np.testing.assert_array_equal(np.stack(found), want)
