"""The specification of the live world, ``lrdqn/envs/live/README.md``, against the code that it
describes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lrdqn.envs.live.config import SIM_VERSION, LiveConfig

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "lrdqn/envs/live/README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| [^|]+ \| `([a-z_.]+)` \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)


def defaults(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the keys below ``env.`` with their defaults."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from defaults(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


def test_the_parameter_table_holds_the_defaults_of_the_schema() -> None:
    table = dict(ROW.findall(TEXT[TEXT.index("## 15 ") :]))
    known = dict(defaults(LiveConfig()))
    laws = {key for key in known if key.startswith("law.")}
    assert laws <= table.keys(), "every constant of the laws has a symbol"
    assert table == {key: str(known[key]) for key in table}


def test_every_path_exists_and_every_version_is_told() -> None:
    paths = re.findall(r"`((?:lrdqn|conf|benchmarks)/[^` ]*)`", TEXT)
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []
    history = TEXT[TEXT.index("## 14 ") : TEXT.index("## 15 ")]
    assert re.findall(r"^- (\d+):", history, re.MULTILINE) == [
        str(i + 1) for i in range(int(SIM_VERSION))
    ]
