"""Hyper-parameters of which a study sets a few."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from lrdqn.types import Hypers


def make(**given: Any) -> Hypers:
    """``Hypers`` with ``given``; the rest is NaN, so that nothing else is read unnoticed."""
    rest: dict[str, Any] = dict.fromkeys(Hypers._fields, jnp.float32(np.nan))
    return Hypers(
        **(rest | {name: jnp.asarray(value, jnp.float32) for name, value in given.items()})
    )
