"""A ``scan`` with loop-invariant hoisting: equations that do not read the carry are vectorised over
the steps and evaluated before the loop.

A training iteration makes a dozen small random draws. Each is a chain of kernels (a CPU even runs
it as a loop of its own) whose cost is overhead, whatever its size, and none of them depends on the
state of training: they follow from the iteration's key. The body of the loop is written step by
step all the same, with keys where randomness is needed; this module finds in its jaxpr what can be
hoisted.

It is worth 2 to 6 % of an iteration on a CPU (benchmarks/results/NOTES.md). Should jax's interface
to jaxprs change, ``jax.lax.scan`` in its place gives the same results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

from lrdqn.types import PyTree

Carry = TypeVar("Carry")

LIMIT = 2**20
"""Bytes of hoisted values that one loop (of one learner) holds at a time. A loop that needs more is
cut into groups of steps, and values are hoisted to the start of each group."""

INLINED = ("jit", "pjit")
"""Nested calls that are inlined: a random draw is often a call with some arguments that depend on
the carry and some that do not."""


def hoisted_scan(
    body: Callable[[Carry, PyTree], tuple[Carry, PyTree]], init: Carry, xs: PyTree
) -> tuple[Carry, PyTree]:
    """Compute ``jax.lax.scan(body, init, xs)``, everything that depends on ``xs`` alone vectorised
    and hoisted out of the loop.

    The operations and their inputs are those of the plain scan. So are the results, up to the order
    in which a compiler adds floats. With L = 1 the body is called without a loop.

    Args:
        body: ``body(carry, x) -> carry, y``; it may close over traced values, which count as part
            of the carry.
        init: the carry.
        xs: pytree of arrays ``[L, ...]``, keys among them, with L at least 1.
    """
    length = jax.tree.leaves(xs)[0].shape[0]
    if length == 1:
        carry, y = body(init, jax.tree.map(lambda x: x[0], xs))
        return carry, jax.tree.map(lambda x: jnp.asarray(x)[None], y)
    split = Split(
        body, init, jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), xs)
    )
    group = max(
        n for n in range(1, length + 1) if length % n == 0 and (n == 1 or n * split.bytes <= LIMIT)
    )

    def scan_group(carry: Carry, xs: PyTree) -> tuple[Carry, PyTree]:
        return jax.lax.scan(split.loop, carry, jax.vmap(split.hoisted)(xs), group)

    if group == length:
        return scan_group(init, xs)
    carry, ys = jax.lax.scan(
        scan_group, init, jax.tree.map(lambda x: x.reshape(-1, group, *x.shape[1:]), xs)
    )
    return carry, jax.tree.map(lambda y: y.reshape(length, *y.shape[2:]), ys)


class Split:
    """``body`` as two functions: ``hoisted(x) -> invariants`` and
    ``loop(carry, invariants) -> carry, y``.

    Args:
        body: as in ``hoisted_scan``.
        carry, x: examples of its arguments, or their shapes.
    """

    def __init__(
        self, body: Callable[[Any, PyTree], tuple[Any, PyTree]], carry: PyTree, x: PyTree
    ) -> None:
        carry_leaves, x_leaves = jax.tree.leaves(carry), jax.tree.leaves(x)
        closed, shapes = jax.make_jaxpr(body, return_shape=True)(carry, x)
        flat = jax.make_jaxpr(lambda *args: evaluate(closed, args))(*carry_leaves, *x_leaves)
        self.jaxpr, self.consts = flat.jaxpr, flat.consts
        self.result = jax.tree.structure(shapes)
        self.carry_vars, self.x_vars = (
            self.jaxpr.invars[: len(carry_leaves)],
            self.jaxpr.invars[len(carry_leaves) :],
        )
        self.constant, self.invariant, self.dependent = partition_equations(
            self.jaxpr, self.consts, self.x_vars
        )
        made = {*self.x_vars, *(v for eqn in self.invariant for v in eqn.outvars)}
        read = [v for eqn in self.dependent for v in eqn.invars] + self.jaxpr.outvars
        self.hoisted_vars = [
            v for v in dict.fromkeys(v for v in read if isinstance(v, Var)) if v in made
        ]

    @property
    def bytes(self) -> int:
        """Return the size of the hoisted values of one step; a key counts as one word."""
        shapes: list[Any] = [v.aval for v in self.hoisted_vars]
        return sum(math.prod(x.shape) * getattr(x.dtype, "itemsize", 4) for x in shapes)

    def hoisted(self, x: PyTree) -> list[jax.Array]:
        """Evaluate what depends on ``x`` alone, and return the values that ``loop`` reads."""
        return self.run(
            [*self.constant, *self.invariant],
            dict(zip(self.x_vars, jax.tree.leaves(x), strict=True)),
            self.hoisted_vars,
        )

    def loop(self, carry: PyTree, invariants: list[jax.Array]) -> tuple[Any, PyTree]:
        """Evaluate what depends on the carry."""
        known = zip(
            [*self.carry_vars, *self.hoisted_vars],
            [*jax.tree.leaves(carry), *invariants],
            strict=True,
        )
        return jax.tree.unflatten(
            self.result,
            self.run([*self.constant, *self.dependent], dict(known), self.jaxpr.outvars),
        )

    def run(
        self, eqns: Sequence[JaxprEqn], known: dict[Var, Any], wanted: Sequence[Any]
    ) -> list[Any]:
        """Evaluate ``eqns`` in order from the ``known`` values, and return the ``wanted`` ones."""
        values = known | dict(zip(self.jaxpr.constvars, self.consts, strict=True))
        for eqn in eqns:
            values.update(
                zip(eqn.outvars, bind(eqn, [value_of(v, values) for v in eqn.invars]), strict=True)
            )
        return [value_of(v, values) for v in wanted]


def partition_equations(
    jaxpr: Jaxpr, consts: Sequence[Any], inputs: Sequence[Var]
) -> tuple[list[JaxprEqn], ...]:
    """Return the equations that the outputs need, in three lists: those that read constants only,
    those that read ``inputs`` and constants, all others.

    Their order is kept. An equation with effects is needed and belongs to the third list.
    """
    needed = {v for v in jaxpr.outvars if isinstance(v, Var)}
    alive = []
    for eqn in reversed(jaxpr.eqns):
        if eqn.effects or needed.intersection(eqn.outvars):
            alive.append(eqn)
            needed |= {v for v in eqn.invars if isinstance(v, Var)}
    constant = {
        v for v, c in zip(jaxpr.constvars, consts, strict=True) if not isinstance(c, Tracer)
    }
    invariant, lists = set(inputs), ([], [], [])
    for eqn in reversed(alive):
        read = {v for v in eqn.invars if isinstance(v, Var)}
        kind = 2 if eqn.effects or not read <= constant | invariant else int(not read <= constant)
        lists[kind].append(eqn)
        if kind < 2:
            (constant, invariant)[kind].update(eqn.outvars)
    return lists


def evaluate(closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    """Call ``closed`` on ``args``, its nested calls (``INLINED``) inlined."""
    jaxpr = closed.jaxpr
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *args], strict=True))
    for eqn in jaxpr.eqns:
        read = [value_of(v, values) for v in eqn.invars]
        made = (
            evaluate(eqn.params["jaxpr"], read)
            if eqn.primitive.name in INLINED
            else bind(eqn, read)
        )
        values.update(zip(eqn.outvars, made, strict=True))
    return [value_of(v, values) for v in jaxpr.outvars]


def bind(eqn: JaxprEqn, values: Sequence[Any]) -> list[Any]:
    """Evaluate one equation on ``values``, and return its outputs."""
    with eqn.ctx.manager:
        made = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
    return list(made) if eqn.primitive.multiple_results else [made]


def value_of(v: Any, values: dict[Var, Any]) -> Any:
    """Return the value of a literal or of a variable."""
    return v.val if isinstance(v, Literal) else values[v]
