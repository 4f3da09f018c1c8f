"""Files are whole or absent: crashes, failures, permissions, strict JSON."""

import json
import os
import stat
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn import atomic
from lrdqn.atomic import json_text, write_bytes, write_json, write_text
from lrdqn.config import InputError


class PulledPlug(BaseException):
    """A crash that no handler of the code under test may swallow."""


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "first")
    write_text(path, "zweite Zeile – ü")
    assert path.read_text(encoding="utf-8") == "zweite Zeile – ü"
    write_bytes(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert names(tmp_path) == ["a.txt"]


def test_crash_between_write_and_replace_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    write_text(path, "old")
    seen = {}

    def crash(source, target):
        # everything is on disk, beside the target, before the move
        seen["new"], seen["folder"], seen["target"] = (
            Path(source).read_text(),
            Path(source).parent,
            Path(target),
        )
        raise PulledPlug

    monkeypatch.setattr(atomic.os, "replace", crash)
    with pytest.raises(PulledPlug):
        write_text(path, "new")
    assert seen == {"new": "new", "folder": tmp_path, "target": path}
    assert path.read_text() == "old"
    assert names(tmp_path) == ["summary.json"]


def test_data_is_synced_before_the_move(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(atomic.os, "fsync", lambda fd: (order.append("fsync"), fsync(fd)))
    monkeypatch.setattr(atomic.os, "replace", lambda a, b: (order.append("replace"), replace(a, b)))
    write_text(tmp_path / "x", "x")
    assert order == ["fsync", "replace"]


def test_full_disk_leaves_the_old_file_and_is_one_line(tmp_path, monkeypatch):
    path = tmp_path / "x"
    write_text(path, "old")

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(InputError, match=r"x: cannot be written \(No space left on device\)"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_missing_folder_and_file_as_folder_are_input_errors(tmp_path):
    with pytest.raises(
        InputError, match=r"b\.txt: cannot be written \(No such file or directory\)"
    ):
        write_text(tmp_path / "nowhere" / "b.txt", "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written \(Not a directory\)"):
        write_text(tmp_path / "file" / "b.txt", "x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder_is_an_input_error(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            write_text(tmp_path / "x", "x")
    finally:
        tmp_path.chmod(0o700)


def test_file_mode_is_what_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "x", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_json_is_strict_and_keeps_order(tmp_path):
    obj = {
        "z": float("nan"),
        "a": [np.float32("inf"), -np.inf, 1.5],
        1: np.array([[1.0, np.nan]]),
        "jax": jnp.float32(2.5),
        "int": np.int64(3),
        "flag": np.bool_(True),
        "path": Path("p/q"),
        "none": None,
        "pair": (1, True),
    }
    write_json(tmp_path / "x.json", obj)
    text = (tmp_path / "x.json").read_text()

    def refuse(word):
        raise AssertionError(word)

    read = json.loads(text, parse_constant=refuse)
    assert read == {
        "z": None,
        "a": [None, None, 1.5],
        "1": [[1.0, None]],
        "jax": 2.5,
        "int": 3,
        "flag": True,
        "path": "p/q",
        "none": None,
        "pair": [1, True],
    }
    assert list(read) == ["z", "a", "1", "jax", "int", "flag", "path", "none", "pair"]
    assert text.startswith('{\n  "z": null,')
    assert text.endswith("}\n")


def test_json_refuses_what_has_no_place_in_it(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"f": object()})
    assert names(tmp_path) == []
    assert json_text({"a": 1, "b": [2]}) == '{"a": 1, "b": [2]}'
