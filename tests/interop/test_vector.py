"""The live world as Gymnasium's vector environment: spaces, seeds, ends, and agreement with
env=live."""

from __future__ import annotations

import jax
import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="needs the extra gym")
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from lrdqn import build
from lrdqn.config import ConfigError, InputError
from lrdqn.interop import flatten, live_vector_env
from lrdqn.interop.entry import live_config, live_params

SMALL = (
    "env.streamers=60",
    "env.users=30",
    "env.candidates=6",
    "env.familiar=1",
    "env.history=5",
    "env.horizon=12",
)
N = 8


@pytest.mark.parametrize("flat", [pytest.param(False, marks=pytest.mark.slow), True])
def test_what_comes_out_lies_in_the_spaces(flat: bool) -> None:
    env = live_vector_env(*SMALL, sessions=N, flat=flat)
    assert env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    assert env.single_action_space.n == 6
    obs, info = env.reset(seed=1)
    ended = {"terminated": 0, "truncated": 0}
    for i in range(30):
        assert env.observation_space.contains(obs)
        assert info["action_mask"].shape == (N, 6)
        assert info["action_mask"].any(1).all()
        obs, reward, terminated, truncated, info = env.step(np.full(N, i % 6))
        assert (reward.dtype, terminated.dtype, truncated.dtype) == (np.float64, bool, bool)
        assert reward.shape == terminated.shape == truncated.shape == (N,)
        done = terminated | truncated
        ended["terminated"] += int(terminated.sum())
        ended["truncated"] += int(truncated.sum())
        np.testing.assert_array_equal(info.get("_final_obs", np.zeros(N, bool)), done)
        for j in np.flatnonzero(done):
            assert env.single_observation_space.contains(info["final_obs"][j])
    assert min(ended.values()) > 0
    env.close()


@pytest.mark.slow
def test_it_is_the_world_of_env_live() -> None:
    """The same numbers as the environment that ``lrdqn train`` plays, from the same keys."""
    config = live_config(SMALL)
    world = live_params(config, 3)
    own = build.build_env(config, N)
    theirs, flat = (
        live_vector_env(*SMALL, sessions=N, seed=3),
        live_vector_env(*SMALL, sessions=N, seed=3, flat=True),
    )
    obs, _ = theirs.reset(seed=5)
    vectors, _ = flat.reset(seed=5)
    key, first = jax.random.split(jax.random.key(5))
    state, want = jax.jit(own.reset)(first, world)
    step = jax.jit(own.step)
    for i in range(15):
        for name, value in want._asdict().items():
            np.testing.assert_array_equal(obs[name], value, err_msg=name)
        np.testing.assert_allclose(
            vectors, flatten(want, own.catalogue(world)), rtol=1e-5, atol=1e-6
        )
        action = np.full(N, i % 6, np.int32)
        key, step_key = jax.random.split(key)
        state, t = step(step_key, state, action, world)
        want = t.obs
        obs, reward, terminated, truncated, info = theirs.step(action)
        vectors = flat.step(action)[0]
        np.testing.assert_allclose(reward, t.reward, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(terminated, t.terminated)
        np.testing.assert_array_equal(truncated, t.truncated)
        for j in np.flatnonzero(terminated | truncated):
            np.testing.assert_array_equal(
                info["final_obs"][j]["candidates"], t.final_obs.candidates[j]
            )


def test_seeds() -> None:
    env = live_vector_env(*SMALL, sessions=N, flat=True)

    def played(seed: int | None) -> np.ndarray:
        obs = [env.reset(seed=seed)[0]]
        return np.stack(obs + [env.step(np.zeros(N, int))[0] for _ in range(5)])

    first, again, other, more = played(1), played(1), played(2), played(None)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (more != other).any()
    worlds = [
        live_vector_env(*SMALL, sessions=N, seed=seed, flat=True).reset(seed=1)[0]
        for seed in (0, 1)
    ]
    assert (worlds[0] != worlds[1]).any()


def test_gymnasiums_own_wrapper_counts_its_episodes() -> None:
    env = RecordEpisodeStatistics(live_vector_env(*SMALL, sessions=N))
    env.reset(seed=0)
    lengths: list[int] = []
    for _ in range(30):
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        if (terminated | truncated).any():
            lengths += info["episode"]["l"][info["_episode"]].tolist()
    assert len(lengths) > 0
    assert max(lengths) <= 12


def test_a_place_where_nobody_is_on_air_shows_nothing() -> None:
    env = live_vector_env(*SMALL, "env.schedule.rooms_per_day=0.1", sessions=64)
    obs, info = env.reset(seed=0)
    empty = ~info["action_mask"]
    assert empty.any(1).sum() > 10, "few streamers are on air in this world"
    action = np.argmax(empty, axis=1)
    chosen = np.take_along_axis(empty, action[:, None], axis=1)[:, 0]
    _, reward, _, _, info = env.step(action)
    assert not info["clicked"][chosen].any()
    assert np.isfinite(reward).all()
    assert (np.asarray(obs["features"])[empty] == 0).all()


REFUSED = [
    ("env.streamer=200", r"^env\.streamer=200: unknown key; did you mean env\.streamers\?"),
    ("env.streamers=many", r"^env\.streamers=many: Value 'many'"),
    ("env.streamers=-1", r"^env\.streamers=-1: must be at least 1"),
    ("env.candidates=5000", r"^env\.candidates=5000: must not exceed the catalogue"),
    ("env.slate=2", r"^env\.slate=2: an action is one place; must be 1"),
    ("train.seeds=2", r"^train\.seeds=2: must be a key of the environment, env\.KEY=VALUE"),
    ("env.population=/no/such", r"/no/such: no such folder"),
]


@pytest.mark.parametrize(("override", "line"), REFUSED)
def test_bad_input_is_one_line(override: str, line: str) -> None:
    with pytest.raises((ConfigError, InputError), match=line) as refused:
        live_vector_env(override)
    assert "\n" not in str(refused.value)


def test_a_wrong_action_is_refused() -> None:
    env = live_vector_env(*SMALL, sessions=2)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions must be 2 places below 6"):
        env.step(np.array([0, 6]))
