"""The gymnax adapter against gymnax itself stepped one session at a time, and against dynamics and
random returns of other implementations."""

from __future__ import annotations

from typing import Any

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.checker import check_env
from oracles.recorded import recorded

from lrdqn.config import ConfigError, InputError
from lrdqn.envs.gymnax.catalogue import CONTINUOUS, GAMES
from lrdqn.envs.gymnax.config import GymnaxConfig
from lrdqn.envs.gymnax.env import make_gymnax
from lrdqn.types import Env

DOWNLOADED = "MNISTBandit-bsuite"
CLOSE = {"rtol": 1e-5, "atol": 1e-6}  # XLA rounds differently in a batch
PLAYED = [name for name in GAMES if name != DOWNLOADED]
FAST = {
    "CartPole-v1",
    "Catch-bsuite",
    "DeepSea-bsuite",
    "Breakout-MinAtar",
    "BernoulliBandit-misc",
    "FrozenLake-misc",
}


def marked(names: list[str]) -> list[Any]:
    """Return the names with all but one of each kind marked slow: each compiles for seconds."""
    return [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in names]


def test_the_table_of_games_is_that_of_the_installed_package() -> None:
    assert {*GAMES, *CONTINUOUS} == set(gymnax.registered_envs)
    for name in {*GAMES, *CONTINUOUS} - {DOWNLOADED}:
        made, params = gymnax.make(name)
        assert hasattr(made.action_space(params), "n") == (name in GAMES)


def ends(name: str) -> GymnaxConfig:
    """Return a config with a horizon that random play reaches, for environments that seldom
    terminate."""
    return GymnaxConfig(name=name, horizon=12 if "-v" in name or "misc" in name else None)


@pytest.mark.parametrize("name", marked(PLAYED))
def test_every_game_keeps_the_contract(name: str) -> None:
    env = make_gymnax(ends(name), 8)
    seen = check_env(env, (), steps=30)
    assert env.spec.observation == GAMES[name].shows
    if env.spec.horizon <= 30:
        assert seen["terminated"] + seen["truncated"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["CartPole-v1", "Catch-bsuite", "Breakout-MinAtar", "FrozenLake-misc"]
)
def test_it_plays_as_gymnax_does_one_session_at_a_time(name: str) -> None:
    """The same keys in plain Python: every step, the last observation of a session, and the fresh
    start after it."""
    n, horizon = 3, 14
    env = make_gymnax(GymnaxConfig(name=name, horizon=horizon), n)
    made, params = gymnax.make(name)
    params = params.replace(max_steps_in_episode=horizon)
    play, fresh = jax.jit(made.step_env), jax.jit(made.reset_env)

    def shown(obs: Any) -> np.ndarray:
        flat = (
            np.eye(env.spec.obs_size)[int(obs)]
            if env.spec.observation == "one_hot"
            else np.asarray(obs)
        )
        return flat.reshape(env.spec.obs_shape)

    state, obs = env.reset(jax.random.key(0), ())
    theirs = [fresh(key, params) for key in jax.random.split(jax.random.key(0), n)]
    ended = {"terminated": 0, "truncated": 0}
    step = jax.jit(env.step)
    for i in range(40):
        key = jax.random.key(100 + i)
        action = jax.random.randint(jax.random.key(1000 + i), (n,), 0, env.spec.actions)
        state, t = step(key, state, action, ())
        step_keys, reset_keys = jax.random.split(key, (2, n))
        for j in range(n):
            np.testing.assert_allclose(obs[j], shown(theirs[j][0]), **CLOSE)
            last, after, reward, terminated, _ = play(step_keys[j], theirs[j][1], action[j], params)
            truncated = int(after.time) >= horizon
            assert float(t.reward[j]) == pytest.approx(float(reward), rel=1e-6)
            assert (bool(t.terminated[j]), bool(t.truncated[j])) == (bool(terminated), truncated)
            np.testing.assert_allclose(t.final_obs[j], shown(last), **CLOSE)
            theirs[j] = fresh(reset_keys[j], params) if terminated or truncated else (last, after)
            ended["terminated"] += bool(terminated)
            ended["truncated"] += truncated
        obs = t.obs
    assert t.reward.dtype == jnp.float32
    assert ended["terminated"] > 0 or name == "CartPole-v1"
    assert ended["truncated"] > 0 or name != "CartPole-v1"


