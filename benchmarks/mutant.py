"""The record of a mutant: one replacement in one file, and the fast tests that must catch it."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A bug: ``old`` occurs once in ``file`` and is replaced by ``new``; at least one of ``tests``
    must then fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
