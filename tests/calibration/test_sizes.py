"""Sizes that a log cannot fill are refused before the fit."""

from __future__ import annotations

import pytest

from lrdqn.calibration.sizes import check_sizes
from lrdqn.compose.roots import CalibrateRun
from lrdqn.config import InputError


def test_one_user_or_one_item_is_said_instead_of_an_empty_range() -> None:
    for users, items in ((1, 12), (12, 1)):
        with pytest.raises(
            InputError, match=f"{users} users and {items} items; must have at least 2"
        ):
            check_sizes(CalibrateRun(source="movielens"), users, items)


def test_the_candidates_must_fit_only_where_the_intercepts_are_fitted() -> None:
    config = CalibrateRun(source="kuailive", factors=2)
    few = config.env.candidates - 1
    with pytest.raises(InputError, match=f"env.candidates=.*must be at most {few}"):
        check_sizes(config, 100, few)
    config.fit = False
    check_sizes(config, 100, few)
