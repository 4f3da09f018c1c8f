"""Gymnasium's environments: what is seen, how sessions end, seeds, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="needs the extra gym")
import gymnasium
import jax
import jax.numpy as jnp
from envs.walks import LIMIT, NAME, register

from lrdqn.build import build_env
from lrdqn.config import InputError
from lrdqn.envs.gymnasium.config import GymnasiumConfig


class Player:
    """Resets and steps an environment as a compiled program does, from given seeds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int, **keys: Any) -> None:
        self.env = build_env(GymnasiumConfig(**keys), count)
        self.patch = monkeypatch
        self.advance = jax.jit(lambda state, action: self.env.step(NO_KEY, state, action, ()))

    def reset(self, seeds: list[int]) -> np.ndarray:
        self.patch.setattr(jax.random, "bits", lambda key, shape: np.array(seeds, np.uint32))
        self.state, obs = self.env.reset(NO_KEY, ())
        return np.asarray(obs)

    def step(self, action: Any) -> Any:
        self.state, t = self.advance(self.state, jnp.asarray(action))
        return jax.tree.map(np.asarray, t)

    def close(self) -> None:
        assert self.env.outside is not None
        self.env.outside.check()
        self.env.outside.close()


NO_KEY: Any = None


def test_a_cut_is_no_end_and_its_last_sight_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    player = Player(monkeypatch, 2, name=NAME)
    np.testing.assert_array_equal(player.reset([1, 2]), np.eye(4, dtype=np.float32)[[0, 0]])
    for i in range(2 * LIMIT):
        t = player.step([0, 1])
        cut = (i + 1) % LIMIT == 0
        np.testing.assert_array_equal(t.truncated, [cut, cut])
        assert not np.asarray(t.terminated).any()
        steps = i % LIMIT + 1
        np.testing.assert_array_equal(t.final_obs, np.eye(4)[[steps % 4, 0]])
        np.testing.assert_array_equal(t.obs, np.eye(4)[[0 if cut else steps % 4, 0]])
        np.testing.assert_array_equal(t.reward, [float(steps == 4), 0.0])
    player.close()


def test_box_observations_are_gymnasiums_own_and_failing_terminates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CartPole, step by step beside a single environment of Gymnasium's that is reset by hand."""
    player, alone = Player(monkeypatch, 3), gymnasium.make("CartPole-v1")
    obs = player.reset([7, 8, 9])
    assert obs.dtype == np.float32
    np.testing.assert_array_equal(obs[1], alone.reset(seed=8)[0])
    ended = 0
    for _ in range(40):
        t = player.step(np.ones(3, np.int32))
        seen, reward, terminated, truncated, _ = alone.step(1)
        np.testing.assert_array_equal(t.final_obs[1], seen)
        assert (t.reward[1], t.terminated[1], t.truncated[1]) == (reward, terminated, truncated)
        if terminated:
            seen, _ = alone.reset()
            ended += 1
        np.testing.assert_array_equal(t.obs[1], seen)
    assert ended > 1
    np.testing.assert_array_equal(player.reset([7, 8, 9]), obs)
    assert (player.reset([9, 8, 7])[0] != obs[0]).any()
    player.close()


def test_spec_and_horizon(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = build_env(GymnasiumConfig(), 5).spec
    assert (spec.sessions, spec.actions, spec.observation, spec.obs_shape, spec.horizon) == (
        5,
        2,
        "vector",
        (4,),
        500,
    )
    assert build_env(GymnasiumConfig(horizon=3), 1).spec.horizon == 3
    player = Player(monkeypatch, 1, horizon=3)
    player.reset([0])
    assert [bool(player.step([0]).truncated[0]) for _ in range(4)] == [
        False,
        False,
        True,
        False,
    ]
    player.close()


class Broken(gymnasium.Env[np.int64, np.int64]):
    """Breaks in its third step."""

    observation_space = gymnasium.spaces.Discrete(2)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return np.int64(0), {}

    def step(self, action: np.int64) -> Any:
        self.steps += 1
        if self.steps == 3:
            raise ValueError("no such\nlane")
        return np.int64(0), 0.0, False, False, {}


def test_an_error_of_the_environment_ends_the_sessions_and_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "lrdqn-tests/Broken-v0" not in gymnasium.registry:
        gymnasium.register("lrdqn-tests/Broken-v0", entry_point=Broken)
    player = Player(monkeypatch, 2, name="lrdqn-tests/Broken-v0", horizon=9)
    player.reset([1, 2])
    ends = [player.step([0, 0]).terminated.tolist() for _ in range(4)]
    assert ends == [[False] * 2] * 2 + [[True] * 2] * 2
    with pytest.raises(
        InputError, match=r"^env\.name=lrdqn-tests/Broken-v0: ValueError: no such lane$"
    ):
        player.close()
    player.reset([1, 2])
    player.close()


def test_a_step_out_of_turn_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    player = Player(monkeypatch, 1, name=NAME)
    player.reset([1])
    first = player.state
    player.step([0])
    player.state = first
    player.step([0])
    with pytest.raises(InputError, match=r"step 0 was called for after step 1"):
        player.close()


@pytest.mark.slow
def test_processes_of_their_own_play_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    players = Player(monkeypatch, 2), Player(monkeypatch, 2, vectorization="async")
    for player in players:
        player.reset([3, 4])
    for i in range(30):
        ours, theirs = (player.step([i % 2, 1]) for player in players)
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    for player in players:
        player.close()


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
