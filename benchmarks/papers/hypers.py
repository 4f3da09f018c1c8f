"""Hyper-parameters for studies that set only a few of them."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from lrdqn.types import Hypers


def make(**given: Any) -> Hypers:
    """Return ``Hypers`` with ``given``; the rest is NaN, so that reading it does not go
    unnoticed."""
    rest: dict[str, Any] = dict.fromkeys(Hypers._fields, jnp.float32(np.nan))
    return Hypers(
        **(rest | {name: jnp.asarray(value, jnp.float32) for name, value in given.items()})
    )
