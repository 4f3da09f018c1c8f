"""The replay race as a compiled program, whatever the replay's library: one scan with the state
donated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from replay_items import drift, errors, items

FILL = 1024
"""Transitions of one call of ``add`` while the replay is filled."""


class Buffer(NamedTuple):
    """A replay under the names of the race; an item is a dict of arrays."""

    init: Callable[[Any], Any]
    add: Callable[[Any, Any], Any]
    sample: Callable[[Any, jax.Array], tuple[jax.Array, Any, Any]]
    """``sample(state, key) -> indices, probabilities, all that was drawn``"""
    update: Callable[[Any, jax.Array, jax.Array], Any]
    """``update(state, indices, absolute TD errors)``"""
    root: Callable[[Any], jax.Array]
    leaves: Callable[[Any], jax.Array]


def filled(buffer: Buffer, options: dict[str, Any]) -> Any:
    """Return a full replay with random priorities, made with the library's own functions."""
    capacity, prioritized = options["capacity"], options["kind"] == "prioritized"
    batch = min(FILL, capacity)
    block = jax.tree.map(jnp.asarray, items(batch, seed=0))

    def one(state: Any, x: tuple[jax.Array, jax.Array]) -> tuple[Any, None]:
        state = buffer.add(state, block)
        return (buffer.update(state, *x) if prioritized else state), None

    blocks = -(-capacity // batch)
    slots = (jnp.arange(blocks * batch, dtype=jnp.int32) % capacity).reshape(blocks, batch)
    fresh = jax.jit(lambda: buffer.init(jax.tree.map(lambda x: x[0], block)))()
    fill = jax.jit(lambda state, xs: jax.lax.scan(one, state, xs)[0], donate_argnums=0)
    return fill(fresh, (slots, jnp.asarray(errors((blocks, batch), seed=1))))


def prepare(buffer: Buffer, options: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    """Compile ``iterations`` rounds of ``[add] -> sample -> [write priorities]`` and fill the
    replay.

    The draws of a round are carried to the next, so that none is left out and all are written where
    a learner reads them. The errors are made to wait for the probabilities. A TD error does not
    (weights bear on the loss, not on the errors), and with ``free`` neither do these; then a
    compiler may keep the old priorities in a copy, to read them later. With ``learners`` above 1,
    as many replays run side by side under ``vmap``.
    """
    prioritized, adds, length = (
        options["kind"] == "prioritized",
        options.get("add", 0),
        options["iterations"],
    )
    learners, free = options.get("learners", 1), options.get("free", False)
    new = jax.tree.map(jnp.asarray, items(max(adds, 1), seed=2))
    seen = jnp.asarray(errors((length, options["batch"]), seed=3))

    def one(carry: tuple[Any, Any], key: jax.Array, error: jax.Array, new: Any) -> tuple[Any, Any]:
        state = buffer.add(carry[0], new) if adds else carry[0]
        indices, probabilities, drawn = buffer.sample(state, key)
        if prioritized and not free:
            error = error + 0.0 * probabilities
        return (buffer.update(state, indices, error) if prioritized else state), drawn

    def program(
        state: Any, drawn: Any, keys: jax.Array, seen: jax.Array, new: Any
    ) -> tuple[Any, Any]:
        many = one if learners == 1 else jax.vmap(one, in_axes=(0, 0, None, None))
        return jax.lax.scan(
            lambda carry, x: (many(carry, *x, new), None), (state, drawn), (keys, seen)
        )[0]

    def keys(seed: int) -> jax.Array:
        shape = (length,) if learners == 1 else (length, learners)
        return jax.random.split(jax.random.key(seed), shape)

    state = filled(buffer, options)
    drawn = jax.jit(lambda s: buffer.sample(s, jax.random.key(0))[2])(state)
    if learners > 1:
        state, drawn = jax.jit(lambda x: jax.tree.map(lambda y: jnp.stack([y] * learners), x))(
            (state, drawn)
        )
    began = time.perf_counter()
    compiled = (
        jax.jit(program, donate_argnums=(0, 1)).lower(state, drawn, keys(0), seen, new).compile()
    )
    memory = compiled.memory_analysis()
    state_bytes = sum(x.nbytes for x in jax.tree.leaves((state, drawn)))
    told = {
        "compile_seconds": time.perf_counter() - began,
        "state_bytes": state_bytes,
        "aliased_bytes": memory.alias_size_in_bytes,
        "temporary_bytes": memory.temp_size_in_bytes,
    }
    held = {
        "carry": compiled(state, drawn, keys(0), seen, new)
    }  # once before the start, so that every page was touched

    def run(seed: int) -> dict[str, Any]:
        given = jax.block_until_ready((held["carry"], keys(seed)))
        began = time.perf_counter()
        held["carry"] = jax.block_until_ready(compiled(*given[0], given[1], seen, new))
        figures = {"seconds": time.perf_counter() - began, **told}
        if prioritized and learners == 1:
            state = held["carry"][0]
            figures["drift"] = drift(float(buffer.root(state)), buffer.leaves(state))
        return figures

    return run
