"""Population folders: round trips, and damage that is named before anything heavy is loaded."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

import lrdqn
from lrdqn.config import InputError
from lrdqn.envs.live import population_folder as folder_of
from lrdqn.envs.live.population_arrays import AXES, Population
from lrdqn.envs.live.population_folder import (
    ARRAYS,
    CARD,
    check_destination,
    check_population,
    load_population,
    read_card,
    save_population,
)

Arrays = dict[str, np.ndarray]


def small_population() -> Population:
    """Return five streamers and three users with d = 2, G = 2, T = 1, P = 3, H = 2, L = 2."""
    rng = np.random.default_rng(0)

    def real(*shape: int) -> np.ndarray:
        return rng.uniform(0.1, 0.9, shape).astype(np.float32)

    angle, turn = rng.uniform(0, 6, 5), rng.uniform(0, 6, 3)
    share = rng.uniform(0, 1, 5)
    return Population(
        style=np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32),
        category=np.stack([share, 1 - share], axis=1).astype(np.float32),
        tags=np.float32([[0], [1], [1], [0], [0]]),
        log_popularity=real(5),
        skill=-real(5),
        hook=real(5),
        room_rate=real(5),
        start_hour=24 * real(5),
        debut=100 * real(5),
        phase=-real(2),
        profile=real(3, 3),
        history=np.int32([[0, 5], [4, 1], [5, 5]]),
        history_watch=100 * real(3, 2),
        history_reaction=np.int32([[0, 1], [15, 8], [0, 0]]),
        interactions=np.int32([7, 0, 3]),
        interest=np.stack([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32),
        category_bias=-real(3, 2),
        wealth=real(3),
        activity=real(3),
        active_hour=24 * real(3),
        loyalty=np.int32([[0, 5], [4, 1], [5, 5]]),
        loyalty_strength=real(3, 2),
        loyalty_hours=100 * real(3, 2),
        followed=np.array([[True, False], [True, True], [False, False]]),
        affinity_mean=np.float32(-0.25),
        affinity_scale=np.float32(0.5),
        utility_mean=np.float32(0.125),
        utility_scale=np.float32(1.5),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_population(tmp_path / "pop", small_population(), {"source": "test", "users": 3})
    return tmp_path / "pop"


def test_the_fields_are_those_of_a_population() -> None:
    assert tuple(AXES) == Population._fields


def test_round_trip(folder: Path) -> None:
    back = load_population(folder)
    assert isinstance(back, Population)
    for name, old, new in zip(Population._fields, small_population(), back, strict=True):
        assert new.dtype == old.dtype, name
        assert new.shape == np.shape(old), name
        np.testing.assert_array_equal(new, old, err_msg=name)


def test_views_and_other_memory_orders_are_written_as_they_read(tmp_path: Path) -> None:
    old = small_population()
    save_population(
        tmp_path / "pop",
        old._replace(
            style=np.asfortranarray(old.style), interest=np.repeat(old.interest, 2, 0)[::2]
        ),
        {},
    )
    back = load_population(tmp_path / "pop")
    np.testing.assert_array_equal(back.style, old.style)
    np.testing.assert_array_equal(back.interest, old.interest)


def test_the_card(folder: Path) -> None:
    digest = hashlib.sha256((folder / ARRAYS).read_bytes()).hexdigest()
    assert (
        check_population(folder)
        == read_card(folder)
        == {"format": 2, "sha256": digest, "source": "test", "users": 3}
    )
    assert sorted(child.name for child in folder.iterdir()) == [CARD, ARRAYS]
    assert [child.name for child in folder.parent.iterdir()] == ["pop"]


def test_the_same_population_is_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    save_population(tmp_path / "again", small_population(), {"source": "test", "users": 3})
    assert (tmp_path / "again" / ARRAYS).read_bytes() == (folder / ARRAYS).read_bytes()
    assert (tmp_path / "again" / CARD).read_bytes() == (folder / CARD).read_bytes()


def test_checking_loads_no_jax(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    code = """
import sys
from pathlib import Path
import lrdqn.logs.movielens
from lrdqn.config import InputError
from lrdqn.envs.live.population_folder import check_destination, check_population
check_destination(Path(sys.argv[1]))
assert check_population(Path(sys.argv[1]))["source"] == "test"
try:
    check_population(Path(sys.argv[2]))
except InputError:
    pass
else:
    raise SystemExit("a folder without a card was taken")