@pytest.mark.parametrize("store", ["uint8", "bool"])
@pytest.mark.parametrize("name", marked([n for n in PLAYED if GAMES[n].stores]))
def test_small_types_hold_every_observation_exactly(name: str, store: str) -> None:
    if store not in GAMES[name].stores:
        pytest.skip(f"not offered for {name}")
    plain, small = (make_gymnax(GymnaxConfig(name=name, store=s), 16) for s in ("float32", store))

    def both(carry: Any, key: jax.Array) -> tuple[Any, Any]:
        action = jax.random.randint(key, (16,), 0, plain.spec.actions)
        (a, t), (b, u) = (
            env.step(key, state, action, ())
            for env, state in zip((plain, small), carry, strict=True)
        )
        wrong = [
            jnp.sum(x != y.astype(jnp.float32))
            for x, y in ((t.obs, u.obs), (t.final_obs, u.final_obs))
        ]
        return (a, b), (sum(wrong), u.obs[:1, ...].astype(jnp.float32).sum())

    start = tuple(env.reset(jax.random.key(0), ())[0] for env in (plain, small))
    keys = jax.random.split(jax.random.key(1), 100)
    _, (wrong, _) = jax.jit(lambda s, k: jax.lax.scan(both, s, k))(start, keys)
    assert int(wrong.sum()) == 0
    assert small.reset(jax.random.key(0), ())[1].dtype == jnp.dtype(store)


def one_step(name: str, state: list[float], action: int) -> Any:
    """Return a step of the adapter from a given state."""
    env = make_gymnax(GymnaxConfig(name=name), 1)
    began, _ = env.reset(jax.random.key(0), ())
    fields = {
        "CartPole-v1": ("x", "x_dot", "theta", "theta_dot"),
        "MountainCar-v0": ("position", "velocity"),
        "Acrobot-v1": ("joint_angle1", "joint_angle2", "velocity_1", "velocity_2"),
    }[name]
    placed = began.replace(
        **{field: jnp.array([x], jnp.float32) for field, x in zip(fields, state, strict=True)}
    )
    return env.step(jax.random.key(1), placed, jnp.array([action]), ())[1]


@pytest.mark.parametrize("name", ["CartPole-v1", "Acrobot-v1", "MountainCar-v0"])
def test_one_step_dynamics_are_those_of_gymnasium(name: str) -> None:
    """Observations from another implementation in another language of arrays."""
    for case in recorded("environments")["gymnasium_one_step"][name]:
        t = one_step(name, case["state"], case["action"])
        np.testing.assert_allclose(t.final_obs[0], case["obs"], atol=1e-5)
        assert bool(t.terminated[0]) == case["terminated"]
        assert float(t.reward[0]) == pytest.approx(case["reward"])


def episodes(env: Env, steps: int) -> np.ndarray:
    """Return the return of the first whole episode of every session under random play; none is left
    out for its length."""

    def one(carry: Any, key: jax.Array) -> tuple[Any, None]:
        state, total, alive = carry
        act_key, step_key = jax.random.split(key)
        action = jax.random.randint(act_key, (env.spec.sessions,), 0, env.spec.actions)
        state, t = env.step(step_key, state, action, ())
        return (state, total + alive * t.reward, alive & ~(t.terminated | t.truncated)), None

    n = env.spec.sessions
    start = (env.reset(jax.random.key(7), ())[0], jnp.zeros(n), jnp.ones(n, bool))
    keys = jax.random.split(jax.random.key(8), steps)
    (_, total, alive), _ = jax.jit(lambda s, k: jax.lax.scan(one, s, k))(start, keys)
    assert not bool(alive.any()), "every episode must end"
    return np.asarray(total)


