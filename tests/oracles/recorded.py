"""Numbers computed once outside this project, kept in the JSON files of this folder; each file says
how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def recorded(name: str) -> dict[str, Any]:
    """Return the contents of ``NAME.json``."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text())