print(sorted(name for name in ("jax", "jaxlib", "flax") if name in sys.modules))
"""
    root = str(Path(lrdqn.__file__).resolve().parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(tmp_path / "bad")],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


# --- damaged folders


def refused(folder: Path, message: str) -> None:
    for reader in (check_population, load_population):
        with pytest.raises(
            InputError, match=f"^env\\.population={re.escape(str(folder))}: {message}"
        ) as caught:
            reader(folder)
        assert "\n" not in str(caught.value)


def test_nothing_there(tmp_path: Path) -> None:
    refused(tmp_path / "pop", "no such folder; must be a population written by `lrdqn calibrate`$")
    (tmp_path / "pop").mkdir()
    refused(
        tmp_path / "pop", r"has no card\.json; must be a population written by `lrdqn calibrate`$"
    )
    (tmp_path / "file").touch()
    refused(tmp_path / "file", "no such folder")


def test_the_message_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^population=.*/pop: no such folder"):
        check_population(tmp_path / "pop", key="population")


def test_without_arrays(folder: Path) -> None:
    (folder / ARRAYS).unlink()
    refused(folder, r"has no population\.safetensors; rebuild it with `lrdqn calibrate`$")


def test_one_bit_turned(folder: Path) -> None:
    data = bytearray((folder / ARRAYS).read_bytes())
    was = hashlib.sha256(data).hexdigest()[:12]
    data[-1] ^= 1
    (folder / ARRAYS).write_bytes(data)
    now = hashlib.sha256(data).hexdigest()[:12]
    refused(
        folder,
        (
            rf"card\.json says sha256 {was}\.\. but population\.safetensors "
            rf"has {now}\.\.; rebuild it with `lrdqn calibrate`$"
        ),
    )


def test_cut_short(folder: Path) -> None:
    (folder / ARRAYS).write_bytes((folder / ARRAYS).read_bytes()[:-8])
    refused(folder, r"card\.json says sha256")


def edit_card(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(change(card)))


CARDS = [
    (lambda card: [card], "card.json has no format and sha256; rebuild"),
    (
        lambda card: {k: v for k, v in card.items() if k != "sha256"},
        "card.json has no format and sha256; rebuild",
    ),
    (
        lambda card: {k: v for k, v in card.items() if k != "format"},
        "card.json has no format and sha256; rebuild",
    ),
    (lambda card: card | {"sha256": 5}, "card.json has no format and sha256; rebuild"),
    (lambda card: card | {"format": 1}, "card.json has format 1; must be 2; rebuild"),
]


@pytest.mark.parametrize(("change", "message"), CARDS)
def test_a_card_that_cannot_be_read(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit_card(folder, change)
    refused(folder, re.escape(message))


@pytest.mark.parametrize("text", [b"", b'{"format": 1,', b"\xff\xfe"])
def test_a_card_that_is_no_json(folder: Path, text: bytes) -> None:
    (folder / CARD).write_bytes(text)
    refused(folder, r"card\.json is not JSON \(.*\); rebuild it with `lrdqn calibrate`$")


def put(folder: Path, data: bytes) -> None:
    """Write new arrays with the checksum that belongs to them."""
    (folder / ARRAYS).write_bytes(data)
    edit_card(folder, lambda card: card | {"sha256": hashlib.sha256(data).hexdigest()})


def test_arrays_that_are_no_safetensors(folder: Path) -> None:
    put(folder, b"not arrays at all")
    refused(
        folder,
        (
            r"population\.safetensors is not a safetensors file "
            r"\(.*\); rebuild it with `lrdqn calibrate`$"
        ),
    )


def entry(name: str, at: tuple[int, ...], value: float) -> Callable[[Arrays], Arrays]:
    def change(arrays: Arrays) -> Arrays:
        array = arrays[name].copy()
        array[at] = value
        return arrays | {name: array}

    return change


def whole(name: str, array: np.ndarray) -> Callable[[Arrays], Arrays]:
    return lambda arrays: arrays | {name: array}


CONTENTS = [
    (lambda a: {k: v for k, v in a.items() if k != "hook"}, "hook is missing"),
    (whole("mood", np.zeros(5, np.float32)), "mood is not part of a population"),
    (whole("skill", np.zeros(5)), "skill is float64; must be float32"),
    (whole("history", np.zeros((3, 2), np.int64)), "history is int64; must be int32"),
    (whole("followed", np.zeros((3, 2), np.uint8)), "followed is uint8; must be bool"),
    (whole("skill", np.zeros((5, 1), np.float32)), "skill has shape [5, 1]; must be [S]"),
    (whole("affinity_mean", np.zeros(1, np.float32)), "affinity_mean has shape [1]; must be []"),
    (
        whole("skill", np.zeros(6, np.float32)),
        "skill has shape [6]; must be [S] with S=5 as in style",
    ),
    (
        whole("wealth", np.ones(4, np.float32)),
        "wealth has shape [4]; must be [U] with U=3 as in profile",
    ),
    (
        whole("interest", np.ones((3, 1), np.float32)),
        "interest has shape [3, 1]; must be [U, d] with d=2 as in style",
    ),
    (
        whole("profile", np.ones((3, 0), np.float32)),
        "profile has shape [3, 0]; P must be at least 1",
    ),
    (entry("skill", (2,), np.nan), "skill has numbers that are not finite"),
    (entry("wealth", (0,), np.inf), "wealth has numbers that are not finite"),
    (whole("utility_mean", np.float32(np.nan)), "utility_mean has numbers that are not finite"),
    (entry("history", (1, 1), 6), "history has 6; must lie in [0, 5]"),
    (entry("loyalty", (1, 1), -1), "loyalty has -1; must lie in [0, 5]"),
    (entry("history_reaction", (0, 0), 16), "history_reaction has 16; must lie in [0, 15]"),
    (entry("loyalty_strength", (0, 0), 1.5), "loyalty_strength has 1.5; must lie in [0, 1]"),
    (entry("history_watch", (0, 0), -2), "history_watch has -2; must lie in [0, inf]"),
    (entry("start_hour", (0,), 25), "start_hour has 25; must lie in [0, 24]"),
    (entry("style", (0, 0), 2), "style has rows of another length than 1"),
    (whole("interest", np.zeros((3, 2), np.float32)), "interest has rows of another length than 1"),
    (whole("category", np.full((5, 2), 0.4, np.float32)), "category has rows that do not sum to 1"),
    (entry("category", (0, 0), -0.1), "category has -0.1; must lie in [0, 1]"),
    (whole("affinity_scale", np.float32(0)), "affinity_scale is 0; must be greater than 0"),
    (whole("utility_scale", np.float32(-1)), "utility_scale is -1; must be greater than 0"),
]


@pytest.mark.parametrize(
    ("change", "message"), CONTENTS, ids=[message.split(";")[0] for _, message in CONTENTS]
)
def test_arrays_that_are_no_population(
    folder: Path, change: Callable[[Arrays], Arrays], message: str
) -> None:
    arrays = load((folder / ARRAYS).read_bytes())
    put(folder, save({name: np.asarray(array) for name, array in change(arrays).items()}))
    refused(
        folder,
        re.escape(f"population.safetensors: {message}; rebuild it with `lrdqn calibrate`") + "$",
    )


def test_a_population_without_tags_is_one(tmp_path: Path) -> None:
    save_population(
        tmp_path / "pop", small_population()._replace(tags=np.zeros((5, 0), np.float32)), {}
    )
    assert load_population(tmp_path / "pop").tags.shape == (5, 0)


# --- writing


def test_an_older_population_is_replaced(folder: Path) -> None:
    newer = small_population()._replace(utility_mean=np.float32(3))
    save_population(folder, newer, {"source": "newer"})
    assert load_population(folder).utility_mean == 3
    assert read_card(folder)["source"] == "newer"
    assert [child.name for child in folder.parent.iterdir()] == ["pop"]


def test_a_damaged_population_can_be_rebuilt_in_place(folder: Path) -> None:
    (folder / ARRAYS).unlink()
    save_population(folder, small_population(), {})
    check_population(folder)


def test_an_empty_folder_and_missing_parents_will_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "empty", tmp_path / "a" / "b" / "pop"):
        save_population(out, small_population(), {})
        check_population(out)


@pytest.mark.parametrize("name", ["thesis.tex", ARRAYS])
def test_another_folder_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("work")
    why = f"holds {name}" if name != ARRAYS else f"has no {CARD}, so it is no population"
    for attempt in (lambda out: save_population(out, small_population(), {}), check_destination):
        with pytest.raises(
            InputError,
            match=(
                f"^out=.*/mine: {re.escape(why)}; must be a new folder or a population to replace$"
            ),
        ):
            attempt(tmp_path / "mine")
    assert (tmp_path / "mine" / name).read_text() == "work"
    assert [child.name for child in tmp_path.iterdir()] == ["mine"]


def test_a_population_with_something_of_mine_in_it_is_left_alone(folder: Path) -> None:
    (folder / "notes.txt").write_text("work")
    with pytest.raises(InputError, match=r"holds notes\.txt; must be a new folder"):
        save_population(folder, small_population(), {})
    assert (folder / "notes.txt").exists()


def test_a_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pop").write_text("work")
    with pytest.raises(InputError, match=r"^out=.*/pop: is a file; must be"):
        save_population(tmp_path / "pop", small_population(), {})


def test_an_interrupted_write_leaves_the_old_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_replace, calls = os.replace, []

    def fails_late(source: Path, target: Path) -> None:
        calls.append(target)
        if Path(target) == folder and len([c for c in calls if Path(c) == folder]) == 1:
            raise OSError(28, "No space left on device")
        real_replace(source, target)

    monkeypatch.setattr(folder_of.os, "replace", fails_late)
    with pytest.raises(
        InputError, match=r"^out=.*: cannot be written \(No space left on device\)$"
    ):
        save_population(folder, small_population()._replace(utility_mean=np.float32(3)), {})
    monkeypatch.undo()
    assert load_population(folder).utility_mean == np.float32(0.125)
    assert [child.name for child in folder.parent.iterdir()] == ["pop"]


def test_an_interrupted_first_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, obj: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder_of, "write_json", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_population(tmp_path / "pop", small_population(), {})
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_population_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="skill is float64; must be float32"):
        save_population(tmp_path / "pop", small_population()._replace(skill=np.zeros(5)), {})
    assert list(tmp_path.iterdir()) == []
