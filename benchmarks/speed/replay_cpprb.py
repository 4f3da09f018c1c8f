"""cpprb's replay in the replay race: a C++ tree that is called from a loop in Python, as it is
meant to be used."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cpprb
import numpy as np
from replay_items import ALPHA, BETA, OBS, SMALLEST, errors, items
from worker import serve


def prepare(options: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    """Fill a buffer; return the loop over it."""
    capacity, batch, length = options["capacity"], options["batch"], options["iterations"]
    fields = {
        "obs": {"shape": OBS},
        "next_obs": {"shape": OBS},
        "action": {"dtype": np.int32},
        "reward": {},
        "discount": {},
    }
    buffer = cpprb.PrioritizedReplayBuffer(capacity, fields, alpha=ALPHA, eps=SMALLEST)
    block = items(1024, seed=0)
    for start in range(0, capacity, 1024):
        buffer.add(**{name: x[: capacity - start] for name, x in block.items()})
    buffer.update_priorities(np.arange(capacity), errors((capacity,), seed=1))
    seen = errors((length, batch), seed=3)

    def run(seed: int) -> dict[str, Any]:
        del seed  # its generator cannot be seeded
        began = time.perf_counter()
        for error in seen:
            buffer.update_priorities(buffer.sample(batch, BETA)["indexes"], error)
        return {"seconds": time.perf_counter() - began}

    return run


if __name__ == "__main__":
    serve(prepare)
