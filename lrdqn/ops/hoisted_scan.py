"""A scan that draws ahead: what follows from its inputs alone is computed for many steps in one go,
outside the loop.

A training iteration makes a dozen small random draws. Each is a chain of kernels (a CPU even runs
it as a loop of its own) that costs its overhead, whatever its size, and none of them depends on the
state of training: they follow from the iteration's key. Code is written step by step all the same,
with keys where randomness is needed; this finds what can be taken out of the loop.
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
"""Bytes of drawn numbers that one loop (of one learner) holds at a time; a longer one draws in
groups."""

INLINED = ("jit", "pjit")
"""Calls that are looked into: a draw is often one with arguments from both sides."""


def hoisted_scan(
    body: Callable[[Carry, PyTree], tuple[Carry, PyTree]], init: Carry, xs: PyTree
) -> tuple[Carry, PyTree]:
    """``jax.lax.scan(body, init, xs)`` with everything that depends on ``xs`` alone computed
    outside the loop, vectorised.

    The operations and their inputs are the same, so the results are, up to the order in which a
    compiler adds floats. A loop of one step is no loop.

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

    def some(carry: Carry, xs: PyTree) -> tuple[Carry, PyTree]:
        return jax.lax.scan(split.late, carry, jax.vmap(split.early)(xs), group)

    if group == length:
        return some(init, xs)
    carry, ys = jax.lax.scan(
        some, init, jax.tree.map(lambda x: x.reshape(-1, group, *x.shape[1:]), xs)
    )
    return carry, jax.tree.map(lambda y: y.reshape(length, *y.shape[2:]), ys)


class Split:
    """``body`` as two functions: ``early(x) -> drawn`` and ``late(carry, drawn) -> carry, y``.

    Args:
        body: as in ``hoisted_scan``.
        carry, x: examples of its arguments, or their shapes.
    """

    def __init__(
        self, body: Callable[[Any, PyTree], tuple[Any, PyTree]], carry: PyTree, x: PyTree
    ) -> None:
        leaves, known = jax.tree.leaves(carry), jax.tree.leaves(x)
        closed, shapes = jax.make_jaxpr(body, return_shape=True)(carry, x)
        flat = jax.make_jaxpr(lambda *args: evaluate(closed, args))(*leaves, *known)
        self.jaxpr, self.consts = flat.jaxpr, flat.consts
        self.result = jax.tree.structure(shapes)
        self.carried, self.given = (
            self.jaxpr.invars[: len(leaves)],
            self.jaxpr.invars[len(leaves) :],
        )
        self.fixed, self.drawing, self.rest = sorted_by_time(self.jaxpr, self.consts, self.given)
        made = {*self.given, *(v for eqn in self.drawing for v in eqn.outvars)}
        wanted = [v for eqn in self.rest for v in eqn.invars] + self.jaxpr.outvars
        self.drawn = [
            v for v in dict.fromkeys(v for v in wanted if isinstance(v, Var)) if v in made
        ]

    @property
    def bytes(self) -> int:
        """Of what one step has drawn; a key counts as one word."""
        drawn: list[Any] = [v.aval for v in self.drawn]
        return sum(math.prod(x.shape) * getattr(x.dtype, "itemsize", 4) for x in drawn)

    def early(self, x: PyTree) -> list[jax.Array]:
        """What the rest needs to know of ``x``."""
        return self.play(
            [*self.fixed, *self.drawing],
            dict(zip(self.given, jax.tree.leaves(x), strict=True)),
            self.drawn,
        )

    def late(self, carry: PyTree, drawn: list[jax.Array]) -> tuple[Any, PyTree]:
        """The rest."""
        known = zip([*self.carried, *self.drawn], [*jax.tree.leaves(carry), *drawn], strict=True)
        return jax.tree.unflatten(
            self.result, self.play([*self.fixed, *self.rest], dict(known), self.jaxpr.outvars)
        )

    def play(
        self, eqns: Sequence[JaxprEqn], known: dict[Var, Any], wanted: Sequence[Any]
    ) -> list[Any]:
        """Evaluate some of the equations."""
        values = known | dict(zip(self.jaxpr.constvars, self.consts, strict=True))
        for eqn in eqns:
            values.update(
                zip(eqn.outvars, bind(eqn, [value_of(v, values) for v in eqn.invars]), strict=True)
            )
        return [value_of(v, values) for v in wanted]


def sorted_by_time(
    jaxpr: Jaxpr, consts: Sequence[Any], given: Sequence[Var]
) -> tuple[list[JaxprEqn], ...]:
    """Equations that are needed, in three lists: of constants only; of ``given`` and constants; all
    others. Order is kept."""
    needed = {v for v in jaxpr.outvars if isinstance(v, Var)}
    alive = []
    for eqn in reversed(jaxpr.eqns):
        if eqn.effects or needed.intersection(eqn.outvars):
            alive.append(eqn)
            needed |= {v for v in eqn.invars if isinstance(v, Var)}
    constant = {
        v for v, c in zip(jaxpr.constvars, consts, strict=True) if not isinstance(c, Tracer)
    }
    early, lists = set(given), ([], [], [])
    for eqn in reversed(alive):
        read = {v for v in eqn.invars if isinstance(v, Var)}
        when = 2 if eqn.effects or not read <= constant | early else 0 if read <= constant else 1
        lists[when].append(eqn)
        if when < 2:
            (constant, early)[when].update(eqn.outvars)
    return lists


def evaluate(closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    """The function that ``closed`` stands for, its nested calls looked into."""
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
    """One equation on values."""
    with eqn.ctx.manager:
        made = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
    return list(made) if eqn.primitive.multiple_results else [made]


def value_of(v: Any, values: dict[Var, Any]) -> Any:
    """A literal's value, or a variable's."""
    return v.val if isinstance(v, Literal) else values[v]
