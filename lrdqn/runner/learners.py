"""Learners of a run, side by side in one program: the points of its grid, and a myopic twin (gamma
= 0) of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lrdqn.compose.grid import points_of, value_at
from lrdqn.compose.roots import TrainRun
from lrdqn.evaluation.summary import LEARNED, MYOPIC

GAMMA = "agent.gamma"


class GridLearner(NamedTuple):
    """Place on the grid axis. ``point`` holds its hyper-parameters by dotted key."""

    name: str
    point: dict[str, float]


def make_learners(
    config: TrainRun, points: Sequence[Mapping[str, float]] | None = None
) -> tuple[GridLearner, ...]:
    """Return a learner for every point with its own discount, then the twins; points that differ
    only in their discount share one twin.

    Args:
        config: of the run.
        points: points to train instead of the config's own grid.
    """
    points = points_of(config.grid) if points is None else points
    learners = [
        GridLearner(learner_name(LEARNED, point), {GAMMA: value_at(config, GAMMA), **point})
        for point in points
    ]
    twins: dict[str, GridLearner] = {}
    if config.train.myopic:
        for point in points:
            if {GAMMA: value_at(config, GAMMA), **point}[GAMMA] > 0:
                rest = {key: value for key, value in point.items() if key != GAMMA}
                twins.setdefault(
                    learner_name(MYOPIC, rest),
                    GridLearner(learner_name(MYOPIC, rest), {GAMMA: 0.0, **rest}),
                )
    return (*learners, *twins.values())


def learner_name(name: str, point: Mapping[str, float]) -> str:
    """Return a learner's name, ``learned[gamma=0.9,learning_rate=0.001]``; the last part of each
    key is unique."""
    values = ",".join(
        f"{key.rpartition('.')[2]}={exact_text(value)}" for key, value in point.items()
    )
    return f"{name}[{values}]" if values else name


def exact_text(value: float) -> str:
    """Return the short form of a number where it is exact, else all digits: two points must not
    share a name."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def is_learned(name: str) -> bool:
    """Return whether a name is that of a point of the grid, and not of a twin or a baseline."""
    return name == LEARNED or name.startswith(f"{LEARNED}[")
