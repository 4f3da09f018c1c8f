"""The number of updates that replay needs on the Blind Cliffwalk (Schaul et al. 2016, section 3.1,
Figures 1 and 2, appendix B.1).

    python benchmarks/papers/blind_cliffwalk.py [--states N ...] [--seeds N] [--quick] [--out DIR]
    [--json FILE]

Uniform, proportional and rank-based replay are those of the agents, one transition per update and
no importance weights; the hindsight oracle and greedy replay are here for comparison. The paper has
curves only: the expected medians are those of an independent program with the same settings, 21
seeds (paper: 10), parameters normal with standard deviation 0.1, priorities |TD error| + 0.001.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from cliffwalk import Rule, size_of, solve
from verdict import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PINK,
    SKY,
    YELLOW,
    Outcome,
    Row,
    Study,
    command,
    near,
    within,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Line(NamedTuple):
    """A curve of the paper's plots."""

    rule: Rule
    medians: dict[int, int]
    """Expected median by number of states."""
    tolerance: float
    """Tolerance, as a share of the median."""
    color: str


TABULAR = {
    "oracle": Line(
        Rule("oracle", 0.0, False),
        {2: 33, 4: 94, 6: 189, 8: 321, 10: 483, 12: 678, 14: 895},
        0.10,
        INK,
    ),
    "greedy": Line(
        Rule("greedy", 0.0, False),
        {2: 33, 4: 103, 6: 278, 8: 752, 10: 2372, 12: 8633, 14: 33_319},
        0.15,
        PINK,
    ),
    "proportional, alpha 1": Line(
        Rule("prioritized", 1.0, False),
        {2: 37, 4: 131, 6: 357, 8: 934, 10: 2989, 12: 10_855, 14: 40_223},
        0.30,
        ORANGE,
    ),
    "proportional, alpha 0.6": Line(
        Rule("prioritized", 0.6, False),
        {2: 42, 4: 161, 6: 455, 8: 1421, 10: 4718, 12: 15_920, 14: 59_442},
        0.30,
        YELLOW,
    ),
    "uniform": Line(
        Rule("uniform", 0.0, False),
        {2: 70, 4: 400, 6: 1584, 8: 6440, 10: 28_952, 12: 101_113, 14: 479_334},
        0.30,
        BLUE,
    ),
}
"""Fastest first, on every size from 6 states on."""
LINEAR = {
    "rank, alpha 1": Line(
        Rule("rank", 1.0, True), {2: 43, 4: 150, 6: 400, 8: 1257, 10: 3231}, 0.30, GREEN
    ),
    "rank, alpha 0.7": Line(
        Rule("rank", 0.7, True), {2: 47, 4: 162, 6: 456, 8: 1333, 10: 3969}, 0.30, SKY
    ),
    "proportional, alpha 1": Line(
        Rule("prioritized", 1.0, True),
        {2: 43, 4: 146, 6: 401, 8: 1102, 10: 3346, 12: 10_922, 14: 49_481},
        0.30,
        ORANGE,
    ),
    "proportional, alpha 0.6": Line(
        Rule("prioritized", 0.6, True),
        {2: 45, 4: 171, 6: 489, 8: 1472, 10: 4640, 12: 14_985, 14: 69_473},
        0.30,
        YELLOW,
    ),
    "uniform": Line(
        Rule("uniform", 0.0, True),
        {2: 59, 4: 303, 6: 1104, 8: 5523, 10: 19_533, 12: 78_539, 14: 320_946},
        0.30,
        BLUE,
    ),
}
PANELS = {"tabular": TABULAR, "linear": LINEAR}
SLOPE_FROM = 6
"""Fewer states are too few for a straight line."""

Counts = dict[tuple[str, str, int], np.ndarray]
"""Updates of each seed by panel, line and number of states."""


def measure(states: list[int], seeds: int) -> Counts:
    """Count the updates of every line; a line stops where no median is known, since rank sorts the
    whole memory in each update."""
    counts: Counts = {}
    for n in states:
        began = time.perf_counter()
        for panel, lines in PANELS.items():
            for name, line in lines.items():
                if n in line.medians:
                    counts[panel, name, n] = solve(line.rule, n, seeds)
        print(
            f"  {n} states, {size_of(n)} transitions: {time.perf_counter() - began:.1f} s",
            flush=True,
        )
    return counts


