"""Random streams of worlds: seed i's numbers do not depend on how many seeds there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from lrdqn.config import EnvConfig
from lrdqn.types import PyTree

WORLD_STREAM = 0
"""Stream of a world that is drawn in one go; the live world names others beside it."""


def world_stream(config: EnvConfig, seed: int, index: int, stream: int) -> np.random.Generator:
    """Return the random numbers of seed ``index``'s world; the same for all seeds where the
    environment has a key ``world_seed`` and it is given."""
    world_seed = getattr(config, "world_seed", None)
    root = (seed, index) if world_seed is None else (world_seed,)
    return np.random.default_rng([*root, stream])


def stack_seeds(worlds: Sequence[PyTree]) -> PyTree:
    """Stack worlds of several seeds along a leading axis, in types that devices hold (NumPy draws
    float64)."""

    def stack(*leaves: Any) -> np.ndarray:
        whole = np.stack(leaves)
        return whole.astype(jax.dtypes.canonicalize_dtype(whole.dtype))

    return jax.tree.map(stack, *worlds)
