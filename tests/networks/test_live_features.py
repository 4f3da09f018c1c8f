"""What the scorer makes of a platform's log: its inputs, and where its values start."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, make_live, small_world

from lrdqn import baselines
from lrdqn.config import NetworkConfig
from lrdqn.envs.live.log.attach import LogMethod, make_profiles
from lrdqn.networks.live_features import (
    live_features,
    prediction_features,
    taste_match,
)
from lrdqn.networks.live_scorer import Shapes, make_scorer
from lrdqn.observations import RETURN_DISCOUNT
from lrdqn.ops.losses import mse
from lrdqn.ops.masking import MASKED
from lrdqn.ops.values import make_expected
from lrdqn.types import Hypers, View

CONFIG = live_config(log={"impressions": 6_000})
WORLD = small_world(CONFIG)
METHOD = LogMethod(baselines.LOGGING["reference"], prediction_features)
CATALOGUE = jax.jit(make_profiles(CONFIG, METHOD))(jax.random.key(0), WORLD)
OBS = make_live(CONFIG, 32).reset(jax.random.key(1), WORLD)[1]


def hypers(**changes: float) -> Hypers:
    return Hypers(
        **{k: jnp.float32(v) for k, v in (dict.fromkeys(Hypers._fields, 1.0) | changes).items()}
    )


def scorer(catalogue: Any) -> Any:
    return make_scorer(NetworkConfig(), Shapes.of(catalogue, OBS), make_expected(mse))


def test_the_match_is_an_inner_product() -> None:
    found = np.asarray(taste_match(OBS, CATALOGUE))
    taste = np.asarray(CATALOGUE.taste)[np.asarray(OBS.user)]
    content = np.concatenate([CATALOGUE.style, CATALOGUE.category], axis=1)
    for n in range(4):
        want = [taste[n] @ content[s] for s in np.asarray(OBS.candidates)[n]]
        np.testing.assert_allclose(found[n], want, atol=1e-5)


def test_predictions_are_linear_in_what_they_were_fitted_on() -> None:
    features = np.asarray(prediction_features(OBS, CATALOGUE))
    assert features.shape[-1] == CATALOGUE.prediction.shape[0]
    assert (features[..., -1] == 1).all()
    found = np.asarray(live_features(OBS, CATALOGUE).predicted)
    np.testing.assert_allclose(found, features @ np.asarray(CATALOGUE.prediction), atol=2e-3)
    reward, value = found[..., 0], found[..., 1]
    assert value.mean() > 3 * reward.mean() > 0


@pytest.mark.parametrize(
    ("gamma", "share"), [(0.0, 0.0), (0.5, 1 / 19), (0.9, 9 / 19), (0.95, 1.0), (1.0, 1.0)]
)
def test_values_start_as_the_log_predicts_at_this_discount(gamma: float, share: float) -> None:
    assert RETURN_DISCOUNT == 0.95
    network = scorer(CATALOGUE)
    params = network.warm(network.init(jax.random.key(2)), hypers(gamma=gamma, reward_scale=0.1))
    q = np.asarray(network.apply(params, OBS, CATALOGUE, None).q)
    reward, value = np.moveaxis(np.asarray(live_features(OBS, CATALOGUE).predicted), -1, 0)
    np.testing.assert_allclose(q, 0.1 * ((1 - share) * reward + share * value), atol=1e-4)


def test_without_a_log_values_start_as_the_content_ranking() -> None:
    network = scorer(WORLD.catalogue)
    assert network.warm is None
    q = np.asarray(network.apply(network.init(jax.random.key(2)), OBS, WORLD.catalogue, None).q)
    near = live_features(OBS, WORLD.catalogue).cosine
    np.testing.assert_allclose(q, 0.1 * np.asarray(near), atol=1e-6)


@pytest.mark.parametrize("column", [0, 1])
def test_policies_are_greedy_on_a_prediction(column: int) -> None:
    policy = baselines.make_predicted(column)
    view = View(OBS, CATALOGUE)
    scores = np.asarray(policy.scores((), view, jax.random.key(0)))
    predicted = np.asarray(live_features(OBS, CATALOGUE).predicted)[..., column]
    np.testing.assert_array_equal(scores, np.where(OBS.mask, predicted, MASKED))
    action, _ = policy.act((), view, jax.random.key(0))
    np.testing.assert_array_equal(action, scores.argmax(axis=1))


def test_profile_ranks_by_estimated_interest_and_bias() -> None:
    scores = np.asarray(
        baselines.make_profile().scores((), View(OBS, CATALOGUE), jax.random.key(0))
    )
    style, category = np.asarray(CATALOGUE.style), np.asarray(CATALOGUE.category)
    for n in range(4):
        taken = [s for s in np.asarray(OBS.history)[n] if s != WORLD.nothing]
        stays = [
            s
            for s, w in zip(OBS.history[n], OBS.history_watch[n], strict=True)
            if s != WORLD.nothing and float(w) > np.log(20)
        ]
        taste = np.asarray(CATALOGUE.taste)[int(OBS.user[n])]
        d = style.shape[1]
        sums = (style[np.array(x, int)].sum(axis=0) / (len(taken) + 5) for x in (taken, stays))
        interest = 0.189 * taste[:d] + sum(a * x for a, x in zip((0.131, 0.167), sums, strict=True))
        for c, s in enumerate(np.asarray(OBS.candidates)[n]):
            if bool(OBS.mask[n, c]):
                want = 4.8 * interest @ style[s] + 0.125 * taste[d:] @ category[s]
                assert scores[n, c] == pytest.approx(want, abs=1e-4)
