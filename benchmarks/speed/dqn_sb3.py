"""Contestant: stable-baselines3's DQN (PyTorch) on CartPole with the race's settings.

Options: ``env_steps``, ``capacity``. Runs in the environment ``sb3`` that ``peers.py`` builds.
"""

from __future__ import annotations

from typing import Any

from worker import Run, serve


def prepare(options: dict[str, Any]) -> Run:
    """Import; a run builds ten environments and learns from a fresh seed."""
    from stable_baselines3 import DQN
    from stable_baselines3.common.env_util import make_vec_env

    def run(seed: int) -> dict[str, Any]:
        envs = make_vec_env("CartPole-v1", n_envs=10, seed=seed)
        agent = DQN(
            "MlpPolicy",
            envs,
            learning_rate=2.5e-4,
            buffer_size=options["capacity"],
            learning_starts=10_000,
            batch_size=128,
            gamma=0.99,
            train_freq=1,
            gradient_steps=1,
            target_update_interval=500,
            exploration_fraction=0.5,
            exploration_final_eps=0.05,
            max_grad_norm=1e9,
            policy_kwargs={"net_arch": [120, 84]},
            seed=seed,
            device="cpu",
        )
        agent.learn(options["env_steps"])
        return {}

    return run


if __name__ == "__main__":
    serve(prepare)
