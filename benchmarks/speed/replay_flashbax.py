"""flashbax's item buffers in the replay race, the prioritised one with either of its two ways to
write priorities."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flashbax.buffers import prioritised_trajectory_buffer, sum_tree
from flashbax.buffers.item_buffer import make_item_buffer
from flashbax.buffers.prioritised_item_buffer import make_prioritised_item_buffer
from replay_items import ALPHA, SMALLEST
from replay_program import Buffer, prepare
from worker import serve

SETTERS = {"scan": sum_tree.set_batch_scan, "bincount": sum_tree.set_batch_bincount}


def make(options: dict[str, Any]) -> Buffer:
    """Return the buffer with the race's settings. flashbax leaves the weights, which lrdqn's
    samples have, to the learner."""
    capacity = options["capacity"]
    sizes = {
        "max_length": capacity,
        "min_length": 1,
        "sample_batch_size": options["batch"],
        "add_batches": True,
    }
    if options["kind"] == "uniform":
        buffer: Any = make_item_buffer(**sizes)
    else:
        # `device` chooses the setter, but names only devices that are there: on a CPU the other is
        # had by its table alone.
        prioritised_trajectory_buffer.SET_BATCH_FN["cpu"] = SETTERS[options["setter"]]
        buffer = make_prioritised_item_buffer(**sizes, priority_exponent=ALPHA, device="cpu")

    def sample(state: Any, key: jax.Array) -> tuple[Any, Any, Any]:
        drawn = buffer.sample(state, key)
        return getattr(drawn, "indices", None), getattr(drawn, "probabilities", None), drawn

    return Buffer(
        init=buffer.init,
        add=buffer.add,
        sample=sample,
        update=lambda state, indices, errors: buffer.set_priorities(
            state, indices, errors + SMALLEST
        ),
        root=lambda state: state.sum_tree_state.nodes[0],
        leaves=lambda state: sum_tree.get_batch(state.sum_tree_state, jnp.arange(capacity)),
    )


if __name__ == "__main__":
    serve(lambda options: prepare(make(options), options))
