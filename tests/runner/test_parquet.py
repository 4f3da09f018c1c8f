"""``metrics.jsonl`` as Parquet: values, types that no batch can change, refusals, and memory."""

import json
import os
import sys
import tracemalloc

import pytest

from lrdqn.config import InputError
from lrdqn.runner import parquet
from lrdqn.runner.folder import MetricsLog
from lrdqn.runner.parquet import NO_PYARROW, iter_rows, write_parquet

pa = pytest.importorskip("pyarrow", reason="the tables of this file need pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="the tables of this file need pyarrow")

ROWS = [
    {
        "seed": 0,
        "policy": "learned",
        "env_steps": 2**33,
        "return": 1.5,
        "valid": True,
        "loss": None,
        "tau": 1,
        "mixed": 1,
    },
    {
        "seed": 1,
        "policy": "ü",
        "env_steps": 2**33,
        "return": float("nan"),
        "valid": None,
        "tau": 0.5,
        "mixed": "one",
    },
    {
        "policy": None,
        "env_steps": 0,
        "return": 1.0,
        "valid": False,
        "late": 7,
        "tau": 2**60 + 1,
        "mixed": [1, None],
    },
]


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_values_and_types_come_back(tmp_path):
    MetricsLog(tmp_path).append(ROWS)
    assert write_parquet(tmp_path / "metrics.jsonl", tmp_path / "metrics.parquet") is None
    table = pq.read_table(tmp_path / "metrics.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        "seed": "int64",
        "policy": "string",
        "env_steps": "int64",
        "return": "double",
        "valid": "bool",
        "loss": "double",  # never anything but null
        "tau": "double",  # 1, 0.5
        "mixed": "string",
        "late": "int64",
    }
    assert table.to_pydict() == {
        "seed": [0, 1, None],
        "policy": ["learned", "ü", None],
        "env_steps": [2**33, 2**33, 0],
        "return": [1.5, None, 1.0],
        "valid": [True, None, False],
        "loss": [None, None, None],
        "tau": [1.0, 0.5, float(2**60)],
        "mixed": ["1", "one", "[1, null]"],
        "late": [None, None, 7],
    }
    assert (
        pq.ParquetFile(tmp_path / "metrics.parquet").metadata.row_group(0).column(0).compression
        == "ZSTD"
    )
    assert sorted(os.listdir(tmp_path)) == ["metrics.jsonl", "metrics.parquet"]


def test_batches_share_the_types_of_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_ROWS", 2)
    rows = [
        {"x": None},
        {"x": 1},
        {"x": 2, "y": None},
        {},
        {"x": 0.25, "y": 3},
    ]  # the first two batches alone would be ints
    assert write_parquet(lines(tmp_path / "m.jsonl", rows), tmp_path / "m.parquet") is None
    file = pq.ParquetFile(tmp_path / "m.parquet")
    assert file.num_row_groups == 3
    assert file.read().to_pydict() == {
        "x": [None, 1.0, 2.0, None, 0.25],
        "y": [None, None, None, None, 3],
    }
    assert [str(t) for t in file.schema_arrow.types] == ["double", "int64"]


def test_integers_beyond_64_bits_are_floats(tmp_path):
    assert (
        write_parquet(lines(tmp_path / "m.jsonl", [{"n": 2**63 - 1}]), tmp_path / "m.parquet")
        is None
    )
    assert pq.read_table(tmp_path / "m.parquet").to_pydict() == {"n": [2**63 - 1]}
    assert (
        write_parquet(lines(tmp_path / "m.jsonl", [{"n": 2**63}]), tmp_path / "m.parquet") is None
    )
    assert pq.read_table(tmp_path / "m.parquet").to_pydict() == {"n": [2.0**63]}


def test_a_torn_last_line_is_dropped_and_damage_is_named(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text('{"a": 1}\n{"a": 2')
    assert list(iter_rows(path)) == [{"a": 1}]
    assert write_parquet(path, tmp_path / "m.parquet") is None
    assert pq.read_table(tmp_path / "m.parquet").to_pydict() == {"a": [1]}
    for text in ('{"a": 1}\n{"a": \n', '{"a": 1}\n[2]\n'):
        path.write_text(text)
        with pytest.raises(InputError, match=r"m\.jsonl: line 2 is damaged \("):
            list(iter_rows(path))
        said = write_parquet(path, tmp_path / "m.parquet")
        assert said is not None
        assert said.startswith(f"m.parquet: {path}: line 2 is damaged (")
        assert "\n" not in said
    # the table of before stays, and nothing is left beside it
    assert pq.read_table(tmp_path / "m.parquet").to_pydict() == {"a": [1]}
    assert sorted(os.listdir(tmp_path)) == ["m.jsonl", "m.parquet"]


def test_why_nothing_was_written(tmp_path, monkeypatch):
    path = lines(tmp_path / "m.jsonl", [])
    assert write_parquet(path, tmp_path / "m.parquet") == "m.parquet: m.jsonl has no rows"
    gone = tmp_path / "gone.jsonl"
    assert (
        write_parquet(gone, tmp_path / "m.parquet")
        == f"m.parquet: {gone}: cannot be read (No such file or directory)"
    )
    lines(path, [{"a": 1}])
    nowhere = tmp_path / "no" / "m.parquet"
    assert (
        write_parquet(path, nowhere) == f"{nowhere}: cannot be written (No such file or directory)"
    )
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert write_parquet(path, tmp_path / "m.parquet") == NO_PYARROW
    assert NO_PYARROW == "metrics.parquet needs pyarrow: pip install 'lrdqn[data]'"
    assert os.listdir(tmp_path) == ["m.jsonl"]


def test_a_crash_leaves_the_old_table(tmp_path, monkeypatch):
    path, table = lines(tmp_path / "m.jsonl", [{"a": 1}]), tmp_path / "m.parquet"
    assert write_parquet(path, table) is None
    lines(path, [{"a": 2}])

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert write_parquet(path, table) == f"{table}: cannot be written (No space left on device)"
    monkeypatch.undo()
    assert pq.read_table(table).to_pydict() == {"a": [1]}
    assert sorted(os.listdir(tmp_path)) == ["m.jsonl", "m.parquet"]


def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_ROWS", 256)

    def peaks(rows):
        """Return the peak numbers of bytes that Python and Arrow held."""
        path = lines(
            tmp_path / f"{rows}.jsonl",
            ({"seed": i, "return": i / 7, "policy": f"p{i}"} for i in range(rows)),
        )
        before, counted = pa.default_memory_pool(), pa.proxy_memory_pool(pa.system_memory_pool())
        pa.set_memory_pool(counted)
        tracemalloc.start()
        try:
            assert write_parquet(path, tmp_path / "m.parquet") is None
            return tracemalloc.get_traced_memory()[1], counted.max_memory()
        finally:
            tracemalloc.stop()
            pa.set_memory_pool(before)

    peaks(256)  # imports and caches
    short, long = peaks(1_000), peaks(16_000)
    assert long[0] < 1.5 * short[0]
    assert 0 < long[1] < 1.5 * short[1]
    assert os.path.getsize(tmp_path / "16000.jsonl") > 2 * long[0]
