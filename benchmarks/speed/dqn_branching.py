"""Contestant: DQN by the algorithm and settings that PureJaxRL describes, written anew from that
description.

One loop over rounds of all environments. In it everything is decided from counters held in the
state: learning happens in a branch that is taken once replay has 10,000 transitions, and the target
moves in another. Numbers are drawn where they are used.

Options: ``seeds``, ``env_steps``, ``capacity``, ``devices``.

Source: Lu et al. 2022 (PureJaxRL), its DQN; settings of CleanRL's (Huang et al. 2022).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from worker import Run, serve

ENVS, START, TARGET_EVERY, LEARN_EVERY = 10, 10_000, 500, 10
EPSILON, EPSILON_END, EPSILON_STEPS = 1.0, 0.05, 250_000


def prepare(options: dict[str, Any]) -> Run:
    """Compile a run of all seeds."""
    import jax

    jax.config.update("jax_num_cpu_devices", options["devices"])
    import gymnax
    import jax.numpy as jnp
    import plain
    from jax.sharding import AxisType, NamedSharding, PartitionSpec

    env, env_params = gymnax.make("CartPole-v1")
    capacity, rounds = options["capacity"], options["env_steps"] // ENVS

    class State(NamedTuple):
        learner: plain.Learner
        data: plain.Batch
        position: jax.Array
        size: jax.Array
        env: Any
        obs: jax.Array
        steps: jax.Array
        key: jax.Array
        returns: jax.Array
        """Rewards of each session since its beginning, as PureJaxRL's LogWrapper keeps them."""

    def one(s: State, _: None) -> tuple[State, tuple[jax.Array, jax.Array]]:
        key, act_key, explore_key, env_key, sample_key = jax.random.split(s.key, 5)
        epsilon = jnp.clip(EPSILON + (EPSILON_END - EPSILON) * s.steps / EPSILON_STEPS, EPSILON_END)
        greedy = plain.q_values(s.learner.params, s.obs).argmax(-1)
        uniform = jax.random.randint(act_key, (ENVS,), 0, 2)
        action = jnp.where(jax.random.uniform(explore_key, (ENVS,)) < epsilon, uniform, greedy)
        obs, env_state, reward, terminated, truncated, info = jax.vmap(
            env.step, in_axes=(0, 0, 0, None)
        )(jax.random.split(env_key, ENVS), s.env, action, env_params)
        new = plain.Batch(
            s.obs,
            action,
            reward,
            (terminated | truncated).astype(jnp.float32),
            info["final_observation"],
        )
        slots = (s.position + jnp.arange(ENVS)) % capacity
        data = jax.tree.map(lambda x, y: x.at[slots].set(y), s.data, new)
        size, steps = jnp.minimum(s.size + ENVS, capacity), s.steps + ENVS

        def learn(learner: plain.Learner) -> plain.Learner:
            indices = jax.random.randint(sample_key, (plain.BATCH,), 0, size)
            return plain.update(learner, jax.tree.map(lambda x: x[indices], data))

        due = (size >= plain.BATCH) & (steps > START) & (steps % LEARN_EVERY == 0)
        learner = jax.lax.cond(due, learn, lambda x: x, s.learner)
        target = jax.lax.cond(
            steps % TARGET_EVERY == 0, lambda: learner.params, lambda: learner.target
        )
        done = terminated | truncated
        returns = s.returns + reward
        going = jnp.where(done, 0.0, returns)
        learner = learner._replace(target=target)
        after = State(learner, data, slots[-1] + 1, size, env_state, obs, steps, key, going)
        return after, (jnp.sum(jnp.where(done, returns, 0.0)), jnp.sum(done))

    def train(key: jax.Array) -> tuple[State, tuple[jax.Array, jax.Array]]:
        init_key, env_key, run_key = jax.random.split(key, 3)
        obs, env_state = jax.vmap(env.reset, in_axes=(0, None))(
            jax.random.split(env_key, ENVS), env_params
        )
        wide = jnp.zeros((capacity, 4))
        data = plain.Batch(
            wide, jnp.zeros(capacity, jnp.int32), jnp.zeros(capacity), jnp.zeros(capacity), wide
        )
        zero = jnp.int32(0)
        learner, none = plain.init(init_key), jnp.zeros(ENVS)
        start = State(learner, data, zero, zero, env_state, obs, zero, run_key, none)
        return jax.lax.scan(one, start, None, rounds)

    mesh = jax.make_mesh((options["devices"],), ("seed",), axis_types=(AxisType.Auto,))
    spread = NamedSharding(mesh, PartitionSpec("seed"))

    def make(seed: int) -> jax.Array:
        return jax.device_put(jax.random.split(jax.random.key(seed), options["seeds"]), spread)

    program = jax.jit(jax.vmap(train), out_shardings=spread).lower(make(0)).compile()

    def run(seed: int) -> dict[str, Any]:
        _, (finished, ended) = jax.block_until_ready(program(make(seed)))
        last = rounds // 20
        returns = finished[:, -last:].sum(1) / ended[:, -last:].sum(1)
        return {"returns": returns.tolist()}

    return run


if __name__ == "__main__":
    serve(prepare)
