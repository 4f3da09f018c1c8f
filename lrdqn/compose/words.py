"""Words of a command line: ``KEY=VALUE`` as Hydra reads it and as a shell does."""

from __future__ import annotations

import re
import shlex
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from lrdqn.config import InputError


def parsed(word: str) -> Any:
    """Return what Hydra reads in ``KEY=VALUE``; ``None`` where it cannot read it."""
    try:
        return OverridesParser.create().parse_override(word)
    except (HydraException, ValueError):
        return None


def value_of(word: str) -> str:
    """Return the value of ``KEY=VALUE`` as text, without the quotes that Hydra takes off."""
    found = parsed(word)
    if found is None or found.is_sweep_override() or found.value() is None:
        return word.partition("=")[2]
    return str(found.value()).replace(r"\${", "${")


def word(key: str, value: Any) -> str:
    """Return ``KEY=VALUE`` that Hydra reads as this text: quoted where it must be, and without
    interpolations."""
    plain, text = f"{key}={value}", str(value).replace("${", r"\${")
    found = parsed(plain)
    if (
        text == str(value)
        and found is not None
        and not found.is_sweep_override()
        and found.value() == text
    ):
        return plain
    escaped = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), text)
    return f"{key}='{escaped}'"


def command(*words: str) -> str:
    """Return words as one line for a shell, each quoted where it must be."""
    return shlex.join(words)


def refuse_unreadable(words: list[str]) -> None:
    """Raise ``InputError`` for the first word that Hydra cannot read, with the form that works.

    Raises:
        InputError: as said.
    """
    for each in words:
        if parsed(each) is not None:
            continue
        key, equals, value = each.partition("=")
        better = word(key, value)
        if equals and value and parsed(better) is not None:
            raise InputError(f"{each}: cannot be read; write {command(better)}")
        raise InputError(
            f"{each}: cannot be read; arguments are "
            "KEY=VALUE (quote values with spaces or brackets)"
        )
