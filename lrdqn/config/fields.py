"""Field constructors that carry their own range, and the errors for bad input.

Nothing in this package imports jax: a typo must be answered before anything heavy is loaded.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import Any


class InputError(Exception):
    """Bad input of any kind (a key, a file, a row). The message is one line; the command line
    prints it and exits with code 2."""


class ConfigError(InputError):
    """Bad key or value. The message names the key, the value and what is allowed."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key}={value}: {allowed}")


def real(
    default: float | None, low: float, high: float, doc: str, *, open_low: bool = False
) -> Any:
    """A float in ``[low, high]`` (``(low, high]`` where ``open_low``)."""
    return field(
        default=default, metadata={"low": low, "high": high, "open_low": open_low, "doc": doc}
    )


def whole(default: int | None, low: int, doc: str, high: float = math.inf) -> Any:
    """An integer in ``[low, high]``."""
    return field(
        default=default, metadata={"low": low, "high": high, "open_low": False, "doc": doc}
    )


def choice(default: str, allowed: tuple[str, ...], doc: str) -> Any:
    """One of ``allowed``."""
    return field(default=default, metadata={"allowed": allowed, "doc": doc})


def said(default: Any, doc: str) -> Any:
    """A value with nothing to check but its type."""
    return field(default=default, metadata={"doc": doc})
