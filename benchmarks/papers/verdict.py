"""A paper's claims against measurements: rows, their table, PASS or FAIL, and a command around
them."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = Path(__file__).resolve().parents[1] / "results"
HEADER = "| what | expected | got | tolerance | |\n|---|---|---|---|---|"

# Okabe and Ito's palette: told apart with any kind of colour vision.
BLUE, ORANGE, GREEN, PINK, SKY, YELLOW, INK = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#333333",
)

Row = dict[str, Any]


class Outcome(NamedTuple):
    """The result of a study: its rows, and a function that plots it on an empty figure."""

    rows: list[Row]
    draw: Callable[[Figure], None]


class Study(NamedTuple):
    """A paper's table as a function of the command line."""

    name: str
    doc: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Outcome]


def near(
    name: str,
    metric: str,
    expected: float,
    got: float,
    tolerance: float,
    n: int,
    unit: str,
    share: bool = False,
) -> Row:
    """Return a row that passes where ``|got - expected| <= tolerance``, or that times
    ``|expected|`` where it is a ``share``."""
    reach = tolerance * abs(expected) if share else tolerance
    words = f"± {tolerance * 100:g} %" if share else f"± {tolerance:g}"
    return _row(
        name, metric, got, f"{expected:.6g}", words, (expected - reach, expected + reach), n, unit
    )


def within(name: str, metric: str, low: float, high: float, got: float, n: int, unit: str) -> Row:
    """Return a row that passes where ``low <= got <= high``; the bounds may be infinite."""
    words = (
        f"at least {low:g}"
        if high == math.inf
        else f"at most {high:g}"
        if low == -math.inf
        else f"{low:g} to {high:g}"
    )
    return _row(name, metric, got, words, "-", (low, high), n, unit)


def _row(
    name: str,
    metric: str,
    got: float,
    expected: str,
    tolerance: str,
    span: tuple[float, float],
    n: int,
    unit: str,
) -> Row:
    low, high = span
    verdict = "PASS" if low <= got <= high else "FAIL"  # a NaN fails
    return {
        "name": name,
        "metric": metric,
        "value": float(got),
        "expected": expected,
        "tolerance": tolerance,
        "verdict": verdict,
        "n": n,
        "unit": unit,
    }


def failed(rows: Sequence[Row]) -> bool:
    """Return whether a row fails; no rows at all prove nothing, and fail too."""
    return not rows or any(row["verdict"] != "PASS" for row in rows)


def table(rows: Sequence[Row]) -> str:
    """Return the Markdown table: expected, got, tolerance and verdict; a row's ``range`` stands
    behind what was got."""
    lines = [
        f"| {row['name']}: {row['metric']} | {row['expected']} "
        f"| {row['value']:.5g}{row.get('range', '')} "
        f"| {row['tolerance']} | {row['verdict']} |"
        for row in rows
    ]
    return "\n".join([HEADER, *lines])


def parse(study: Study, argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line of a study; ``out`` is ``None`` where no plot is wanted."""
    parser = argparse.ArgumentParser(
        description=study.doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    study.options(parser)
    common_options(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there as well")
    return with_out(parser.parse_args(argv))


def common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command here."""
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a small version; writes no files, unless --out says where",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of what is written (benchmarks/results)"
    )


def with_out(given: argparse.Namespace) -> argparse.Namespace:
    """Refuse to let a quick run replace recorded results by accident."""
    given.out = given.out or (None if given.quick else RESULTS)
    return given


def measure(study: Study, given: argparse.Namespace) -> list[Row]:
    """Run a study on the CPU, print its table and write its plot; rows get the seconds that all of
    it took."""
    import jax

    jax.config.update(
        "jax_platforms", "cpu"
    )  # programs of small steps, which the rows say ran on a CPU
    began = time.perf_counter()
    outcome = study.run(given)
    took = round(time.perf_counter() - began, 1)
    print(f"{study.name} ({took:g} s)\n\n{table(outcome.rows)}\n", flush=True)
    if given.out is not None:
        write_figure(outcome.draw, given.out / f"{study.name}.png")
    return [row | {"seconds": took} for row in outcome.rows]


def write_figure(draw: Callable[[Figure], None], path: Path) -> None:
    """Draw on a figure of its own: no pyplot, so no window and no backend to choose."""
    from matplotlib.figure import Figure

    figure = Figure(dpi=120, layout="constrained")
    draw(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def command(study: Study, argv: Sequence[str]) -> int:
    """Run a study as a command; the exit code is 1 where a row fails."""
    given = parse(study, argv)
    rows = measure(study, given)
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")
    fails = [row for row in rows if row["verdict"] != "PASS"]
    print(f"{len(rows) - len(fails)} of {len(rows)} pass")
    return int(failed(rows))
