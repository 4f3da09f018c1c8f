"""Words that are printed can be pasted: through a shell's and Hydra's reading they give the value
back."""

from __future__ import annotations

import random
import shlex

import pytest

from lrdqn.compose.words import command, parsed, refuse_unreadable, value_of, word
from lrdqn.config import InputError

PATHS = [
    "runs/a",
    "my runs/first one",
    "läufe/größe",
    "运行/第一",
    "a=b",
    "a#b",
    "it's",
    'say "hi"',
    "both ' and \"",
    "back\\slash",
    "ends with\\",
    "a\\'b",
    "[1,2]",
    "{x: 1}",
    "a,b",
    "$HOME",
    "${now:%H}",
    "(round)",
    "*?!&|;<>",
    "~/x",
    "-x",
    "null",
    "true",
    "1e3",
    "12",
    "tab\there",
]


def generated(count: int) -> list[str]:
    rng = random.Random(0)
    letters = "ab/ '\"\\=#,;:$[]{}()*&|<>!~@%^+-.äß中"
    made = ["".join(rng.choices(letters, k=rng.randint(1, 12))) for _ in range(count)]
    return [text for text in made if text.strip()]


@pytest.mark.parametrize("text", [*PATHS, *generated(200)])
def test_a_printed_word_gives_its_value_back(text: str) -> None:
    line = command("lrdqn", "train", word("resume", text))
    name, order, given = shlex.split(line)
    assert (name, order) == ("lrdqn", "train")
    found = parsed(given)
    assert found is not None, line
    assert found.key_or_group == "resume"
    assert str(found.value()).replace("\\${", "${") == text
    assert value_of(given) == text


def test_plain_words_stay_plain() -> None:
    assert word("run", "runs/first") == "run=runs/first"
    assert command("lrdqn", "report", word("run", "runs/first")) == "lrdqn report run=runs/first"


@pytest.mark.parametrize(
    ("bad", "form"),
    [
        ("run=a=b", "run=a=b: cannot be read; write 'run='\"'\"'a=b'\"'\"''"),
        ("run=it's", "run=it's: cannot be read; write "),
        ("run", "run: cannot be read; arguments are KEY=VALUE"),
    ],
)
def test_a_word_that_cannot_be_read_is_answered_with_one_that_can(bad: str, form: str) -> None:
    with pytest.raises(InputError) as caught:
        refuse_unreadable(["env=live", bad])
    line = str(caught.value)
    assert line.startswith(form)
    if "write" in line:
        (better,) = shlex.split(line.partition("; write ")[2])
        assert value_of(better) == bad.partition("=")[2]
