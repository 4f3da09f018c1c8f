"""Rejax's DQN on the live world: ``lrdqn.interop.live_gymnax_env`` in the five-value form that
gymnax had before 1.0.

    PYTHONPATH=. PEER/bin/python benchmarks/interop/rejax_on_live.py [--seeds 3] [--steps 100000]

PEER is the environment that ``python benchmarks/speed/peers.py rejax`` builds. World and agent are
one compiled program; rejax takes no action mask: places off air show nothing.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp

jax.tree_map = (
    jax.tree_util.tree_map
)  # gymnax 0.0.9 calls what newer versions of jax no longer have

from rejax import DQN  # noqa: E402

from lrdqn.interop import live_gymnax_env  # noqa: E402

try:
    from judged import WORLD, report
except ImportError:
    from benchmarks.interop.judged import WORLD, report

SESSIONS, JUDGED = 16, 4096


def mean_return(env: Any, params: Any, seed: int, act: Any) -> float:
    """Return the mean return of a cohort of sessions, each to its first end; ``act(obs, mask, key)
    -> action``."""

    def one(key: jax.Array) -> jax.Array:
        reset_key, run_key = jax.random.split(key)
        obs, state = env.reset(reset_key, params)
        mask = state.candidates.mask[0]  # gymnax's reset tells nothing else

        def step(carry: Any) -> Any:
            obs, mask, state, key, total, _ = carry
            key, act_key, step_key = jax.random.split(key, 3)
            obs, state, reward, done, info = env.step(
                step_key, state, act(obs, mask, act_key), params
            )
            return obs, info["action_mask"], state, key, total + reward, done

        start = (obs, mask, state, run_key, jnp.float32(0), jnp.bool_(False))
        return jax.lax.while_loop(lambda carry: ~carry[-1], step, start)[4]

    keys = jax.random.split(jax.random.key(1000 + seed), JUDGED)
    return float(jax.jit(jax.vmap(one))(keys).mean())


def play(seed: int, steps: int) -> tuple[float, float]:
    """Train one agent."""
    env = live_gymnax_env(*WORLD, seed=seed, legacy=True)
    params = env.default_params
    algo = DQN.create(
        env=env,
        env_params=params,
        agent_kwargs={"activation": "relu"},
        total_timesteps=steps,
        eval_freq=steps,
        num_envs=SESSIONS,
        num_epochs=1,
        buffer_size=steps,
        fill_buffer=2048,
        batch_size=256,
        learning_rate=1e-3,
        max_grad_norm=10.0,
        gamma=0.3,
        target_update_freq=1024,
        eps_start=1.0,
        eps_end=0.05,
        exploration_fraction=0.6,
        skip_initial_evaluation=True,
    )
    state, _ = jax.jit(algo.train)(jax.random.PRNGKey(seed))
    trained = algo.make_act(state)
    random = mean_return(
        env,
        params,
        seed,
        lambda obs, mask, key: jax.random.categorical(key, jnp.where(mask, 0.0, -1e9)),
    )
    return random, mean_return(env, params, seed, lambda obs, mask, key: trained(obs, key))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100_000)
    asked = parser.parse_args()
    report(f"rejax {version('rejax')} DQN", asked.seeds, asked.steps, play)
