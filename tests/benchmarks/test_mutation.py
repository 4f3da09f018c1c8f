"""The mutation harness: every bug still applies, its tests exist, and catches, survivors and errors
are told apart."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))

from mutant import Mutant  # noqa: E402
from mutants_learning import LEARNING, NO_OP  # noqa: E402
from mutants_slates import SLATED  # noqa: E402
from mutants_storing import STORING  # noqa: E402
from mutation import tried  # noqa: E402

MUTANTS = (*LEARNING, *STORING, *SLATED)


def test_there_are_many_and_each_has_a_name() -> None:
    assert len(MUTANTS) >= 60
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def problems(mutant: Mutant) -> list[str]:
    places = (ROOT / mutant.file).read_text().count(mutant.old)
    found = [] if places == 1 else [f"applies in {places} places of {mutant.file}"]
    found += [] if mutant.tests or mutant is NO_OP else ["names no test"]
    for test in mutant.tests:
        file, _, name = test.partition("::")
        if not (ROOT / file).is_file() or name not in functions_of(file):
            found.append(f"names {test}, which does not exist")
    return found


def test_every_mutant_applies_in_one_place_and_its_tests_exist() -> None:
    assert {m.name: found for m in (NO_OP, *MUTANTS) if (found := problems(m))} == {}


@pytest.mark.slow
def test_a_bug_is_caught_and_another_spelling_is_not() -> None:
    by_hand = ("tests/ops/test_losses.py::test_by_hand",)
    half = next(m for m in MUTANTS if m.name == "loss without its half")
    assert tried(half).verdict == "caught"
    assert tried(NO_OP, by_hand).verdict == "survived"
    assert (
        tried(half._replace(tests=("tests/ops/test_losses.py::test_nowhere",))).verdict == "error"
    )
    assert tried(half._replace(old="nowhere")).verdict == "error"
    assert tried(half._replace(new="return )")).verdict == "error", (
        "what cannot be imported proves nothing"
    )
