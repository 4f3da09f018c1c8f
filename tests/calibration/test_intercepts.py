"""Intercepts of the user law: steps by hand, metrics that a fit reaches, and constants recovered
from a log made with them."""

from __future__ import annotations

import dataclasses
import math

import pytest

from lrdqn.calibration.intercepts import (
    INTERCEPTS,
    PUBLISHED,
    FittedIntercepts,
    engaged_share,
    fit_intercepts,
    scaled,
    shifted,
)
from lrdqn.calibration.settings import changed_settings, with_settings
from lrdqn.compose.freeze import freeze
from lrdqn.compose.roots import CalibrateRun
from lrdqn.config import ConfigError
from lrdqn.envs.live.config import LiveConfig, UserLawConfig

WORLD = LiveConfig(streamers=150, users=200)
OFF = {"click_bias": -1.9, "engage_bias": -3.6, "reaction_norm": 6.0, "return_bias": 1.5}


def test_a_logit_moves_by_the_difference_of_logits() -> None:
    assert shifted(-0.4, 0.8, 0.5) == pytest.approx(-0.4 - math.log(4))
    assert shifted(0.0, 0.999, 0.01) == -2.0, "a step is cut"
    assert shifted(-11.5, 0.999, 0.01) == -12.0, "and so is the constant"


def test_a_norm_moves_by_the_ratio_of_rates() -> None:
    assert scaled(2.6, 0.06, 0.03) == pytest.approx(5.2)
    assert scaled(2.6, 3.0, 0.03) == pytest.approx(26.0), "at most tenfold"
    assert scaled(2.6, 0.0, 0.03) == scaled(2.6, 0.03, 0.0) == 2.6, "no comment tells nothing"


@pytest.mark.parametrize(
    "law", [UserLawConfig(bounce_median=216, bounce_sigma=1.43), UserLawConfig(dwell_sigma=40)]
)
def test_watches_that_tell_nothing_are_refused(law: UserLawConfig) -> None:
    with pytest.raises(
        ConfigError, match=r"env\.law\.dwell_median=216.*: an engaged watch must be longer"
    ):
        fit_intercepts(dataclasses.replace(WORLD, law=law), 0)


def test_the_share_of_engaged_watches_behind_a_mean() -> None:
    law = UserLawConfig(
        bounce_median=4.0,
        bounce_sigma=0.0,
        dwell_median=200.0,
        dwell_sigma=math.sqrt(2 * math.log(2)),
    )
    assert engaged_share(4.0, law) == pytest.approx(0)
    assert engaged_share(0.25 * 400 + 0.75 * 4, law) == pytest.approx(0.25)


@pytest.fixture(scope="module")
def own() -> FittedIntercepts:
    """The default law fitted to the published metrics."""
    return fit_intercepts(WORLD, 3)


@pytest.mark.slow
def test_a_fit_meets_what_is_wanted(own: FittedIntercepts) -> None:
    assert own.wanted == PUBLISHED
    for metric, wanted in PUBLISHED.items():
        assert own.after[metric] == pytest.approx(wanted, rel=0.03), metric
    assert any(
        abs(own.before[metric] / wanted - 1) > 0.05 for metric, wanted in PUBLISHED.items()
    ), "or nothing was fitted"


@pytest.mark.slow
def test_constants_are_recovered_from_the_log_that_they_made(own: FittedIntercepts) -> None:
    elsewhere = dataclasses.replace(WORLD, law=dataclasses.replace(WORLD.law, **OFF))
    found = fit_intercepts(elsewhere, 3, own.before | {"next-day return": math.nan})
    law = UserLawConfig()
    assert found.wanted["next-day return"] == PUBLISHED["next-day return"], (
        "a metric that the log lacks has the published value"
    )
    for name, atol in (("click_bias", 0.05), ("engage_bias", 0.1)):
        assert found.constants[name] == pytest.approx(getattr(law, name), abs=atol), name
    assert found.constants["reaction_norm"] == pytest.approx(law.reaction_norm, rel=0.08)
    assert (
        found.before["watch per click, mean (s)"] < 0.8 * own.before["watch per click, mean (s)"]
    ), "or it began there"


def test_settings_become_a_world() -> None:
    env = with_settings(WORLD, {"env.law.click_bias": -1.0, "env.schedule.room_hours": 2.0}, None)
    assert (env.law.click_bias, env.schedule.room_hours, env.population) == (-1.0, 2.0, None)
    assert dataclasses.replace(env, law=WORLD.law, schedule=WORLD.schedule) == WORLD
    assert {c.name for c in INTERCEPTS} <= {f.name for f in dataclasses.fields(UserLawConfig)}


def test_what_was_chosen_for_a_fit_is_named_for_the_training() -> None:
    law = dataclasses.replace(UserLawConfig(), click_slope=0.5)
    env = dataclasses.asdict(dataclasses.replace(WORLD, law=law, world_seed=4))
    frozen = freeze(CalibrateRun, dataclasses.asdict(CalibrateRun(env=env)))
    chosen = changed_settings(frozen.env, LiveConfig(), "env.")
    assert chosen == {
        "env.streamers": 150,
        "env.users": 200,
        "env.law.click_slope": 0.5,
        "env.world_seed": 4,
    }
    assert changed_settings(LiveConfig(), LiveConfig(), "env.") == {}
