"""Gymnasium's environments as hosts: what is seen, how sessions end, seeds, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="needs the extra gym")
import gymnasium
from envs.walks import LIMIT, NAME, register

from lrdqn.build import build_env
from lrdqn.config import InputError
from lrdqn.envs.gymnasium.config import GymnasiumConfig
from lrdqn.types import Host


def host_of(count: int, **keys: Any) -> Host:
    opened = build_env(GymnasiumConfig(**keys), count).host
    assert opened is not None
    return opened(count)


def test_a_cut_is_no_end_and_its_last_sight_is_kept() -> None:
    register()
    host = host_of(2, name=NAME)
    np.testing.assert_array_equal(host.reset(np.array([1, 2])), np.eye(4, dtype=np.float32)[[0, 0]])
    for i in range(2 * LIMIT):
        t = host.step(np.array([0, 1]))
        cut = (i + 1) % LIMIT == 0
        np.testing.assert_array_equal(t.truncated, [cut, cut])
        assert not np.asarray(t.terminated).any()
        steps = i % LIMIT + 1
        np.testing.assert_array_equal(t.final_obs, np.eye(4)[[steps % 4, 0]])
        np.testing.assert_array_equal(t.obs, np.eye(4)[[0 if cut else steps % 4, 0]])
        np.testing.assert_array_equal(t.reward, [float(steps == 4), 0.0])
    host.close()


def test_box_observations_are_gymnasiums_own_and_failing_terminates() -> None:
    """CartPole, step by step beside a single environment of Gymnasium's that is reset by hand."""
    host, alone = host_of(3), gymnasium.make("CartPole-v1")
    obs = host.reset(np.array([7, 8, 9]))
    assert obs.dtype == np.float32
    np.testing.assert_array_equal(obs[1], alone.reset(seed=8)[0])
    ended = 0
    for _ in range(40):
        t = host.step(np.ones(3, np.int32))
        seen, reward, terminated, truncated, _ = alone.step(1)
        np.testing.assert_array_equal(t.final_obs[1], seen)
        assert (t.reward[1], t.terminated[1], t.truncated[1]) == (reward, terminated, truncated)
        if terminated:
            seen, _ = alone.reset()
            ended += 1
        np.testing.assert_array_equal(t.obs[1], seen)
    assert ended > 1
    np.testing.assert_array_equal(host.reset(np.array([7, 8, 9])), obs)
    assert (host.reset(np.array([9, 8, 7]))[0] != obs[0]).any()
    host.close()


def test_spec_and_horizon() -> None:
    spec = build_env(GymnasiumConfig(), 5).spec
    assert (spec.sessions, spec.actions, spec.observation, spec.obs_shape, spec.horizon) == (
        5,
        2,
        "vector",
        (4,),
        500,
    )
    assert build_env(GymnasiumConfig(horizon=3), 1).spec.horizon == 3
    host = host_of(1, horizon=3)
    host.reset(np.array([0]))
    assert [bool(host.step(np.array([0])).truncated[0]) for _ in range(4)] == [
        False,
        False,
        True,
        False,
    ]
    host.close()


@pytest.mark.slow
def test_processes_of_their_own_play_the_same() -> None:
    hosts = host_of(2), host_of(2, vectorization="async")
    for host in hosts:
        host.reset(np.array([3, 4]))
    for i in range(30):
        ours, theirs = (host.step(np.array([i % 2, 1])) for host in hosts)
        for a, b in zip(ours[:-1], theirs[:-1], strict=True):
            np.testing.assert_array_equal(a, b)
    for host in hosts:
        host.close()


REFUSED = [
    (
        {"name": "CartPol-v1"},
        r"^env\.name=CartPol-v1: gymnasium has no such environment; did you mean CartPole-v1\?",
    ),
    (
        {"name": "Pendulum-v1"},
        r"^env\.name=Pendulum-v1: takes Box actions; lrdqn chooses among numbered ones",
    ),
    (
        {"name": "Blackjack-v1"},
        r"^env\.name=Blackjack-v1: shows a Tuple; lrdqn reads Box and Discrete observations",
    ),
    (
        {"name": "antigravity:CartPole-v1"},
        r"^env\.name=antigravity:CartPole-v1: must be a name of Gymnasium's",
    ),
    ({"idle": 2}, r"^env\.idle=2: must be below 2, the number of actions of CartPole-v1"),
]


@pytest.mark.parametrize(("keys", "line"), REFUSED)
def test_what_cannot_be_played_is_refused_in_one_line(keys: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line) as refused:
        build_env(GymnasiumConfig(**keys), 1)
    assert "\n" not in str(refused.value)
