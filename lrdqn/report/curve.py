"""The learning curve ``learning_curve.png``: return over env steps, as mean and interval over
seeds, every seed, and the baselines."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lrdqn.atomic import write_bytes
from lrdqn.compose.words import command, word
from lrdqn.evaluation.statistics import bootstrap_mean
from lrdqn.runner.folder import SUMMARY, read_summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRIC = "return"
RESAMPLES = 2000
NO_MATPLOTLIB = "learning_curve.png needs matplotlib: pip install 'lrdqn[plot]', then {command}"
NO_ROWS = "learning_curve.png: metrics.jsonl has no evaluations to draw"

# Okabe and Ito's palette, distinguishable with any kind of colour vision; the two curves also
# differ in lightness.
CURVES = {"learned": "#0072B2", "myopic": "#D55E00"}
SPARE = ("#009E73", "#CC79A7", "#56B4E9", "#E69F00")
BASELINES = {"random": (0, (1, 1.6)), "popularity": (0, (4, 2)), "content": (0, (6, 2, 1, 2))}
"""Dashes of the baselines, which are named at their lines."""
FEW = 3
"""Up to this many curves have colours of their own; more are drawn as the points of a grid."""
INK, DASHES, FAINT = "#333333", "#5A5A5A", "#E3E3E3"


class Curve(NamedTuple):
    """Evaluations of one policy: ``steps [T]`` and ``values [seeds, T]``, NaN where a seed has
    none."""

    steps: Float[np.ndarray, " T"]
    values: Float[np.ndarray, "n T"]


def draw_curve(
    folder: str | Path, rows: Sequence[Mapping[str, Any]], path: str | Path
) -> str | None:
    """Draw the learning curve of a run.

    Args:
        folder: the run folder; the baselines come from its ``summary.json`` and are left out where
            there is none yet.
        rows: rows of ``metrics.jsonl``; those with ``policy``, ``seed``, ``env_steps`` and
            ``return`` are drawn.
        path: of the PNG.

    Returns:
        ``None`` if the curve was drawn, else a line with the reason: no matplotlib, or nothing to
        draw.

    Raises:
        InputError: the summary is damaged, or ``path`` cannot be written.
    """
    curves = collect(rows)
    if not curves:
        return NO_ROWS
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return NO_MATPLOTLIB.format(command=command("lrdqn", "report", word("run", folder)))
    summary = read_summary(folder) if (Path(folder).expanduser() / SUMMARY).exists() else {}
    # A Figure without pyplot needs no window, no global state and no choice of backend.
    height = 5 if len(curves) <= FEW else 5 + 0.1 * len(curves)
    figure = Figure(figsize=(8, height), dpi=150, layout="constrained")
    axes = figure.subplots()
    for policy, color in _colors(curves).items():
        _draw_policy(axes, policy, curves[policy], color)
    top = max(float(curve.steps[-1]) for curve in curves.values())
    axes.set_xlim(0, 1.01 * top or 1.0)  # room for the last marker
    baselines = {
        name: of[METRIC]["mean"]
        for name, of in summary.get("policies", {}).items()
        if name not in curves and of.get(METRIC, {}).get("mean") is not None
    }
    for name, value in baselines.items():
        axes.axhline(
            value, color=DASHES, linewidth=1.2, linestyle=BASELINES.get(name, "--"), zorder=1
        )
    _decorate(axes, curves, rows, bool(baselines))
    # Axis limits and the height of a line of text are known only after a first drawing.
    figure.draw_without_rendering()
    _name_lines(axes, baselines)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_bytes(Path(path).expanduser(), picture.getvalue())
    return None


def collect(rows: Iterable[Mapping[str, Any]]) -> dict[str, Curve]:
    """Return one ``Curve`` per policy, in the order of their first rows."""
    found: dict[str, dict[int, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if all(key in row for key in ("policy", "seed", "env_steps", METRIC)):
            value = row[METRIC]
            found[row["policy"]][row["seed"]][row["env_steps"]] = (
                float("nan") if value is None else float(value)
            )
    curves = {}
    for policy, seeds in found.items():
        steps = sorted({step for of in seeds.values() for step in of})
        values = np.array(
            [[of.get(step, np.nan) for step in steps] for _, of in sorted(seeds.items())]
        )
        curves[policy] = Curve(np.array(steps, np.float64), values)
    return curves


def band(values: Float[np.ndarray, "n T"]) -> Float[np.ndarray, "T 3"]:
    """Return mean and interval at each point over the seeds that have a value; NaN
    where none has."""
    columns = (column[~np.isnan(column)] for column in values.T)
    return np.array([bootstrap_mean(c, RESAMPLES) if c.size else (np.nan,) * 3 for c in columns])


def _colors(curves: Mapping[str, Curve]) -> dict[str, Any]:
    """Return a colour per policy in drawing order; ``learned`` comes last, on top of the others.
    The points of a grid get one colour map in their order."""
    if len(curves) > FEW:
        from matplotlib import colormaps

        return {
            name: colormaps["viridis"](0.9 * i / (len(curves) - 1)) for i, name in enumerate(curves)
        }
    spare = iter(SPARE * len(curves))
    colors = {name: CURVES.get(name) or next(spare) for name in curves}
    return {name: colors[name] for name in sorted(colors, key=lambda name: name == "learned")}


def _draw_policy(axes: Axes, policy: str, curve: Curve, color: Any) -> None:
    mean, low, high = band(curve.values).T
    alone = curve.values.shape[0] == 1
    marker = "o" if curve.steps.size < 30 else None
    if not alone:
        axes.plot(curve.steps, curve.values.T, color=color, linewidth=0.7, alpha=0.25, zorder=2)
        axes.fill_between(curve.steps, low, high, color=color, alpha=0.2, linewidth=0, zorder=3)
    seeds = "1 seed" if alone else f"{curve.values.shape[0]} seeds"
    style = "--" if policy.startswith("myopic[") else "-"
    axes.plot(
        curve.steps, mean, style, color=color, linewidth=2.2, marker=marker, markersize=4, zorder=4
    )
    axes.lines[-1].set_label(f"{policy} ({seeds})")


def _decorate(
    axes: Axes, curves: Mapping[str, Curve], rows: Sequence[Mapping[str, Any]], baselines: bool
) -> None:
    from matplotlib.ticker import EngFormatter

    axes.set_xlabel(
        "\n".join(["Env steps per seed (one step = one recommendation)", *_circumstances(rows)])
    )
    axes.set_ylabel("Return per session (sum of rewards)")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    # Title, explanation of marks and legend stand above the axes, where no curve crosses them.
    few = len(curves) <= FEW
    title = "Learning curve: the greedy policy on a fixed cohort of session starts"
    axes.set_title(title, loc="left", fontsize=12, pad=46 if few else 26)
    place = (0, 31 if few else 10)
    marks = axes.annotate(
        _marks(curves, baselines),
        (0, 1),
        place,
        "axes fraction",
        "offset points",
        fontsize=9,
        color=INK,
    )
    marks.set_in_layout(False)  # a long line must not squeeze the axes
    handles, labels = axes.get_legend_handles_labels()
    if not few:  # the points of a grid have long names: two columns below the axes
        figure: Any = axes.get_figure()
        figure.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False, fontsize=8)
        return
    axes.legend(
        handles[::-1],
        labels[::-1],
        loc="lower left",
        bbox_to_anchor=(0, 1.02),
        ncols=len(labels),
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        columnspacing=2.5,
    )


def _marks(curves: Mapping[str, Curve], baselines: bool) -> str:
    """Return one line that explains the marks."""
    words = []
    if any(curve.values.shape[0] > 1 for curve in curves.values()):
        words += ["thick: mean", "band: 95 % interval over seeds", "thin: each seed"]
    if baselines:
        words.append("dashes: baselines, final table")
    return "  ·  ".join(words)


def _circumstances(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return at most one line: the wall clock of the run, and the share of the cohort that the
    horizon cut."""
    seconds, cut = (
        [row[key] for row in rows if row.get(key) is not None] for key in ("seconds", "censored")
    )
    words = [f"wall clock {_duration(max(seconds))}"] if seconds else []
    if cut:
        most = max(cut)
        words.append(
            f"the horizon cut at most {100 * most:.1f} % of a seed's sessions"
            if most > 0
            else "no session cut by the horizon"
        )
    return ["; ".join(words)] if words else []


