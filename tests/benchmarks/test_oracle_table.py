"""The oracle table: every number that a right implementation must give is given
(``benchmarks/oracle_table.py``)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path += [str(BENCHMARKS), str(BENCHMARKS / "papers")]

import oracle_table  # noqa: E402


@pytest.mark.parametrize("section", oracle_table.SECTIONS, ids=lambda section: section.__name__)
def test_every_row_passes(section: Any) -> None:
    with jax.numpy_rank_promotion("allow"):  # the script is written as a user would
        rows = section()
    assert rows
    assert [row for row in rows if row["verdict"] != "PASS"] == []
