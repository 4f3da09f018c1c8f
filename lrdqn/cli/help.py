"""``lrdqn COMMAND --help``: choices by name, and every key with its default and meaning."""

from __future__ import annotations

import dataclasses
import textwrap
import typing
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lrdqn.compose.freeze import schema_of

WIDTH, COLUMN = 118, 46


def help_text(command: str, schema: type, config: DictConfig, groups: dict[str, list[str]]) -> str:
    """Return the whole help text.

    Args:
        command: name of the sub-command.
        schema: its root dataclass, whose fields carry their descriptions.
        config: the composed defaults.
        groups: config group -> names that it offers.
    """
    lines = [f"usage: lrdqn {command} [KEY=VALUE ...]", ""]
    if groups:
        lines += ["choose by name (GROUP=NAME; `-m GROUP=NAME,NAME` runs all of them):"]
        lines += [f"  {name:<10} {', '.join(names)}" for name, names in groups.items()] + [""]
    lines += ["set by key (KEY=VALUE; the default stands here):"]
    for key, value, doc in keys_of(schema, OmegaConf.to_container(config), ""):
        head = f"  {key}={text_of(value)}"
        room = textwrap.wrap(doc, WIDTH - COLUMN) or [""]
        if len(head) >= COLUMN:
            lines.append(head)
            head = ""
        lines += [
            f"{head:<{COLUMN}}{room[0]}".rstrip(),
            *(" " * COLUMN + more for more in room[1:]),
        ]
    lines += [
        "",
        (
            f"`lrdqn {command} --cfg job` prints the composed "
            "config; `--hydra-help` Hydra's own flags."
        ),
        "",
    ]
    return "\n".join(lines)


def keys_of(schema: type, values: Any, prefix: str) -> Iterator[tuple[str, Any, str]]:
    """Yield every leaf: dotted key, default, description. A missing default (``???``) has to be
    given."""
    hints = typing.get_type_hints(schema)
    for spec in dataclasses.fields(schema):
        value = values.get(spec.name)
        child = schema_of(spec.name, hints[spec.name], value)
        if child:
            yield from keys_of(child, value, f"{prefix}{spec.name}.")
        else:
            yield f"{prefix}{spec.name}", value, words_of(spec.metadata)


def words_of(metadata: Any) -> str:
    """Return the description of a field, with its allowed values."""
    doc = metadata.get("doc", "")
    if "each" in metadata:
        doc = f"list of values: {metadata['each'].get('doc', '')}"
    if "allowed" in metadata and len(metadata["allowed"]) > 1:
        doc += f" ({', '.join(metadata['allowed'])})"
    return doc


def text_of(value: Any) -> str:
    """Return a default as it would be typed."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(text_of, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
