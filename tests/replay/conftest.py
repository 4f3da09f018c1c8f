"""Hyper-parameters, and small transitions identified by a number."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.types import Hypers, Transition


@pytest.fixture(scope="session")
def make_hypers() -> Callable[..., Hypers]:
    """Return ``make_hypers(alpha=..., beta=...)``; all other hyper-parameters are NaN, since the
    replay must not read them."""

    def make(alpha: object = 0.6, beta: object = 0.4) -> Hypers:
        rest = dict.fromkeys(Hypers._fields, jnp.float32(np.nan))
        return Hypers(
            **(
                rest
                | {"alpha": jnp.asarray(alpha, jnp.float32), "beta": jnp.asarray(beta, jnp.float32)}
            )
        )

    return make


@pytest.fixture(scope="session")
def plain() -> SimpleNamespace:
    """Return ``batch(numbers)``, transitions whose every field follows from their number, and
    ``example``, one without a batch axis."""

    def batch(numbers: np.ndarray) -> Transition:
        t = np.asarray(numbers, np.int32)
        obs = {
            "id": t.astype(np.int16),
            "watch": (t[:, None] * np.ones((1, 3))).astype(np.float16),
            "bits": t.astype(np.uint8),
        }
        after = {
            "id": -t.astype(np.int16),
            "watch": obs["watch"] + np.float16(1),
            "bits": obs["bits"],
        }
        return Transition(
            obs, t, t.astype(np.float32) / 2, t % 2 == 0, after, (t % 4).astype(np.int8)
        )

    example = Transition(*(_first(field) for field in batch(np.zeros(1))))
    return SimpleNamespace(batch=batch, example=example)


def _first(field: object) -> object:
    if field is None:
        return None
    return {name: x[0] for name, x in field.items()} if isinstance(field, dict) else field[0]
