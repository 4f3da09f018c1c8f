"""Base of the schemas of environments."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class EnvConfig:
    """Base of all environments."""

    kind: str = MISSING
