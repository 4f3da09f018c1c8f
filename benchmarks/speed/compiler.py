"""Kernels, arithmetic and memory of an iteration of a program that is one long loop, as the
compiler reports them.

*Kernels.* The optimised HLO is searched from the entry for the outermost loop whose annotated trip
count is the scan's length (of several, the one with most in it), and the instructions of its body
that launch something are counted: fusions, custom calls (library calls, one each, however many
kernels the library starts), copies, and every other operation that was left on its own (dot, sort,
scatter, reduce, collectives, ...). Free are parameters, constants, tuples and their elements,
bitcasts, barriers, and the later halves of asynchronous pairs. An inner loop counts its body times
its trip count; where the compiler does not know that number, body and condition count once, and
``unknown_loops`` tells how many such loops there are. Of the branches of a conditional the dearest
counts. The number is that of one device.

*Arithmetic.* XLA's cost analysis visits the body of a loop once, whatever its trip count (seen on a
CPU with jaxlib 0.10.2): a program's total is that of one iteration and of the little that stands
around the loop, and is not divided by the length. ``multiplies_trips`` tests the backend at hand
with a tiny program; where trip counts are multiplied in, totals are divided by the length. The
analysis sees one device's share, which is multiplied by the number of devices. Two limits: library
calls count no FLOPs, so the program is also analysed as it was handed to the compiler
(``requested_flops``); and an update in place (a scatter into replay) counts the whole operand as
read and written, so bytes are an upper bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

FREE = {
    "parameter",
    "constant",
    "tuple",
    "get-tuple-element",
    "bitcast",
    "after-all",
    "add-dependency",
    "domain",
    "opt-barrier",
    "optimization-barrier",
    "partition-id",
    "replica-id",
    "async-update",
}

HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
OPCODE = re.compile(r"[\]})] ([a-z][a-z0-9\-]*)\(")
TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


class Instruction(NamedTuple):
    """An instruction's opcode and its whole line."""

    opcode: str
    line: str

    def named(self, attribute: str) -> str:
        """Return the computation that an attribute names."""
        found = re.search(rf"\b{attribute}=%?([\w.\-]+)", self.line)
        if found is None:
            raise ValueError(f"{self.opcode} without {attribute}: {self.line.strip()[:200]}")
        return found.group(1)

    def branches(self) -> list[str]:
        """Return the branches of a conditional."""
        found = re.search(r"branch_computations=\{([^}]*)\}", self.line)
        if found is None:
            return [self.named("true_computation"), self.named("false_computation")]
        return [name.strip().lstrip("%") for name in found.group(1).split(",")]

    def trips(self) -> int | None:
        """Return the trip count of a loop, where the compiler knows it."""
        found = TRIPS.search(self.line)
        return int(found.group(1)) if found else None


class Kernels(NamedTuple):
    """Launches, and how many loops of unknown length were counted as one trip."""

    launches: int
    unknown_loops: int = 0


def total(parts: Iterable[Kernels]) -> Kernels:
    """Return the sum of both."""
    launches, loops = zip(Kernels(0), *parts, strict=True)
    return Kernels(sum(launches), sum(loops))


class Module:
    """Computations of an HLO module, read from its text."""

    def __init__(self, text: str) -> None:
        self.computations: dict[str, list[Instruction]] = {}
        self.entry, current = "", None
        for line in text.splitlines():
            header = HEADER.match(line)
            if header:
                current = self.computations.setdefault(header.group(2), [])
                self.entry = header.group(2) if header.group(1) else self.entry
            elif line.startswith("}"):
                current = None
            elif current is not None and (opcode := OPCODE.search(line)):
                current.append(Instruction(opcode.group(1), line))

    def launches(self, name: str) -> Kernels:
        """Return the kernels that one run of a computation launches."""
        return total(map(self.cost, self.computations[name]))

    def cost(self, it: Instruction) -> Kernels:
        """Return the kernels that one instruction launches."""
        if it.opcode in FREE or it.opcode.endswith("-done"):
            return Kernels(0)
        if it.opcode == "call":
            return self.launches(it.named("to_apply"))
        if it.opcode == "conditional":
            return max(map(self.launches, it.branches()))
        if it.opcode == "while":
            trips, body = it.trips(), self.launches(it.named("body"))
            if trips is None:
                return total([body, self.launches(it.named("condition")), Kernels(0, 1)])
            return body._replace(launches=trips * body.launches)
        return Kernels(1)

    def outermost(self, name: str, trips: int) -> Iterator[Instruction]:
        """Return the loops of that many trips that lie in no other such loop."""
        for it in self.computations[name]:
            if it.opcode == "while" and it.trips() == trips:
                yield it
            elif it.opcode == "while":
                yield from self.outermost(it.named("body"), trips)
            elif it.opcode == "call":
                yield from self.outermost(it.named("to_apply"), trips)


def kernels_of_loop(text: str, trips: int) -> Kernels | None:
    """Return the kernels of one iteration of a program's main loop.

    Args:
        text: optimised HLO (``compiled.as_text()``).
        trips: length of the loop, at least 2 (a loop of one trip is dissolved).

    Returns:
        ``None`` where there is no such loop (it was unrolled, or did nothing).
    """
    module = Module(text)
    loops = [module.launches(it.named("body")) for it in module.outermost(module.entry, trips)]
    return max(loops, default=None)


@cache
def multiplies_trips() -> bool:
    """Return whether this backend's cost analysis multiplies the body of a loop by its trip
    count."""
    import jax
    import jax.numpy as jnp

    def flops(length: int) -> float:
        def double(x: Any, _: None) -> tuple[Any, None]:
            return jnp.sin(x @ x), None

        program = jax.jit(lambda x: jax.lax.scan(double, x, None, length=length)[0])
        return (program.lower(jnp.ones((16, 16))).compile().cost_analysis() or {}).get("flops", 0.0)

    return flops(64) > 4 * flops(4) > 0


def cost_per_iteration(
    analysis: dict[str, float] | None, trips: int, devices: int
) -> dict[str, float]:
    """Return ``flops`` and ``bytes`` of one iteration on all devices; what the backend does not
    report is left out.

    Args:
        analysis: of ``compiled.cost_analysis()`` (one device's program), or of ``lowered`` with
            ``devices=1``.
        trips: length of the loop.
        devices: how many run the program.
    """
    names = {"flops": "flops", "bytes accessed": "bytes"}
    share = devices / (trips if multiplies_trips() else 1)
    return {
        short: share * analysis[name]
        for name, short in names.items()
        if analysis and analysis.get(name, -1.0) >= 0
    }


def memory_per_device(compiled: Any) -> dict[str, int]:
    """Return bytes on one device: ``temporary`` (peak of scratch), ``aliased`` (outputs written
    over donated inputs), and the program's ``argument`` and ``output``; empty where the backend
    does not report them."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return {}
    return {
        "temporary": analysis.temp_size_in_bytes,
        "aliased": analysis.alias_size_in_bytes,
        "argument": analysis.argument_size_in_bytes,
        "output": analysis.output_size_in_bytes,
    }
