"""lrdqn's reference slate benchmark in the race against RecSim's own code."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
from worker import serve

from lrdqn import build
from lrdqn.compose.freeze import freeze_env
from lrdqn.envs.recsim.config import RecsimConfig
from lrdqn.train.loop import random_action


def config_of(options: dict[str, Any]) -> Any:
    """Return the config of the options that are keys of ``env``; ``sensitivity`` is one of
    long-term satisfaction."""
    own = {f.name for f in dataclasses.fields(RecsimConfig)}
    values = dataclasses.asdict(RecsimConfig()) | {k: v for k, v in options.items() if k in own}
    if "sensitivity" in options:
        values["satisfaction"]["sensitivity"] = options["sensitivity"]
    return freeze_env(values)


def prepare(options: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    """Compile random slates for ``sessions`` users, ``length`` steps of each in a program that is
    called ``calls`` times."""
    sessions, length, calls = options["sessions"], options["length"], options["calls"]
    env = build.build_env(config_of(options), sessions)

    def one(carry: Any, key: jax.Array) -> tuple[Any, None]:
        state, obs, total = carry
        act_key, step_key = jax.random.split(key)
        state, t = env.step(step_key, state, random_action(env, obs, act_key), ())
        return (state, t.obs, total + t.reward.sum()), None

    def program(carry: Any, keys: jax.Array) -> Any:
        return jax.lax.scan(one, carry, keys)[0]

    carry = (*jax.jit(env.reset)(jax.random.key(0), ()), jax.numpy.zeros(()))
    compiled = (
        jax.jit(program, donate_argnums=0)
        .lower(carry, jax.random.split(jax.random.key(0), length))
        .compile()
    )
    held = {"carry": compiled(carry, jax.random.split(jax.random.key(1), length))}

    def run(seed: int) -> dict[str, Any]:
        keys = jax.block_until_ready(jax.random.split(jax.random.key(seed), (calls, length)))
        each = [keys[i] for i in range(calls)]
        jax.block_until_ready(held["carry"])
        began = time.perf_counter()
        for k in each:
            held["carry"] = compiled(held["carry"], k)
        jax.block_until_ready(held["carry"])
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "step_seconds": seconds / (calls * length * sessions)}

    return run


if __name__ == "__main__":
    serve(prepare)
