"""Generator of ``conf/README.md``: ``python -m lrdqn.cli.reference > conf/README.md``.

The text about the commands is in ``reference_text.py``; the tables of choices come from the
comments of ``conf/*/*.yaml``, and the tables of keys from the schemas.
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from lrdqn.cli.help import text_of
from lrdqn.cli.reference_text import GROUPS, SECTIONS, TEXT
from lrdqn.compose import families
from lrdqn.compose.overrides import CONF
from lrdqn.compose.roots import ROOTS, CalibrateRun, ReportRun, TrainRun, TuneRun
from lrdqn.config import AgentConfig, EnvConfig

COMMAND = "python -m lrdqn.cli.reference > conf/README.md"
HEAD = "| key | default | allowed | meaning |\n|---|---|---|---|"
TYPES = {bool: "true, false", int: "integer", float: "number", str: "text"}
NAMED_BY = {"agent.": "name", "env.": "kind", "network.": "name", "replay.": "name"}
"""Keys that are set by choosing a name of the group."""

FACTS = ("Claim", "Command", "Hardware", "Minutes", "Expected")
"""Entries that an experiment's YAML states in its comment."""


def document() -> str:
    """Return the text of ``conf/README.md``."""
    parts = [with_tables(TEXT).strip(), "## Choices by name", GROUPS.strip()]
    parts += [group_section(name) for name in group_names()]
    parts += ["## Keys", SECTIONS["keys"].strip(), *train_keys()]
    for name in ("tune", "evaluate", "calibrate", "report"):
        parts += [f"### Keys of `lrdqn {name}`", SECTIONS[name].strip(), *command_keys(name)]
    return "\n\n".join(parts) + "\n"


def with_tables(text: str) -> str:
    """Return ``text`` with every block of commands as a table.

    A block is a run of lines `` `lrdqn ...` ``, each followed by indented lines that explain it.
    """

    def table(block: re.Match[str]) -> str:
        rows = re.findall(r"^(`.+`)\n((?:    .+\n)+)", block.group(0), re.MULTILINE)
        cells = [
            f"| {escaped(words)} | {escaped(' '.join(said.split()))} |" for words, said in rows
        ]
        return "\n".join(["| command | what it does |", "|---|---|", *cells, ""])

    return re.sub(r"(?:^`.+`\n(?:    .+\n)+)+", table, text, flags=re.MULTILINE)


def escaped(text: str) -> str:
    """Return ``text`` as it stands in a cell of a table."""
    return text.replace("|", "\\|")


def group_names() -> list[str]:
    """Return the config groups that the commands offer, in the order of ``lrdqn train``."""
    listed = re.findall(r"^  - (\w+): ", (CONF / "train.yaml").read_text(), re.MULTILINE)
    return [name for name in listed if name != "hydra" and (CONF / name).is_dir()]


def group_section(group: str) -> str:
    """Return the table of a group's names, each with the comment of its YAML."""
    paths = sorted((CONF / group).glob("*.yaml"))
    if group == "experiment":
        head = ["| name | task and published result | minutes | expected |", "|---|---|---|---|"]
        rows = [experiment_row(path) for path in paths]
    else:
        head = ["| name | |", "|---|---|"]
        rows = [f"| `{path.stem}` | {escaped(comment_of(path))} |" for path in paths]
    return "\n".join([f"### `{group}=`", "", *head, *rows])


