"""The memory plan: hand-counted bytes, and what it refuses."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.config import InputError
from lrdqn.train.memory import (
    MemoryPlan,
    free_bytes,
    make_memory_plan,
    refuse_what_cannot_fit,
    size_text,
    tree_bytes,
)


class State(NamedTuple):
    agent: Any
    replay: Any
    horizon: Any
    env: Any
    obs: Any


class Replay(NamedTuple):
    ring: Any
    tree: Any


def shape(*size: int, dtype: Any = np.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(size, dtype)


def test_bytes_of_shapes_arrays_and_keys() -> None:
    assert tree_bytes({"a": shape(3, 5), "b": shape(7, dtype=np.uint8)}) == 3 * 5 * 4 + 7
    assert tree_bytes(jnp.zeros((2, 2), jnp.bfloat16)) == 8
    assert tree_bytes(jax.random.split(jax.random.key(0), (3, 2))) == 6 * 8
    assert tree_bytes(()) == 0


def test_parts_by_hand() -> None:
    """2 seeds, 3 learners, 4 sessions, 5 judged sessions of 6 policies."""
    state = State(
        shape(2, 3, 11),
        Replay(shape(2, 3, 100, 2, dtype=np.int16), shape(2, 3, 128)),
        shape(2, 3, 4, 9),
        shape(2, 3, 4, 7),
        shape(2, 3, 4),
    )
    sessions = (state.env, state.obs)
    plan = make_memory_plan(
        state, shape(2, 1000), sessions, seeds=2, learners=3, policies=6, judged=5, played=4
    )
    assert plan.parts == {
        "replay": 2 * 3 * 100 * 2 * 2,
        "tree": 2 * 3 * 128 * 4,
        "networks": 2 * 3 * 11 * 4,
        "sessions": 2 * 3 * 4 * (8 + 9) * 4,
        "worlds": 2 * 1000 * 4,
        "evaluation": 2 * 6 * 5 * 8 * 4,
    }
    assert plan.total == sum(plan.parts.values())
    assert plan.per_seed == plan.total // 2
    assert plan.line().startswith(
        f"memory: {size_text(plan.total)} planned ({size_text(plan.per_seed)} a seed): worlds 8 kB"
    )


def test_what_cannot_fit_is_refused_by_the_key_of_its_largest_part() -> None:
    plan = MemoryPlan({"replay": 800, "worlds": 90, "networks": 10}, seeds=2, learners=3)
    refuse_what_cannot_fit(plan, None, {})
    refuse_what_cannot_fit(plan, 1000, {})
    line = (
        r"replay\.capacity=64: replay takes 800 B of 900 B for 2 seeds x 3 "
        r"learners, and 999 B are free; lower replay\.capacity"
    )
    with pytest.raises(InputError, match=line):
        refuse_what_cannot_fit(plan, 999, {"replay.capacity": 64})


def test_free_memory_is_what_the_user_says_or_what_the_machine_has() -> None:
    assert free_bytes(0.5, 1) == 2**29
    free = free_bytes(None, 1)
    assert free is not None
    assert 2**28 < free < 2**50


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (186_200_000, "186 MB"), (3.2e12, "3.2 TB")],
)
def test_sizes_in_words(size: float, text: str) -> None:
    assert size_text(size) == text