def _name_lines(axes: Axes, baselines: Mapping[str, float]) -> None:
    """Write each baseline's name and value to the right of its line; names that would overlap are
    moved apart and connected to their lines."""
    if not baselines:
        return
    low, high = axes.get_ylim()
    line = (
        12.5 / axes.bbox.height * axes.figure.dpi / 72 * (high - low)
    )  # one line of 9-point text in data units
    order = sorted(baselines, key=lambda name: baselines[name])
    places = spread_out(np.array([baselines[name] for name in order]), line)
    for name, place in zip(order, places, strict=True):
        axes.annotate(
            f"{name} {baselines[name]:.1f}",
            xy=(1, baselines[name]),
            xytext=(1.025, place),
            xycoords=("axes fraction", "data"),
            textcoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
            color=INK,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": DASHES,
                "linewidth": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )


def spread_out(places: Float[np.ndarray, " n"], gap: float) -> Float[np.ndarray, " n"]:
    """Return the places at least ``gap`` apart that are nearest to ascending ``places`` in least
    squares.

    With ``z_i = x_i - i gap`` the condition is that z ascends, so this is isotonic regression by
    pooling adjacent violators.
    """
    blocks: list[tuple[float, int]] = []
    for i, place in enumerate(places):
        total, count = float(place) - i * gap, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            before = blocks.pop()
            total, count = total + before[0], count + before[1]
        blocks.append((total, count))
    level = (
        np.concatenate([np.full(count, total / count) for total, count in blocks])
        if blocks
        else np.zeros(0)
    )
    return level + gap * np.arange(len(places))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
