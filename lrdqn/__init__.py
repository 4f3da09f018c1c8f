"""Live-streaming recommendation by deep reinforcement learning, in JAX.

The functions below are the Python front door; each is documented in ``lrdqn.api``. Importing
``lrdqn`` imports no jax: they are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrdqn.api import (
        Evaluation,
        SavedPolicy,
        evaluate,
        load_policy,
        make_config,
        make_env,
        make_policy,
        make_train,
        run,
        seeds,
    )
    from lrdqn.config.fields import InputError

__version__ = "0.1.0"

__all__ = [
    "Evaluation",
    "InputError",
    "SavedPolicy",
    "__version__",
    "evaluate",
    "load_policy",
    "make_config",
    "make_env",
    "make_policy",
    "make_train",
    "run",
    "seeds",
]


def __getattr__(name: str) -> Any:
    """Return a name of the front door, loaded now."""
    if name not in __all__:
        raise AttributeError(f"module 'lrdqn' has no attribute {name!r}")
    where = "lrdqn.config.fields" if name == "InputError" else "lrdqn.api"
    return getattr(importlib.import_module(where), name)


def __dir__() -> list[str]:
    """Return the names of the front door."""
    return __all__
