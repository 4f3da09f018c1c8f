"""Train with several learning rates at once: a grid is one more axis of the same program.

    python benchmarks/examples/vmap_learning_rates.py [--small]

``lrdqn train grid.agent.learning_rate=[...]`` does the same with evaluation and a run folder.
"""

from __future__ import annotations

import argparse

import jax
import jax.numpy as jnp
import numpy as np

import lrdqn

SMALL = "train.sessions=16 train.env_steps=256 train.warmup_steps=64 train.update_period=16"
SMALL += " train.eval_period=64 agent.target_period=64 replay.capacity=256 replay.batch_size=16"
SMALL += " env.streamers=50 env.users=20"
RATES = (5e-4, 2e-3, 8e-3)
SHOWN = ("reward", "loss", "epsilon")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="sizes that take seconds")
    words = SMALL.split() if parser.parse_args().small else []
    config = lrdqn.make_config("train.seeds=2", *words)
    train = lrdqn.make_train(config)
    keys, worlds, hypers = lrdqn.seeds(config)  # leading axis [seeds]

    # Hyper-parameters are arguments, so a learning rate may be a traced value: the outer vmap runs
    # over rates and shares keys and worlds, the inner one runs over seeds.
    def train_with(rate: jax.Array) -> dict[str, jax.Array]:
        own = hypers._replace(learning_rate=jnp.full_like(hypers.learning_rate, rate))
        return jax.vmap(train)(keys, worlds, own)[1]

    metrics = jax.jit(jax.vmap(train_with))(jnp.asarray(RATES))  # [rates, seeds, periods]

    print("learning rate  " + "  ".join(f"{name:>10}" for name in SHOWN) + "  (last period)")
    for i, rate in enumerate(RATES):
        last = (float(np.mean(metrics[name][i, :, -1])) for name in SHOWN)
        print(f"{rate:<13g}  " + "  ".join(f"{value:10.4f}" for value in last))


if __name__ == "__main__":
    main()
