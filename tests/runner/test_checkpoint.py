"""Policies saved and loaded: values, dtypes, devices, damage, silence."""

import logging
import os
import re
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.config import InputError
from lrdqn.runner import checkpoint
from lrdqn.runner.checkpoint import (
    load_policy,
    load_state,
    save_checkpoint,
    saved_steps,
    set_aside_after,
)

PARAMS = {
    "torso": {
        "0": {
            "kernel": np.arange(24, dtype=np.float32).reshape(2, 2, 3, 2) / 7,
            "bias": np.zeros((2, 2, 2), np.float32),
        }
    },
    "identity": np.array([[[0.1], [np.nan]], [[-np.inf], [3e-45]]], np.float32),
    "half": np.asarray(jnp.full((2, 2), 1 / 3, jnp.bfloat16)),
    "count": np.array([[1, 2], [3, 2**31 - 1]], np.int32),
}
META = {"grid": {"learned": 0.99, "myopic": 0.0}, "list": [1, 2], "nothing": None, "name": "ü"}


def bits(tree):
    return jax.tree.map(lambda x: (x.shape, str(x.dtype), np.asarray(x).tobytes()), tree)


def test_what_is_loaded_is_bit_equal_and_on_the_host(tmp_path):
    on_device = jax.tree.map(jnp.asarray, PARAMS)
    save_checkpoint(tmp_path, jax.device_get(on_device), META, step=4096)
    assert {p.name for p in (tmp_path / "checkpoints" / "4096").iterdir()} >= {"policy", "meta"}
    params, meta = load_policy(tmp_path)
    assert bits(params) == bits(PARAMS)
    assert all(isinstance(x, np.ndarray) for x in jax.tree.leaves(params))
    assert meta == META


def test_newest_step_is_loaded_two_are_kept_none_is_overwritten(tmp_path):
    for step in (9, 10, 100):
        save_checkpoint(
            tmp_path,
            {"w": np.full((1, 1), step, np.float32)},
            {"step": step, "score": float("nan")},
            step=step,
        )
    params, meta = load_policy(tmp_path)
    assert params["w"].tolist() == [[100.0]]
    assert meta == {"step": 100, "score": None}
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["10", "100"]
    with pytest.raises(InputError, match=r"checkpoints: step 100 is there already"):
        save_checkpoint(tmp_path, {"w": np.zeros((1, 1))}, {}, step=100)
    assert load_policy(tmp_path)[0]["w"].tolist() == [[100.0]]


def test_a_state_with_an_array_of_no_element_comes_back_as_it_was(tmp_path):
    """Documents without features have such arrays in replay; Orbax alone refuses them."""
    state = {
        "features": jnp.zeros((2, 4, 0)),
        "reward": jnp.arange(8.0).reshape(2, 4),
        "ids": jnp.zeros((0, 3), jnp.int8),
    }
    save_checkpoint(tmp_path, PARAMS, {}, step=1, state=state)
    template = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
    )
    found = load_state(tmp_path, 1, template)
    assert bits(found) == bits(state)
    assert all(found[name].sharding == state[name].sharding for name in state)


@pytest.mark.slow
def test_a_policy_sharded_over_two_devices_opens_on_one(tmp_path):
    save = (
        "import jax, numpy as np; from pathlib import Path; from jax.sharding "
        "import AxisType, NamedSharding, PartitionSpec;"
        "from lrdqn.runner.checkpoint import save_checkpoint;"
        "mesh = jax.make_mesh((2,), ('seed',), axis_types=(AxisType.Auto,));"
        "x = jax.device_put(np.arange(8.0).reshape(2, 1, 4), "
        "NamedSharding(mesh, PartitionSpec('seed')));"
        "assert len(x.devices()) == 2;"
        f"save_checkpoint(Path({str(tmp_path)!r}), "
        f"{{'w': jax.device_get(x)}}, {{}}, 0, state={{'w': x}})"
    )
    load = (
        "import jax, numpy as np; from lrdqn.runner.checkpoint import "
        "load_policy, load_state; assert jax.device_count() == 1;"
        f"w = load_policy({str(tmp_path)!r})[0]['w']; assert "
        "w.tolist() == [[[0, 1, 2, 3]], [[4, 5, 6, 7]]]"
    )
    for count, code in ((2, save), (1, load)):
        env = os.environ | {
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}",
            "JAX_PLATFORMS": "cpu",
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout + done.stderr == ""


