"""lrdqn's replay in the replay race."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from replay_items import ALPHA, BETA, SMALLEST
from replay_program import Buffer, prepare
from worker import serve

from lrdqn.config import ReplayConfig
from lrdqn.ops import sum_tree
from lrdqn.replay import make_prioritized, make_uniform
from lrdqn.types import Hypers, Transition


def make(options: dict[str, Any]) -> Buffer:
    """Return the replay with the race's settings."""
    capacity, kind = options["capacity"], options["kind"]
    config = ReplayConfig(
        name=kind, capacity=capacity, batch_size=options["batch"], epsilon=SMALLEST
    )
    replay = (make_prioritized if kind == "prioritized" else make_uniform)(config)
    unused = dict.fromkeys(Hypers._fields, jnp.float32(jnp.nan))
    hypers = Hypers(**(unused | {"alpha": jnp.float32(ALPHA), "beta": jnp.float32(BETA)}))

    def sample(state: Any, key: jax.Array) -> tuple[jax.Array, Any, Any]:
        drawn = replay.sample(state, key, hypers)
        return drawn.indices, drawn.probabilities, drawn

    return Buffer(
        init=lambda item: replay.init(Transition(**item)),
        add=lambda state, batch: replay.add(state, Transition(**batch), hypers),
        sample=sample,
        update=lambda state, indices, errors: replay.update_priorities(
            state, indices, errors, hypers
        ),
        root=lambda state: sum_tree.total(state.tree),
        leaves=lambda state: sum_tree.read(state.tree, jnp.arange(capacity)),
    )


if __name__ == "__main__":
    serve(lambda options: prepare(make(options), options))
