"""Simulation of a tick world under each baseline, and the streamer metrics under each."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lrdqn import build
from lrdqn.envs.live.config import LiveConfig
from lrdqn.evaluation.streamers import streamer_report
from lrdqn.types import Env, Policy, PyTree, View

SUMMED = ("ticks", "decisions", "seconds")
CHUNK = 120
"""Ticks per call of the compiled program; longer sums are kept on the host."""


def play_ticks(
    config: LiveConfig, seed: int, sessions: int, ticks: int
) -> dict[str, dict[str, float]]:
    """Return, by baseline, session-ticks, decisions, hours watched and ``streamer_report`` after
    ``ticks`` ticks of one world.

    Args:
        config: with ``clock=tick``.
        seed: of the world and of everything drawn in it.
        sessions: concurrent sessions.
        ticks: length of the simulation, rounded up to whole chunks of ``CHUNK`` ticks.
    """
    world = jax.tree.map(lambda x: jnp.asarray(x[0]), build.build_worlds(config, seed, 1))
    env = build.build_env(config, sessions)
    return {
        name: play(env, policy, world, seed, -(-ticks // CHUNK))
        for name, policy in build.build_baselines(config, env).items()
    }


def play(env: Env, policy: Policy, world: PyTree, seed: int, chunks: int) -> dict[str, float]:
    """Return the metrics of one policy after ``chunks`` chunks of ``CHUNK`` ticks."""
    key = jax.random.key(seed)
    state, obs = jax.jit(env.reset)(jax.random.fold_in(key, 0), world)

    @jax.jit
    def chunk(carry: PyTree, key: jax.Array) -> tuple[PyTree, dict[str, jax.Array]]:
        catalogue = env.catalogue(world)

        def one(carry: PyTree, key: jax.Array) -> tuple[PyTree, dict[str, jax.Array]]:
            (state, obs, memory), (act_key, step_key) = carry, jax.random.split(key)
            action, memory = policy.act(memory, View(obs, catalogue), act_key)
            state, t = env.step(step_key, state, action, world)
            return (state, t.obs, policy.observe(memory, t)), {
                name: t.info[name].sum() for name in SUMMED
            }

        carry, sums = jax.lax.scan(one, carry, jax.random.split(key, CHUNK))
        return carry, jax.tree.map(jnp.sum, sums)

    carry: Any = (state, obs, policy.init(jax.random.fold_in(key, 1)))
    totals: dict[str, float] = dict.fromkeys(SUMMED, 0.0)
    for i in range(chunks):
        carry, sums = chunk(carry, jax.random.fold_in(key, 2 + i))
        totals = {name: totals[name] + float(sums[name]) for name in totals}
    found = {
        "ticks": totals["ticks"],
        "decisions": totals["decisions"],
        "watch_hours": totals["seconds"] / 3600,
    }
    return found | streamer_report(jax.device_get(carry[0]), world)
