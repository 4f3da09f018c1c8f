"""Contestant: as many bare updates as a run makes, on batches that lie ready. Without environment
and replay it is the ceiling of a run.

Options: ``seeds``, ``updates``, ``devices``.
"""

from __future__ import annotations

from typing import Any

from worker import Run, serve

BATCHES = 64


def prepare(options: dict[str, Any]) -> Run:
    """Compile a scan over updates, vmapped over seeds."""
    import jax

    jax.config.update("jax_num_cpu_devices", options["devices"])
    import jax.numpy as jnp
    import plain
    from jax.sharding import AxisType, NamedSharding, PartitionSpec

    mesh = jax.make_mesh((options["devices"],), ("seed",), axis_types=(AxisType.Auto,))
    spread = NamedSharding(mesh, PartitionSpec("seed"))

    def train(key: jax.Array) -> plain.Learner:
        keys = jax.random.split(key, 4)
        shape = (BATCHES, plain.BATCH)
        action, fixed = jax.random.randint(keys[1], shape, 0, 2), jnp.ones(shape)
        wide = [jax.random.normal(k, (*shape, plain.WIDTHS[0])) for k in (keys[0], keys[2])]
        batches = plain.Batch(wide[0], action, fixed, 0 * fixed, wide[1])

        def one(state: plain.Learner, i: jax.Array) -> tuple[plain.Learner, None]:
            # Another batch each time: of a fixed one the compiler would compute the target once,
            # outside the loop.
            return plain.update(state, jax.tree.map(lambda x: x[i % BATCHES], batches)), None

        return jax.lax.scan(one, plain.init(keys[3]), jnp.arange(options["updates"]))[0]

    def make(seed: int) -> jax.Array:
        return jax.device_put(jax.random.split(jax.random.key(seed), options["seeds"]), spread)

    program = jax.jit(jax.vmap(train), out_shardings=spread).lower(make(0)).compile()

    def run(seed: int) -> dict[str, Any]:
        jax.block_until_ready(program(make(seed)))
        return {}

    return run


if __name__ == "__main__":
    serve(prepare)
