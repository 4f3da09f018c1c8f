"""From measurements to result rows, and from rows to one readable table per axis of the sweep."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from points import Point
from programs import WHOLE
from timing import Compiled

SUM, UNEXPLAINED = "sum_of_stages", "unexplained"
LEGEND = """\
Cells: how often a training iteration makes the call x median time of one call, all seeds \
together; then what all seeds get
done per second. The whole iteration is a program of its own, not a sum; unexplained is the share \
of it that is in no stage.
"""

Row = dict[str, Any]
Costs = dict[str, float | None]


def figure(metric: str, value: float, unit: str, n: int = 1) -> Row:
    """Return a row's own part."""
    return {"metric": metric, "value": value, "n": n, "unit": unit}


def spread(metric: str, values: Sequence[float], unit: str) -> Row:
    """Return the median of the rounds, with the least and the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return figure(metric, middle, unit, len(values)) | {"min": min(values), "q25": low, "q75": high}


def with_inner_loops(programs: Sequence[Compiled], counted: Costs) -> Costs:
    """Return FLOPs or bytes by stage, with those of a whole iteration completed.

    Where the cost analysis visits the body of a loop once, the whole program's number holds one
    round and one update, however many there are; the others are added from the stages' own
    programs.
    """
    repeated = [(p.stage.calls - 1, counted[p.stage.name]) for p in programs if p.stage.calls > 1]
    whole = counted[WHOLE]
    for times, value in repeated:
        whole = None if whole is None or value is None else whole + times * value
    return counted | {WHOLE: whole}


def stage_figures(
    program: Compiled, times: Sequence[float], seeds: int, costs: dict[str, Costs]
) -> Iterator[Row]:
    """Return the rows of one stage.

    Args:
        program: the stage.
        times: seconds of one call, one per round.
        seeds: learners side by side.
        costs: ``flops``, ``requested_flops`` and ``bytes_accessed`` of one call, by stage.
    """
    stage = program.stage
    time = spread("seconds", times, "s per call, all seeds")
    yield time
    yield figure(
        "speed", stage.amount * seeds / time["value"], f"{stage.unit}/s, all seeds", len(times)
    )
    yield figure("calls", stage.calls, "calls per training iteration")
    yield figure("compile_seconds", program.compile_seconds, "s")
    for metric, by_stage in costs.items():
        value = by_stage[stage.name]
        if value is not None:
            yield figure(
                metric,
                value,
                f"{'bytes' if metric == 'bytes_accessed' else 'FLOPs'} per call, all devices",
            )
    if program.kernels is not None:
        yield figure("kernels", program.kernels.launches, "launches per call, each device")
        yield figure(
            "unknown_loops", program.kernels.unknown_loops, "loops that kernels counts as one trip"
        )
    for metric, size in program.memory.items():
        yield figure(f"{metric}_bytes", size, "bytes, each device")
    if program.alias_share is not None:
        yield figure("alias_share", program.alias_share, "aliased bytes / donated bytes")


def point_rows(
    point: Point,
    programs: Sequence[Compiled],
    times: dict[str, list[float]],
    state_bytes: int,
    devices: int,
    once: bool,
) -> list[Row]:
    """Return all rows of a point.

    Args:
        point: the size.
        programs: its stages, the whole iteration among them.
        times: seconds per call of each, by round.
        state_bytes: of everything that lay on the devices.
        devices: how many there were.
        once: whether the cost analysis visits the body of a loop once.
    """
    costs: dict[str, Costs] = {
        "flops": {p.stage.name: p.cost.get("flops") for p in programs},
        "requested_flops": {p.stage.name: p.requested_flops for p in programs},
        "bytes_accessed": {p.stage.name: p.cost.get("bytes") for p in programs},
    }
    if once:
        costs = {metric: with_inner_loops(programs, counted) for metric, counted in costs.items()}
    rows: list[Row] = []
    for program in programs:
        name = program.stage.name
        rows += [
            {"name": f"{point}/{name}"} | row
            for row in stage_figures(program, times[name], point.seeds, costs)
        ]
    parts = [p.stage for p in programs if p.stage.name != WHOLE]
    whole = times[WHOLE]
    sums = [sum(stage.calls * times[stage.name][i] for stage in parts) for i in range(len(whole))]
    rest = [all_of_it - known for all_of_it, known in zip(whole, sums, strict=True)]
    share = [gap / all_of_it for gap, all_of_it in zip(rest, whole, strict=True)]
    unit = "s per training iteration, all seeds"
    return [
        *rows,
        {"name": f"{point}/{SUM}"} | spread("seconds", sums, unit),
        {"name": f"{point}/{UNEXPLAINED}"} | spread("seconds", rest, unit),
        {"name": f"{point}/{UNEXPLAINED}"} | spread("share", share, "of the whole iteration"),
        {"name": str(point)} | figure("state_bytes", state_bytes, "bytes, all devices"),
        {"name": str(point)} | figure("devices", devices, "devices that the seeds lie on"),
    ]


def scaled(value: float, steps: Sequence[tuple[float, str]]) -> str:
    """Return a number with three digits and a prefix."""
    size, name = next((step for step in steps if abs(value) >= step[0]), steps[-1])
    return f"{value / size:.3g} {name}"


def as_seconds(value: float) -> str:
    """Return a time as text."""
    return scaled(value, ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")))


def as_rate(value: float) -> str:
    """Return a speed as text."""
    return scaled(value, ((1e9, "G/s"), (1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")))


def as_bytes(value: float) -> str:
    """Return a size as text."""
    return scaled(value, ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")))


def points_of(rows: Sequence[Row]) -> set[Point]:
    """Return the points that rows are about, by their names."""
    names = {row["name"].partition("/")[0] for row in rows}
    return {Point(*(int(word.partition("=")[2]) for word in name.split())) for name in names}


def axis_tables(base: Point, rows: Sequence[Row]) -> list[str]:
    """Return Markdown: the legend, and a table for each axis of which several sizes were tried (of
    the first, where there is none)."""
    points = points_of(rows)
    lines = {
        axis: sorted(p for p in points if p._replace(**{axis: 0}) == base._replace(**{axis: 0}))
        for axis in Point._fields
    }
    wanted = [axis for axis, line in lines.items() if len(line) > 1] or [
        axis for axis, line in lines.items() if line
    ][:1]
    return [LEGEND, *(axis_table(axis, lines[axis], rows) for axis in wanted)]


def axis_table(axis: str, line: Sequence[Point], rows: Sequence[Row]) -> str:
    """Return a Markdown table: stages by the sizes of one axis.

    Args:
        axis: a field of ``Point``.
        line: points that differ in it alone.
        rows: of these points, and perhaps of others.
    """
    values = {(row["name"], row["metric"]): row["value"] for row in rows}
    stages = dict.fromkeys(
        row["name"].partition("/")[2] for row in rows if row["metric"] == "speed"
    )

    def table_row(title: str, cell: Callable[[Point], str]) -> str:
        return f"| {title} | " + " | ".join(map(cell, line)) + " |"

    def stage_row(stage: str) -> str:
        def cell(point: Point) -> str:
            time, speed, calls = (
                values.get((f"{point}/{stage}", m)) for m in ("seconds", "speed", "calls")
            )
            if time is None or speed is None:
                return "-"
            return (
                f"{calls} x " if stage != WHOLE else ""
            ) + f"{as_seconds(time)}, {as_rate(speed)}"

        return table_row(stage, cell)

    def plain_row(title: str, stage: str, metric: str, form: Callable[[float], str]) -> str:
        def cell(point: Point) -> str:
            value = values.get((f"{point}/{stage}", metric))
            return "-" if value is None else form(value)

        return table_row(title, cell)

    others = ", ".join(
        f"{name} {value}" for name, value in line[0]._asdict().items() if name != axis
    )
    skipped = {
        row["name"]: row["unit"].partition("; ")[2] for row in rows if row["metric"] == "skipped"
    }
    return "\n".join(
        [
            f"### {axis} ({others})",
            "",
            table_row(axis, lambda point: str(getattr(point, axis))),
            "|---" * (len(line) + 1) + "|",
            *map(stage_row, stages),
            plain_row("sum of the stages", SUM, "seconds", as_seconds),
            plain_row("unexplained", UNEXPLAINED, "share", "{:.0%}".format),
            plain_row("kernels of an iteration", WHOLE, "kernels", "{:.0f}".format),
            plain_row("temporary memory, each device", WHOLE, "temporary_bytes", as_bytes),
            *(
                f"\nSkipped: {point} ({skipped[str(point)]})."
                for point in line
                if str(point) in skipped
            ),
            "",
        ]
    )
