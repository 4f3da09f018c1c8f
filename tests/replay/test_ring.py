"""The ring in lockstep with a Python list: any batch size, any capacity, every type kept."""

from __future__ import annotations

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from oracles.replay import SlotList

from lrdqn.config import InputError
from lrdqn.replay import ring

add = jax.jit(ring.add)
take = jax.jit(ring.take)


@pytest.mark.parametrize(
    ("capacity", "sizes"),
    [
        (10, [4, 7, 10]),
        (12, [4, 6]),  # both divide, but 6 runs over the end after 4
        (1, [1]),
    ],
)
def test_lockstep_with_a_list(capacity: int, sizes: list[int], plain: SimpleNamespace) -> None:
    rng = np.random.default_rng(capacity)
    store, twin, written = ring.init(plain.example, capacity), SlotList(capacity), 0
    for _ in range(60):
        numbers = (
            np.arange(written, written + rng.choice(sizes)) % 2000
        )  # float16 counts exactly to 2048
        written += len(numbers)
        store, slots = add(store, plain.batch(numbers))
        np.testing.assert_array_equal(slots, twin.add(numbers.tolist()))
        assert int(store.size) == twin.size
        assert int(store.position) == written % capacity
        wanted = plain.batch(np.array([twin.slot(i) for i in range(twin.size)]))
        got = take(store, np.arange(capacity, dtype=np.int32))
        jax.tree.map(
            lambda x, y: np.testing.assert_array_equal(x[: len(y)], y, strict=True),
            jax.device_get(got),
            wanted,
        )
    assert written > 3 * capacity


def test_types_are_kept(plain: SimpleNamespace) -> None:
    """The lockstep test above compares types too; these are the ones that it covers."""
    names = {x.dtype.name for x in jax.tree.leaves(ring.init(plain.example, 10).data)}
    assert names == {"int16", "float16", "uint8", "int32", "int8", "float32", "bool"}


def test_nothing_is_cast_or_broadcast(plain: SimpleNamespace) -> None:
    store, batch = ring.init(plain.example, 5), plain.batch(np.arange(2))
    with pytest.raises(AssertionError):
        ring.add(store, batch._replace(reward=batch.reward.astype(np.float16)))
    with pytest.raises(AssertionError):
        ring.add(store, batch._replace(reward=batch.reward[:1]))
    with pytest.raises(AssertionError):
        ring.add(store, batch._replace(action=np.zeros((2, 1), np.int32)))


@pytest.mark.parametrize("n", [0, 6])
def test_a_batch_that_does_not_fit(n: int, plain: SimpleNamespace) -> None:
    with pytest.raises(
        InputError, match=rf"{n} transitions at once: must be in \[1, replay.capacity=5\]"
    ):
        ring.add(ring.init(plain.example, 5), plain.batch(np.arange(n)))


@pytest.mark.parametrize("capacity", [0, 2**30 + 1])
def test_bad_capacity(capacity: int, plain: SimpleNamespace) -> None:
    with pytest.raises(InputError, match=f"replay.capacity={capacity}"):
        ring.init(plain.example, capacity)
