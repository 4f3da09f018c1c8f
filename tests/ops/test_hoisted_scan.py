"""Hoisting out of a scan: the numbers are those of the plain scan, and the draws are outside the
loop, whatever the body is made of."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lrdqn.ops.hoisted_scan import Split, hoisted_scan

STEPS = 12


def body(scale: Any) -> Any:
    """Return a body with draws of several kinds: one whose range is state, one that is not used, a
    nested loop, a function of the step's number."""

    def step(
        carry: dict[str, jax.Array], key_i: tuple[jax.Array, jax.Array]
    ) -> tuple[dict[str, jax.Array], Any]:
        key, i = key_i
        a, b, c, d = jax.random.split(key, 4)
        bounded = jax.random.randint(a, (5,), 0, carry["n"])
        noise = jax.random.normal(b, (3,)) * scale
        jax.random.uniform(c, (100,))
        inner, seen = hoisted_scan(
            lambda x, k: (x + jax.random.uniform(k, (3,)), x.sum()),
            carry["x"],
            jax.random.split(d, 3),
        )
        return {"n": carry["n"] + 1, "x": inner + noise}, (bounded, 2 * i, seen)

    return step


def arguments() -> tuple[dict[str, jax.Array], tuple[jax.Array, jax.Array]]:
    return {"n": jnp.int32(4), "x": jnp.zeros(3)}, (
        jax.random.split(jax.random.key(7), STEPS),
        jnp.arange(STEPS),
    )


def same(found: Any, expected: Any) -> None:
    """Assert that integers agree to the bit and floats to rounding: a compiler may fuse hoisted
    operations in another way."""
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-6, atol=2e-6), found, expected
    )


@pytest.mark.parametrize("limit", [2**20, 2000, 1])
def test_it_is_the_plain_scan(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are hoisted for all steps at once, for groups of steps, and for one step at a time."""
    monkeypatch.setattr("lrdqn.ops.hoisted_scan.LIMIT", limit)
    same(
        jax.jit(lambda: hoisted_scan(body(2.0), *arguments()))(),
        jax.jit(lambda: jax.lax.scan(body(2.0), *arguments()))(),
    )


def test_under_vmap_over_keys_and_closed_over_values() -> None:
    """As in training: seeds are vmapped outside, and the body closes over what belongs to a
    seed."""

    def run(scan: Any, seed: Any, scale: Any) -> Any:
        carry, (_, numbers) = arguments()
        return scan(body(scale), carry, (jax.random.split(jax.random.key(seed), STEPS), numbers))

    seeds, scales = jnp.arange(3), jnp.array([0.5, 1.0, 2.0])
    found = jax.jit(jax.vmap(lambda s, x: run(hoisted_scan, s, x)))(seeds, scales)
    with jax.debug_key_reuse(
        False
    ):  # jax's check takes the keys of a plain scan under vmap for used ones
        same(found, jax.jit(jax.vmap(lambda s, x: run(jax.lax.scan, s, x)))(seeds, scales))


def test_one_step_is_no_loop() -> None:
    carry, xs = arguments()
    first = jax.tree.map(lambda x: x[:1], xs)
    same(hoisted_scan(body(1.0), carry, first), jax.lax.scan(body(1.0), carry, first))
    assert "scan" not in str(
        jax.make_jaxpr(lambda: hoisted_scan(lambda c, x: (c + x, c), 0.0, jnp.ones(1)))()
    )


def test_what_depends_on_keys_alone_leaves_the_loop() -> None:
    """The loop holds no random generator: even where the range of a draw is state, its bits are
    hoisted."""
    carry, xs = arguments()
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), xs)
    split = Split(body(2.0), carry, one)
    invariants = jax.eval_shape(split.hoisted, one)
    loop, hoisted = (
        str(jax.make_jaxpr(split.loop)(carry, invariants)),
        str(jax.make_jaxpr(split.hoisted)(one)),
    )
    assert not re.search("random_bits|threefry|erf_inv", loop)
    assert "random_bits" in hoisted
    assert "erf_inv" in hoisted
    assert all(x.shape != (100,) for x in invariants), "a draw that is not used is not evaluated"


def test_bytes_are_those_of_the_hoisted_values() -> None:
    split = Split(
        lambda c, k: (c + jax.random.uniform(k, (8,)), c), jnp.zeros(8), jax.random.key(0)
    )
    assert split.bytes == 8 * 4


def test_constants_stay_inside() -> None:
    """A value that depends on nothing is not stored once per step."""
    split = Split(
        lambda c, x: (c + jnp.arange(1000.0) * x, None), jnp.zeros(1000), jnp.float32(1.0)
    )
    assert split.bytes <= 4000  # arange * x itself, at most; never arange as well
    split = Split(lambda c, x: (c + jnp.arange(1000.0), None), jnp.zeros(1000), jnp.float32(1.0))
    assert split.bytes == 0


def test_the_generator_runs_once_for_all_steps() -> None:
    def draw(keys: jax.Array) -> jax.Array:
        return hoisted_scan(
            lambda c, k: (c * 0.5 + jax.random.normal(k, (4,)), None), jnp.zeros(4), keys
        )[0]

    program = str(jax.make_jaxpr(draw)(jax.random.split(jax.random.key(0), STEPS)))
    assert f"u32[{STEPS},4] = random_bits" in program
    assert program.count("random_bits") == 1


def test_what_has_effects_stays_where_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    def step(c: jax.Array, x: jax.Array) -> tuple[jax.Array, None]:
        jax.debug.print("saw {x}", x=x)
        return c + x, None

    hoisted_scan(step, jnp.float32(0.0), jnp.arange(3.0))
    jax.effects_barrier()
    assert capfd.readouterr().out.split() == ["saw", "0.0", "saw", "1.0", "saw", "2.0"]


def test_a_body_may_have_nothing_to_hoist() -> None:
    found, counted = hoisted_scan(
        lambda c, x: (c + 1, c), jnp.int32(0), jax.random.split(jax.random.key(0), 3)
    )
    assert (int(found), counted.tolist()) == (3, [0, 1, 2])
