"""Field constructors that carry their own range, and the errors for bad input.

Like ``dataclasses.field``, the constructors are annotated with the type of the field's value.

Nothing in this package imports jax: a typo must be answered before anything heavy is loaded.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import TypeVar


class InputError(Exception):
    """Bad input of any kind (a key, a file, a row). The message is one line; the command line
    prints it and exits with code 2."""


class ConfigError(InputError):
    """Bad key or value. The message names the key, the value and what is allowed."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key}={value}: {allowed}")


MaybeFloat = TypeVar("MaybeFloat", float, None)
MaybeInt = TypeVar("MaybeInt", int, None)
T = TypeVar("T")


def float_field(
    default: MaybeFloat, low: float, high: float, doc: str, *, open_low: bool = False
) -> MaybeFloat:
    """Return a dataclass field of a float in ``[low, high]`` (``(low, high]`` if ``open_low``).

    Args:
        default: the field's default; ``None`` is not checked against the range.
        low: smallest value allowed.
        high: largest value allowed.
        doc: description, shown by ``lrdqn COMMAND --help``.
        open_low: whether ``low`` itself is excluded.
    """
    return field(
        default=default, metadata={"low": low, "high": high, "open_low": open_low, "doc": doc}
    )


def int_field(default: MaybeInt, low: int, doc: str, high: float = math.inf) -> MaybeInt:
    """Return a dataclass field of an integer in ``[low, high]``; see ``float_field``."""
    return field(
        default=default, metadata={"low": low, "high": high, "open_low": False, "doc": doc}
    )


def choice_field(default: str, allowed: tuple[str, ...], doc: str) -> str:
    """Return a dataclass field of one of the ``allowed`` texts; see ``float_field``."""
    return field(default=default, metadata={"allowed": allowed, "doc": doc})


def path_field(doc: str) -> str | None:
    """Return a dataclass field for a file or a folder, ``None`` by default. A frozen config holds
    the absolute path, so that a run folder can be used from anywhere."""
    return field(default=None, metadata={"doc": doc, "path": True})


def plain_field(default: T, doc: str) -> T:
    """Return a dataclass field that is checked for its type only; see ``float_field``."""
    return field(default=default, metadata={"doc": doc})
