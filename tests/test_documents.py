"""Rules for texts: documents exist, stand alone and lie in the sdist; code asks for what an
environment or agent offers, not for its name."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from lrdqn.compose.families import OWN

ROOT = Path(__file__).resolve().parents[1]
LISTED = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
).stdout.split()
TRACKED = [ROOT / name for name in LISTED if (ROOT / name).is_file()]
TEXTS = [path for path in TRACKED if path.suffix in (".py", ".yaml", ".md", ".toml")]
READMES = [path for path in TRACKED if path.name == "README.md"]
MODULES = sorted((ROOT / "lrdqn").rglob("*.py"))

OUTSIDE = re.compile(
    r"\b(?:SIMULATOR|RECSIM|DESIGN|ORACLES|PEERS|ANCHORS|PLATFORMS|ECOSYSTEM|DATA)"
    r"(?:\.md|,? section|,? P\d)"
    r"|\bset\sJ\b|\bcorrections?\s\d|\(P\d+\b|\.\./shared\b"
)
"""References to documents that are not in the repository."""
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
QUESTIONS = re.compile(r"(?:What|Whether|Who|Whose|Where|How|Of|The same)\b")
SDIST_LIMIT, README_LIMIT = 10_000_000, 8192


needs_git = pytest.mark.skipif(not TRACKED, reason="asks git which files are tracked")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def one_line(text: str) -> str:
    """Text without line breaks and comment signs, so that a reference is found across them."""
    return re.sub(r"\s*\n\s*#?\s*", " ", text)


@needs_git
def test_no_file_refers_to_a_document_outside_the_repository() -> None:
    found = [
        f"{relative(path)}: {match.group(0)}"
        for path in TEXTS
        for match in OUTSIDE.finditer(one_line(path.read_text(encoding="utf-8")))
    ]
    assert not found, "\n".join(found)


def headings(path: Path) -> set[str]:
    """Anchors of a Markdown file, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def links(path: Path) -> list[str]:
    found = LINK.findall(path.read_text(encoding="utf-8"))
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


@needs_git
@pytest.mark.parametrize("path", READMES, ids=relative)
def test_links_lead_somewhere(path: Path) -> None:
    for link in links(path):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{relative(path)}: {link}"
        if anchor:
            assert anchor in headings(target), f"{relative(path)}: {link}"


def included() -> list[Path]:
    """Return the files and folders of the sdist."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [
        ROOT / x for x in settings["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
    ]


def test_the_front_page_is_short_and_its_links_are_in_the_sdist() -> None:
    front = ROOT / "README.md"
    assert len(front.read_bytes()) <= README_LIMIT
    for link in links(front):
        target = (ROOT / link.partition("#")[0]).resolve()
        assert any(target.is_relative_to(place) for place in included()), link


@needs_git
def test_the_sdist_is_small() -> None:
    held = [p for p in TRACKED if any(p.is_relative_to(place) for place in included())]
    assert sum(path.stat().st_size for path in held) < SDIST_LIMIT


NAMES = {name for part in OWN.values() for name in part}
FOLDERS = {
    name: ROOT / module.partition(":")[0].replace(".", "/")
    for part in OWN.values()
    for name, module in part.items()
}
FOLDERS = {name: module.parent for name, module in FOLDERS.items()}


def strings(node: ast.expr) -> set[str]:
    """String constants of an expression: the constant itself, or the elements of a display."""
    inner = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return {x.value for x in inner if isinstance(x, ast.Constant) and isinstance(x.value, str)}


def is_name(node: ast.expr) -> bool:
    """Return whether an expression ends in ``.kind``, ``.name``, ``["kind"]`` or ``["name"]``."""
    if isinstance(node, ast.Attribute):
        return node.attr in ("kind", "name")
    return isinstance(node, ast.Subscript) and bool(strings(node.slice) & {"kind", "name"})


def compared_names(path: Path) -> list[str]:
    """Names of environments and agents that a module compares with, outside their own folder."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            names = set().union(*map(strings, sides)) & NAMES if any(map(is_name, sides)) else set()
            foreign = [name for name in sorted(names) if not path.is_relative_to(FOLDERS[name])]
            found += [f"{relative(path)}:{node.lineno} {name}" for name in foreign]
    return found


def test_code_never_asks_for_an_environment_or_agent_by_name() -> None:
    assert [line for path in MODULES for line in compared_names(path)] == []


def test_the_comparison_with_a_name_is_found() -> None:
    for text in ('config.env.kind == "live"', '"dqn" != values["name"]', 'x.kind in ("live", "a")'):
        node = ast.parse(text, mode="eval").body
        assert isinstance(node, ast.Compare)
        sides = [node.left, *node.comparators]
        assert any(map(is_name, sides))
        assert set().union(*map(strings, sides)) & NAMES


def first_lines(path: Path) -> list[str]:
    """The start of every docstring of a module."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, kinds) and (doc := ast.get_docstring(node)):
            line = node.body[0].lineno
            found.append(f"{relative(path)}:{line} {doc.partition(chr(10))[0]}")
    return found


def test_docstrings_say_what_is_returned_or_done() -> None:
    lines = [line for path in MODULES for line in first_lines(path)]
    found = [line for line in lines if QUESTIONS.match(line.partition(" ")[2])]
    assert not found, "\n".join(found)