def comment_lines(path: Path) -> list[str]:
    """Return the comment that opens a YAML file, without ``# @package``."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @")]
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return [line.lstrip("#").strip() for line in lines[:end]]


def comment_of(path: Path) -> str:
    """Return that comment as one line, without the command that chooses the file."""
    command = rf" lrdqn \w+ {path.parent.name}={path.stem}$"
    return re.sub(command, "", " ".join(comment_lines(path)))


def experiment_row(path: Path) -> str:
    """Return an experiment's row: what it is, its claim, its minutes, what it is expected to
    reach."""
    found: dict[str, str] = {}
    fact = "title"
    for line in comment_lines(path):
        name, colon, rest = line.partition(": ")
        fact, line = (name, rest) if colon and name in FACTS else (fact, line)
        found[fact] = f"{found.get(fact, '')} {line}".strip()
    task = f"{found.get('title', '')} Claim: {found['Claim']}".strip()
    cells = (f"`{path.stem}`", task, found["Minutes"], found["Expected"])
    return f"| {' | '.join(map(escaped, cells))} |"


def train_keys() -> list[str]:
    """Return the sections of the keys of ``lrdqn train``."""
    agents: dict[type, list[str]] = {}
    for name, own in families.own_families("agent").items():
        agents.setdefault(own.schema, []).append(f"`agent={name}`")
    parts: list[str] = []
    for spec in dataclasses.fields(TrainRun):
        declared = typing.get_type_hints(TrainRun)[spec.name]
        if declared is AgentConfig:
            parts += section("agent", AgentConfig(), "### `agent.*`, of every agent")
            for schema, names in agents.items():
                title = f"### `agent.*` of {', '.join(names)}"
                parts += section("agent", schema(), title, AgentConfig)
        elif declared is EnvConfig:
            for name, own in families.own_families("env").items():
                parts += section("env", own.schema(), f"### `env.*` of `env={name}`", EnvConfig)
        elif dataclasses.is_dataclass(declared):
            parts += section(spec.name, typing.cast(type, declared)(), f"### `{spec.name}.*`")
    return [*parts, "### Keys without a section", table_of(list(leaves(TrainRun(), "")))]


def command_keys(name: str) -> list[str]:
    """Return the tables of another command's keys, without those that it shares with
    ``lrdqn train``."""
    values = ROOTS[name]()
    if isinstance(values, TuneRun):
        return [table_of(list(leaves(values.tune, "tune.")))]
    parts = [table_of(list(leaves(values, "")))]
    if isinstance(values, CalibrateRun):
        parts += section("window", values.window, "#### `window.*`")
    if isinstance(values, ReportRun):
        parts += section("env", values.env, "#### `env.*`")
    return parts


def section(
    key: str, values: Any, title: str, base: type | None = None, depth: int = 4
) -> list[str]:
    """Return title, sentence and table of a schema's own keys, then those of the schemas it holds.

    Args:
        key: dotted key that the schema stands at.
        values: an instance with the defaults.
        title: heading.
        base: where it is given, keys of parent schemas are left out.
        depth: heading level of the schemas that it holds.
    """
    rows, held = list(leaves(values, f"{key}.", base)), children(values)
    parts = [title, sentence_of(type(values))]
    if rows or not held:
        parts += [table_of(rows) if rows else "It has no keys of its own."]
    for name, child in held.items():
        title = f"{'#' * depth} `{key}.{name}.*`"
        parts += section(f"{key}.{name}", child, title, depth=depth + 1)
    return parts


def sentence_of(schema: type) -> str:
    """Return the first paragraph of a schema's docstring, in Markdown."""
    first = (schema.__doc__ or "").partition("\n\n")[0]
    return " ".join(first.replace("``", "`").split())


def children(values: Any) -> dict[str, Any]:
    """Return the values of the fields that are schemas themselves, by name."""
    named = ((spec.name, getattr(values, spec.name)) for spec in dataclasses.fields(values))
    return {name: value for name, value in named if dataclasses.is_dataclass(value)}


def leaves(values: Any, prefix: str, base: type | None = None) -> Iterator[tuple[str, ...]]:
    """Yield key, default, allowed values and meaning of each field that is no schema.

    Fields that a group chooses by name (``agent.name``, ``env.kind``) are left out.
    """
    hints = typing.get_type_hints(type(values))
    skipped = inherited(type(values), base) | children(values).keys() | {NAMED_BY.get(prefix)}
    for spec in dataclasses.fields(values):
        declared = hints[spec.name]
        if spec.name in skipped or dataclasses.is_dataclass(declared):
            continue
        one = spec.metadata.get("each", spec.metadata)
        allowed = allowed_by(one, float if "each" in spec.metadata else declared)
        yield (
            prefix + spec.name,
            default_text(getattr(values, spec.name)),
            f"list, each {allowed}" if "each" in spec.metadata else allowed,
            one.get("doc", ""),
        )


def inherited(schema: type, base: type | None) -> set[str]:
    """Return the fields that ``schema`` takes over unchanged from its parents; none without
    ``base``."""
    parents = [c for c in schema.__mro__[1:] if dataclasses.is_dataclass(c)] if base else []
    changed = set(vars(schema).get("__annotations__", {}))
    return {spec.name for parent in parents for spec in dataclasses.fields(parent)} - changed


def default_text(value: Any) -> str:
    """Return a default as it would be typed."""
    return "required" if value == MISSING else text_of(value)


def allowed_by(metadata: Any, declared: Any) -> str:
    """Return what a field allows: choices, a range, or the kind of value."""
    if "allowed" in metadata:
        return ", ".join(metadata["allowed"])
    if "each_low" in metadata:
        return f"list of integers ≥ {metadata['each_low']}"
    kinds = typing.get_args(declared) if isinstance(declared, types.UnionType) else (declared,)
    null = " or null" if type(None) in kinds else ""
    kind = next(kind for kind in kinds if kind is not type(None))
    if typing.get_origin(kind) is list:
        return "list of numbers"
    return (("low" in metadata and range_of(metadata)) or TYPES.get(kind, "")) + null


def range_of(metadata: Any) -> str:
    """Return a range as ``[low, high]``, or as a bound where it has one end."""
    low, high, is_open = metadata["low"], metadata["high"], metadata["open_low"]
    if high == math.inf:
        return "number" if low == -math.inf else f"{'>' if is_open else '≥'} {low:g}"
    if low == -math.inf:
        return f"≤ {high:g}"
    return f"{'(' if is_open else '['}{low:g}, {high:.12g}]"


def table_of(rows: list[tuple[str, ...]]) -> str:
    """Return the table of keys."""
    cells = [
        f"| `{key}` | `{default}` | {escaped(allowed)} | {escaped(doc)} |"
        for key, default, allowed, doc in rows
    ]
    return "\n".join([HEAD, *cells])


if __name__ == "__main__":
    sys.stdout.write(document())
