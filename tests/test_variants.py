"""A covering set of pairs of the family's parts trains; pairs that cannot be combined are refused
by name."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest
from family import AXES, allowed, covering, pairs_of, play, refusal

PLAIN = dict(
    zip(
        AXES,
        ("max", "1", "linear", "dense", "mean", "uniform", "probe", "mse", "none"),
        strict=True,
    )
)


@pytest.mark.slow
def test_every_pair_that_is_allowed_trains() -> None:
    """One after the other in one test: the set is found by asking the project, which takes a
    while."""
    for combination in covering():
        play(combination)
        jax.clear_caches()  # a hundred programs would stay in memory


@pytest.mark.slow
def test_the_covering_set_covers() -> None:
    assert set().union(*(pairs_of(c) for c in covering())) == set().union(
        *(pairs_of(c) for c in allowed())
    )
    assert len(covering()) < len(allowed()) / 50
    used = [{c[i] for c in covering()} for i in range(len(AXES))]
    assert used == [set(values) for values in AXES.values()], "every value of every axis is tried"


REFUSED = [
    ({"target": "lambda"}, r"replay=uniform: .*use replay=queue"),
    ({"replay": "queue"}, r"replay=queue: .*agent\.target=lambda"),
    ({"target": "lambda", "replay": "queue", "n_steps": "3"}, r"agent\.n_steps=3: .*must be 1"),
    ({"target": "munchausen", "n_steps": "3"}, r"agent\.n_steps=3: .*must be 1"),
    ({"value": "categorical", "loss": "huber"}, r"agent\.loss=huber: .*leave agent\.loss out"),
    ({"value": "quantile", "loss": "huber"}, r"agent\.loss=huber: .*leave agent\.loss out"),
    ({"place": "garnet", "head": "dueling"}, r"network\.head=dueling: .*must be linear"),
    ({"place": "garnet", "layers": "noisy"}, r"network\.layers=noisy: .*must be dense"),
    ({"place": "garnet", "value": "quantile"}, r"network\.value=quantile: .*must be mean"),
    ({"place": "garnet", "norm": "layer"}, r"network\.norm=layer: .*must be none"),
]


@pytest.mark.parametrize(("changes", "line"), REFUSED)
def test_impossible_pairs_are_refused_by_name(changes: dict[str, str], line: str) -> None:
    refused = refusal(tuple((PLAIN | changes).values()))
    assert refused is not None
    assert re.search(line, refused)
    assert "\n" not in refused


def test_plain_parts_are_allowed_and_train() -> None:
    assert refusal(tuple(PLAIN.values())) is None
    assert np.isfinite(play(tuple(PLAIN.values()))["loss"]).all()
