"""Texts that a run folder keeps of a configuration; paths are absolute in them, so that the run can
be evaluated and resumed from anywhere."""

from __future__ import annotations

import dataclasses
from typing import Any

from omegaconf import OmegaConf

from lrdqn.compose.words import word


def resolved(config: Any) -> str:
    """Return a frozen config as YAML, paths absolute."""
    return OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(config)))


def with_absolute_paths(config: Any, words: list[str]) -> list[str]:
    """Return the words of a command line, those that name a file or a folder by its absolute path,
    as ``config``, which they gave, does."""
    return [_absolute(config, each) for each in words]


def _absolute(node: Any, each: str) -> str:
    key, path = each.partition("=")[0].lstrip("+"), False
    for name in key.split("."):
        fields = dataclasses.fields(node) if dataclasses.is_dataclass(node) else ()
        specs = {field.name: field for field in fields}
        if name not in specs:
            return each
        path, node = specs[name].metadata.get("path", False), getattr(node, name)
    return word(key, node) if path and node is not None else each
