"""Contestant: rejax's DQN on CartPole with the race's settings; its evaluations come after the
clock has stopped.

Options: ``env_steps``, ``capacity``. Runs in the environment ``rejax`` that ``peers.py`` builds.
"""

from __future__ import annotations

import time
from typing import Any

from worker import Run, serve


def prepare(options: dict[str, Any]) -> Run:
    """Compile a run of one seed."""
    import jax

    jax.tree_map = jax.tree_util.tree_map  # type: ignore[attr-defined]  # gymnax 0.0.9 still calls it by its old name
    import flax.linen as nn
    import jax.numpy as jnp
    from rejax import DQN
    from rejax.evaluate import evaluate
    from rejax.networks import DiscreteQNetwork, EpsilonGreedyPolicy

    made = DQN.create(
        env="CartPole-v1",
        total_timesteps=options["env_steps"],
        eval_freq=options["env_steps"],
        num_envs=10,
        num_epochs=1,
        batch_size=128,
        buffer_size=options["capacity"],
        fill_buffer=10_000,
        learning_rate=2.5e-4,
        gamma=0.99,
        ddqn=False,
        target_update_freq=500,
        polyak=0.0,
        eps_start=1.0,
        eps_end=0.05,
        exploration_fraction=0.5,
        max_grad_norm=1e9,
    )
    network = EpsilonGreedyPolicy(DiscreteQNetwork)(
        hidden_layer_sizes=(120, 84), action_dim=2, activation=nn.relu
    )
    algorithm = made.replace(
        agent=network, eval_callback=lambda algorithm, state, key: jnp.zeros(())
    )
    train = jax.jit(algorithm.train).lower(jax.random.key(0)).compile()

    def judge(state: Any, key: jax.Array) -> jax.Array:
        return evaluate(
            algorithm.make_act(state), key, algorithm.env, algorithm.env_params, 128, 500
        )[1]

    judged = jax.jit(judge)

    def run(seed: int) -> dict[str, Any]:
        key = jax.random.key(seed)
        began = time.perf_counter()
        state, _ = jax.block_until_ready(train(key))
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "returns": [float(judged(state, key).mean())]}

    return run


if __name__ == "__main__":
    serve(prepare)