def slope(counts: Counts, panel: str, name: str) -> float | None:
    """Return the slope of log(updates) over log(transitions), least squares; ``None`` from fewer
    than two sizes."""
    found = {
        n: np.median(c)
        for (p, line, n), c in counts.items()
        if (p, line) == (panel, name) and n >= SLOPE_FROM
    }
    if len(found) < 2:
        return None
    return float(
        np.polyfit(np.log([size_of(n) for n in found]), np.log(list(found.values())), 1)[0]
    )


def judge(counts: Counts, seeds: int) -> list[Row]:
    """Return rows for the medians, the slope of uniform replay, the order of the rules, and how
    much prioritisation saves."""
    rows = []
    for (panel, name, n), found in counts.items():
        line = PANELS[panel][name]
        row = near(
            f"{panel} {name}",
            f"median updates, {n} states",
            line.medians[n],
            float(np.median(found)),
            line.tolerance,
            seeds,
            "updates",
            share=True,
        )
        rows.append(
            row
            | {
                "range": f" [{found.min()}-{found.max()}]",
                "min": int(found.min()),
                "max": int(found.max()),
            }
        )
    for panel in PANELS:
        found = slope(counts, panel, "uniform")
        if found is not None:
            rows.append(
                within(
                    f"{panel} uniform",
                    "slope of log updates over log transitions",
                    0.93,
                    1.10,
                    found,
                    seeds,
                    "-",
                )
            )
    for n in sorted({n for *_, n in counts if n >= SLOPE_FROM}):
        medians = [float(np.median(counts["tabular", name, n])) for name in TABULAR]
        pairs = sum(a < b for a, b in itertools.pairwise(medians))
        rows.append(
            near(
                f"order {' < '.join(TABULAR)}",
                f"pairs in order, {n} states",
                4,
                pairs,
                0,
                seeds,
                "pairs",
            )
        )
    if ("tabular", "uniform", 10) in counts:
        ratio = np.median(counts["tabular", "uniform", 10]) / np.median(
            counts["tabular", "proportional, alpha 0.6", 10]
        )
        name = "tabular uniform / proportional, alpha 0.6"
        rows.append(within(name, "ratio of medians, 10 states", 4.5, 8, float(ratio), seeds, "-"))
    return rows


def draw(figure: Figure, counts: Counts) -> None:
    """Plot median and range of updates over the size of the memory, both logarithmic."""
    figure.set_size_inches(11, 4.8)
    for axes, (panel, lines) in zip(
        figure.subplots(1, 2, sharey=True), PANELS.items(), strict=True
    ):
        for name, line in lines.items():
            found = [
                (size_of(n), c) for (p, of, n), c in counts.items() if (p, of) == (panel, name)
            ]
            sizes = [size for size, _ in found]
            steep = slope(counts, panel, name)
            label = name if steep is None else f"{name} (slope {steep:.2f})"
            axes.plot(
                sizes,
                [np.median(c) for _, c in found],
                "o-",
                color=line.color,
                markersize=4,
                label=label,
            )
            low, high = ([pick(c) for _, c in found] for pick in (np.min, np.max))
            axes.fill_between(sizes, low, high, color=line.color, alpha=0.15, lw=0)
        axes.set(
            xscale="log", yscale="log", xlabel="transitions in the memory", title=f"{panel} values"
        )
        marks = sorted({size_of(n) for *_, n in counts})
        axes.set_xticks(marks, [str(mark) for mark in marks])
        axes.set_xticks([], minor=True)
        axes.legend(frameon=False, fontsize="small")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("updates until the error is below 0.001")


def options(parser: argparse.ArgumentParser) -> None:
    allowed = sorted(TABULAR["uniform"].medians)
    parser.add_argument(
        "--states",
        type=int,
        nargs="+",
        choices=allowed,
        metavar="N",
        help=f"sizes, of {allowed} (6 8 10; quick 6); 14 takes minutes",
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="independent learners (21)")


def run(given: argparse.Namespace) -> Outcome:
    seeds = given.seeds or 21
    counts = measure(given.states or ([6] if given.quick else [6, 8, 10]), seeds)
    return Outcome(judge(counts, seeds), lambda figure: draw(figure, counts))


STUDY = Study("blind_cliffwalk", __doc__ or "", options, run)

if __name__ == "__main__":
    sys.exit(command(STUDY, sys.argv[1:]))