def test_neither_saving_nor_loading_says_a_word(tmp_path, caplog, capfd):
    logger = logging.getLogger("absl")
    with caplog.at_level(logging.INFO, logger="absl"), caplog.at_level(logging.DEBUG):
        save_checkpoint(tmp_path, PARAMS, META, 0)
        load_policy(tmp_path)
        assert (
            logger.level == logging.INFO
        )  # a program that wants to hear others through it still does
    assert [
        record.getMessage() for record in caplog.records if record.name in ("absl", "orbax")
    ] == []
    assert capfd.readouterr() == ("", "")


def test_missing_checkpoints_are_named(tmp_path):
    with pytest.raises(
        InputError, match=rf"run={re.escape(str(tmp_path))}: no checkpoints folder there"
    ):
        load_policy(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(InputError, match="no finished checkpoint in checkpoints"):
        load_policy(tmp_path)
    # what a save that was killed leaves behind
    (tmp_path / "checkpoints" / "5.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    with pytest.raises(InputError, match="no finished checkpoint in checkpoints"):
        load_policy(tmp_path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save_checkpoint(folder, PARAMS, META, step=7)
    return folder


def flip_a_bit(step):
    largest = max(
        (path for path in (step / "policy").rglob("d/*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip_a_bit, r"policy/\S+ is not what was saved"),
        (lambda step: shutil.rmtree(step / "policy"), r"policy/\S+ is missing"),
        (
            lambda step: (step / "meta" / "metadata").write_text("{}"),
            "meta/metadata is not what was saved",
        ),
        (
            lambda step: (step / "policy" / "manifest.ocdbt").unlink(),
            r"policy/manifest\.ocdbt is missing",
        ),
        (lambda step: (step / "sha256.json").write_text('{"meta'), r"sha256\.json: "),
    ],
    ids=["bit flipped", "no state", "meta changed", "no manifest", "checksums cut"],
)
def test_damage_is_one_line_that_names_the_file(tmp_path, saved, damage, words):
    folder = shutil.copytree(saved, tmp_path / "run")
    assert bits(load_policy(folder)[0]) == bits(PARAMS)
    damage(folder / "checkpoints" / "7")
    with pytest.raises(
        InputError, match=rf"^run={re.escape(str(folder))}: checkpoints/7 is damaged \({words}"
    ) as caught:
        load_policy(folder)
    assert "\n" not in str(caught.value)


@pytest.fixture
def unchecked(tmp_path, saved):
    """Return a checkpoint as a save leaves it that was killed between its last two steps."""
    folder = shutil.copytree(saved, tmp_path / "run")
    (folder / "checkpoints" / "7" / "sha256.json").unlink()
    return folder


def test_without_checksums_a_step_is_not_finished(unchecked):
    assert saved_steps(unchecked) == []
    with pytest.raises(InputError, match="no finished checkpoint in checkpoints"):
        load_policy(unchecked)


def test_what_is_in_the_way_is_moved_and_nothing_deleted(unchecked):
    for _ in range(2):
        shutil.copytree(unchecked / "checkpoints" / "7", unchecked / "checkpoints" / "9")
        set_aside_after(unchecked, 7)
    assert sorted(p.name for p in (unchecked / "damaged").iterdir()) == ["9", "9-2"]
    assert [p.name for p in (unchecked / "checkpoints").iterdir()] == ["7"]


def test_leftovers_of_a_killed_save_go_with_the_next(tmp_path):
    (tmp_path / "checkpoints" / "5.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    save_checkpoint(tmp_path, PARAMS, META, 7)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["7"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda step: shutil.rmtree(step / "policy"),
        lambda step: (step / "policy" / "_METADATA").write_text("{}"),
    ],
    ids=["no policy", "metadata wrong"],
)
def test_what_orbax_raises_is_one_line(tmp_path, saved, damage, monkeypatch):
    """Damage that the checksums know nothing of."""
    folder = shutil.copytree(saved, tmp_path / "run")
    damage(folder / "checkpoints" / "7")
    monkeypatch.setattr(checkpoint, "_verify", lambda step, name: None)
    with pytest.raises(
        InputError, match=rf"^run={re.escape(str(folder))}: checkpoints/7 is damaged \(\w+: "
    ) as caught:
        load_policy(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "checkpoints").write_text("in the way")
    with pytest.raises(InputError, match="checkpoints: cannot be written"):
        save_checkpoint(tmp_path, PARAMS, META, 0)
