"""``conf/README.md`` is what its generator writes."""

from __future__ import annotations

from pathlib import Path

from lrdqn.cli.reference import COMMAND, document

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_is_up_to_date() -> None:
    fresh = (ROOT / "conf" / "README.md").read_text(encoding="utf-8") == document()
    assert fresh, f"conf/README.md is stale; renew it with: {COMMAND}"