@pytest.mark.parametrize(
    ("name", "sessions", "steps", "mean", "error"),
    [
        ("CartPole-v1", 4000, 200, 22.18, 0.22),
        ("Acrobot-v1", 200, 500, -492.7, 4.7),
        ("MountainCar-v0", 100, 200, -200.0, 0.0),
        ("Catch-bsuite", 20_000, 9, -0.6, 0.0),
        ("Breakout-MinAtar", 4000, 150, 0.410, 0.003),
        pytest.param("SpaceInvaders-MinAtar", 1000, 400, 4.03, 0.033, marks=pytest.mark.slow),
        pytest.param("Asterix-MinAtar", 1000, 600, 0.497, 0.010, marks=pytest.mark.slow),
    ],
)
def test_random_play_returns_what_it_does_elsewhere(
    name: str, sessions: int, steps: int, mean: float, error: float
) -> None:
    """Means of other implementations, within three standard errors of the difference."""
    returns = episodes(make_gymnax(GymnaxConfig(name=name), sessions), steps)
    own = returns.std() / np.sqrt(sessions)
    assert abs(returns.mean() - mean) <= 3 * np.hypot(own, error) + 1e-4


@pytest.mark.parametrize("size", [2, 8, 10, 20])
def test_deep_sea_pays_99_hundredths_for_walking_right(size: int) -> None:
    """The optimum is 1 - 0.01; the right action differs from cell to cell, and walking left costs
    and pays nothing."""
    env = make_gymnax(GymnaxConfig(name="DeepSea-bsuite", size=size), 2)
    state, _ = env.reset(jax.random.key(0), ())
    total, step = jnp.zeros(2), jax.jit(env.step)
    assert len(np.unique(state.action_mapping)) == 2
    for row in range(size):
        right, left = state.action_mapping[0, row, row], 1 - state.action_mapping[1, row, 0]
        state, t = step(jax.random.key(row), state, jnp.array([right, left]), ())
        total += t.reward
        assert bool(t.terminated.all()) == (row == size - 1)
        np.testing.assert_allclose(t.final_obs.sum(1), float(row < size - 1))
    np.testing.assert_allclose(total, [0.99, 0.0], atol=1e-6)


def test_what_does_not_fit_is_refused_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for changes, line in {
        (
            "name",
            "cartpole-v1",
        ): r"env\.name=cartpole-v1: gymnax has no such environment; did you mean CartPole-v1\?",
        ("name", "Pendulum-v1"): r"env\.name=Pendulum-v1: its actions are continuous",
        ("size", 5): r"env\.size=5: env\.name=CartPole-v1 has no size",
        (
            "store",
            "bool",
        ): (
            r"env\.store=bool: does not hold observations of "
            r"env\.name=CartPole-v1 exactly; must be float32"
        ),
    }.items():
        with pytest.raises(ConfigError, match=line):
            make_gymnax(GymnaxConfig(**dict([changes])), 1)
    with pytest.raises(ConfigError, match=r"env\.store=bool: .*must be float32 or uint8"):
        make_gymnax(GymnaxConfig(name="FourRooms-misc", store="bool"), 1)

    def offline(*words: Any, **more: Any) -> None:
        raise OSError("no route")

    monkeypatch.setattr(gymnax, "make", offline)
    with pytest.raises(
        InputError, match=r"env\.name=MNISTBandit-bsuite: gymnax cannot get its data \(no route\)"
    ):
        make_gymnax(GymnaxConfig(name=DOWNLOADED), 1)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"env=gymnax: needs gymnax; pip install 'lrdqn\[games\]'"):
        make_gymnax(GymnaxConfig(), 1)
