"""Stable-Baselines3's DQN on the live world: its own VecEnv class over
``lrdqn.interop.live_vector_env``.

    PYTHONPATH=. PEER/bin/python benchmarks/interop/sb3_on_live.py [--seeds 3] [--steps 100000]

PEER is the environment that ``python benchmarks/speed/peers.py sb3`` builds. SB3's DQN takes no
action mask: places off air show nothing. It minimises Huber's loss, which on raw watch rewards fits
the bounce and not the mean, so its rewards are divided by ten.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.vec_env import VecEnv

from lrdqn.interop import live_vector_env

try:
    from judged import WORLD, report
except ImportError:
    from benchmarks.interop.judged import WORLD, report

SESSIONS, JUDGED, SCALE = 16, 4096, 0.1


class LiveVecEnv(VecEnv):
    """The live world in Stable-Baselines3's shape: ``infos`` holds the last observation of a
    session and whether it was cut."""

    def __init__(self, seed: int, sessions: int) -> None:
        self.vector = live_vector_env(*WORLD, sessions=sessions, seed=seed, flat=True)
        super().__init__(
            sessions, self.vector.single_observation_space, self.vector.single_action_space
        )
        self.first: int | None = seed
        self.actions = np.zeros(sessions, int)

    def reset(self) -> np.ndarray:
        obs, _ = self.vector.reset(seed=self.first)
        self.first = None
        return obs

    def step_async(self, actions: np.ndarray) -> None:
        self.actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        obs, reward, terminated, truncated, info = self.vector.step(self.actions)
        done = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done):
            cut = bool(truncated[i] and not terminated[i])
            infos[i] = {"terminal_observation": info["final_obs"][i], "TimeLimit.truncated": cut}
        return obs, (SCALE * reward).astype(np.float32), done, infos

    def close(self) -> None:
        self.vector.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self.vector, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self.vector, attr_name, value)

    def env_method(
        self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
    ) -> list[Any]:
        return [getattr(self.vector, method_name)(*args, **kwargs)] * self.num_envs

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def mean_return(seed: int, act: Any) -> float:
    """Return the mean return of a cohort of sessions, each to its first end; ``act(obs, mask) ->
    actions``."""
    env = live_vector_env(*WORLD, sessions=JUDGED, seed=seed, flat=True)
    obs, info = env.reset(seed=1000 + seed)
    alive, total = np.ones(JUDGED, bool), np.zeros(JUDGED)
    while alive.any():
        obs, reward, terminated, truncated, info = env.step(act(obs, info["action_mask"]))
        total += alive * reward
        alive &= ~(terminated | truncated)
    return float(total.mean())


def play(seed: int, steps: int) -> tuple[float, float]:
    """Train one agent."""
    model = DQN(
        "MlpPolicy",
        LiveVecEnv(seed, SESSIONS),
        policy_kwargs={"net_arch": [64]},
        learning_rate=1e-3,
        gamma=0.3,
        buffer_size=steps,
        learning_starts=2048,
        batch_size=256,
        train_freq=1,
        gradient_steps=1,
        target_update_interval=1024,
        exploration_fraction=0.6,
        exploration_final_eps=0.05,
        seed=seed,
        device="cpu",
    )
    model.learn(steps)
    rng = np.random.default_rng(seed)
    random = mean_return(seed, lambda obs, mask: np.argmax(rng.random(mask.shape) * mask, axis=1))
    return random, mean_return(seed, lambda obs, mask: model.predict(obs, deterministic=True)[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100_000)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    report(f"stable-baselines3 {stable_baselines3.__version__} DQN", asked.seeds, asked.steps, play)
