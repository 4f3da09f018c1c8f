"""Fitted constants outside the ranges of a world are left out, and a line says so."""

from __future__ import annotations

import math

import pytest
from data.kuailive_mini import make_mini

from lrdqn.calibration.law_from_kuailive import fitted_law
from lrdqn.calibration.plausible import CONSTANTS, split_plausible
from lrdqn.logs.kuailive import KuaiLive, read_kuailive


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> KuaiLive:
    mini = make_mini(users=40, streamers=60, rooms=200)
    return read_kuailive(mini.write(tmp_path_factory.mktemp("mini")))


@pytest.mark.parametrize("name", CONSTANTS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.37e11, -1e9])
def test_no_constant_outside_its_range_is_kept(name: str, value: float) -> None:
    kept, lines = split_plausible({name: value}, CONSTANTS, "the default stays")
    assert not kept
    assert len(lines) == 1
    assert lines[0].startswith(name)
    assert "the default stays" in lines[0]


def test_every_constant_of_a_good_log_is_kept(log: KuaiLive) -> None:
    law = fitted_law(log)
    assert split_plausible(law, CONSTANTS, "") == (law, [])
    assert set(law) <= set(CONSTANTS)


def test_a_log_without_watching_leaves_rates_and_watches_unmeasured(log: KuaiLive) -> None:
    assert log.clicks.amount is not None
    still = log._replace(clicks=log.clicks._replace(amount=0 * log.clicks.amount))
    kept, lines = split_plausible(fitted_law(still), CONSTANTS, "the default stays")
    measured = {key.rpartition(".")[2] for key in kept}
    assert not measured & {"comment_rate", "like_rate", "gift_rate", "dwell_median", "engage_bias"}
    assert "rooms_per_day" in measured
    assert all("not measured" in line for line in lines)
