"""The platform's log and the profiles estimated from it, against NumPy twins and known truths."""

from __future__ import annotations

import dataclasses
import itertools
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, small_world

from lrdqn.baselines import LOGGING
from lrdqn.envs.live.env import make_live
from lrdqn.envs.live.log.attach import LogMethod, make_profiles
from lrdqn.envs.live.log.impressions import (
    ImpressionLog,
    log_probability,
    logged_world,
    make_recorder,
    plackett_luce,
    size,
)
from lrdqn.envs.live.log.predictions import fit_predictions, only_shown, returns_to_go
from lrdqn.envs.live.log.rows import Rows, rows_of
from lrdqn.envs.live.log.streamers import LATER, OWN, streamer_records
from lrdqn.envs.live.log.users import (
    ANSWER_PENALTY,
    CATEGORY_SCALE,
    HABIT_IMPRESSIONS,
    TASTE_PENALTY,
    UserProfiles,
    user_profiles,
)
from lrdqn.envs.live.worlds import make_worlds
from lrdqn.networks.live_features import prediction_features
from lrdqn.observations import RETURN_DISCOUNT
from lrdqn.ops.masking import MASKED
from lrdqn.ops.ridge import group_moments, solve_ridge
from lrdqn.types import View

CONFIG = live_config(log={"impressions": 16_000})
WORLD = small_world(CONFIG)
METHOD = LogMethod(LOGGING["reference"], prediction_features)
RECORD = jax.jit(make_recorder(CONFIG, LOGGING["reference"]))
LOG: ImpressionLog = jax.tree.map(np.asarray, RECORD(jax.random.key(0), WORLD))
ROWS: Rows = jax.tree.map(np.asarray, rows_of(LOG, WORLD.nothing))
KNOWN = np.asarray(WORLD.users.cohort) > 0
PROFILES: UserProfiles = jax.tree.map(np.asarray, jax.jit(user_profiles)(ROWS, WORLD, KNOWN))
MET = ~np.append(np.asarray(WORLD.streamers.newcomer)[:-1], True)


def test_sizes_round_up_to_whole_rows() -> None:
    assert size(204_800) == (400, 512)
    assert size(513) == (2, 512)
    assert size(7) == (1, 7)


def test_the_log_is_what_the_environment_answers() -> None:
    steps, sessions = LOG.last.shape
    assert (steps, sessions) == (32, 512)
    env = make_live(logged_world(CONFIG), sessions)
    reset_key, act_key, env_key = jax.random.split(jax.random.key(0), 3)
    state, obs = jax.jit(env.reset)(reset_key, WORLD)
    advance = jax.jit(env.step)
    for t in range(steps):
        now = jax.tree.map(operator.itemgetter(t), LOG.obs)
        jax.tree.map(np.testing.assert_array_equal, now, obs)
        logits = LOGGING["reference"](View(obs, WORLD.catalogue))
        noise = jax.random.gumbel(jax.random.fold_in(act_key, t), logits.shape)
        action = np.argmax(np.asarray(logits) + np.asarray(noise), axis=1)
        shown = np.take_along_axis(np.asarray(obs.candidates), action[:, None], axis=1)
        np.testing.assert_array_equal(LOG.shown[t], shown)
        chances = np.asarray(jax.nn.softmax(logits))[np.arange(sessions), action]
        np.testing.assert_allclose(LOG.propensity[t], chances, rtol=1e-5)
        state, step = advance(jax.random.fold_in(env_key, t), state, jnp.asarray(action), WORLD)
        np.testing.assert_array_equal(LOG.clicked[t], step.info["clicked"])
        np.testing.assert_allclose(LOG.seconds[t], step.info["seconds"], rtol=1e-6)
        np.testing.assert_allclose(LOG.reward[t], step.reward, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(LOG.last[t], step.terminated | step.truncated)
        np.testing.assert_array_equal(LOG.returned[t], step.info["returned"])
        obs = step.obs
    assert LOG.clicked.any()
    assert not LOG.clicked.all()


def test_probabilities_of_slates_sum_to_one_and_are_those_of_the_draws() -> None:
    logits = jnp.asarray([0.3, -1.0, 1.2, MASKED, 0.0])
    slates = jnp.asarray(list(itertools.permutations(range(5), 2)))
    many = jnp.broadcast_to(logits, (len(slates), 5))
    p = np.exp(np.asarray(log_probability(many, slates)))
    assert p.sum() == pytest.approx(1.0, abs=1e-6)
    weight = np.exp([0.3, -1.0, 1.2, -np.inf, 0.0])
    weight /= weight.sum()
    assert p[0] == pytest.approx(weight[0] * weight[1] / (1 - weight[0]), rel=1e-5)
    draws = 40_000
    drawn = np.asarray(plackett_luce(jax.random.key(1), jnp.broadcast_to(logits, (draws, 5)), 2))
    for slate, chance in zip(np.asarray(slates), p, strict=True):
        share = (drawn == slate).all(axis=1).mean()
        assert abs(share - chance) < 4.5 * np.sqrt(chance * (1 - chance) / draws) + 1e-9


def test_a_log_of_slates_has_a_row_for_each_place() -> None:
    config = live_config(log={"impressions": 600})
    config = dataclasses.replace(config, slate=3, choice_model="cascade")
    world = small_world(config)
    log = jax.jit(make_recorder(config, LOGGING["random"]))(jax.random.key(2), world)
    rows = jax.tree.map(np.asarray, rows_of(log, world.nothing))
    assert rows.user.shape == (2 * 512 * 3,)
    clicked = rows.clicked.reshape(2, 512, 3)
    np.testing.assert_array_equal(clicked.sum(axis=2) == 1, np.asarray(log.clicked))
    assert (rows.seconds.reshape(2, 512, 3)[clicked == 0] == 0).all()
    full = np.asarray(log.obs.mask).all(axis=2)
    np.testing.assert_allclose(np.asarray(log.propensity)[full], 1 / (8 * 7 * 6), rtol=1e-4)


def test_what_follows_is_counted_within_the_session() -> None:
    steps, sessions = LOG.last.shape
    decisions, returned, complete = (
        x.reshape(steps, sessions) for x in (ROWS.decisions, ROWS.returned, ROWS.complete)
    )
    for i in range(sessions):
        for t in range(steps):
            ends = [j for j in range(t, steps) if LOG.last[j, i]]
            assert complete[t, i] == bool(ends)
            if ends:
                assert decisions[t, i] == ends[0] - t
                assert returned[t, i] == LOG.returned[ends[0], i]


@pytest.mark.parametrize(("rows", "groups"), [(1, 1), (97, 5), (400, 40), (64, 90)])
def test_moments_of_groups(rows: int, groups: int) -> None:
    rng = np.random.default_rng(rows)
    x, y = rng.normal(size=(rows, 3)), rng.normal(size=rows)
    weight, group = rng.random(rows), rng.integers(0, groups, rows)
    arrays = (jnp.asarray(a, jnp.float32) for a in (x, y, weight))
    gram, moment = group_moments(*arrays, jnp.asarray(group), groups)
    for g in range(groups):
        mine = group == g
        wx = x[mine] * weight[mine, None]
        np.testing.assert_allclose(gram[g], wx.T @ x[mine], atol=1e-4)
        np.testing.assert_allclose(moment[g], wx.T @ y[mine], atol=1e-4)
    prior = rng.normal(size=(groups, 3))
    found = solve_ridge(gram, moment, 2.0, jnp.asarray(prior, jnp.float32))
    for g in range(groups):
        left = np.asarray(gram[g], np.float64) + 2 * np.eye(3)
        right = np.asarray(moment[g], np.float64) + 2 * prior[g]
        np.testing.assert_allclose(found[g], np.linalg.solve(left, right), rtol=2e-3, atol=1e-3)


def ridge(x: Any, y: Any, penalty: float, prior: Any) -> Any:
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y + penalty * prior)


def test_profiles_of_users_by_a_twin() -> None:
    catalogue, users = WORLD.catalogue, WORLD.users
    style, category = np.asarray(catalogue.style, float), np.asarray(catalogue.category, float)
    content = np.concatenate([style, CATEGORY_SCALE * category], axis=1)
    d, q = style.shape[1], content.shape[1]
    keep = (ROWS.weight > 0) & KNOWN[ROWS.user]
    user, x = ROWS.user[keep], content[ROWS.streamer[keep]]
    y = ROWS.clicked[keep] + 0.25 * np.log1p(ROWS.seconds[keep].astype(float))
    y = y - y.mean()
    evidence = np.zeros((len(KNOWN), q, 4))
    for u in range(len(KNOWN)):
        seen = [
            (int(s), float(w))
            for s, w in zip(users.history[u], users.history_watch[u], strict=True)
            if s != WORLD.nothing
        ]
        for s, log_watch in seen:
            parts = [content[s]] + ([content[s]] if log_watch > np.log(20.0) else [])
            for k, part in enumerate(parts):
                evidence[u, :d, 2 * k] += part[:d] / (len(seen) + 5)
                evidence[u, d:, 2 * k + 1] += part[d:] / (len(seen) + 5)
    of = np.einsum("ip,ipk->ik", x, evidence[user])
    from_history = evidence @ ridge(of, y, 1e-3, np.zeros(4))
    left = y - np.sum(x * from_history[user], axis=1)
    answers = np.concatenate([np.ones((len(KNOWN), 1)), np.asarray(catalogue.profile)], axis=1)
    pairs = (answers[user][:, :, None] * x[:, None, :]).reshape(len(y), -1)
    from_answers = answers @ ridge(pairs, left, ANSWER_PENALTY, 0.0).reshape(-1, q)
    prior = from_history + from_answers
    taste = np.stack(
        [ridge(x[user == u], y[user == u], TASTE_PENALTY, prior[u]) for u in range(len(KNOWN))]
    )
    score = taste @ content[:-1].T
    spread = np.sqrt(np.mean((score - score.mean(axis=1, keepdims=True)) ** 2))
    taste[:, d:] *= CATEGORY_SCALE
    np.testing.assert_allclose(PROFILES.taste, taste / spread, atol=5e-3)

    n, clicks, stays = (
        np.bincount(user, weights=of_row, minlength=len(KNOWN))
        for of_row in (np.ones(len(user)), ROWS.clicked[keep], ROWS.stayed[keep])
    )
    for column, (events, chances) in enumerate(((clicks, n), (stays, clicks))):
        rate = events.sum() / chances.sum()
        own = (events + HABIT_IMPRESSIONS * rate) / (chances + HABIT_IMPRESSIONS) - rate
        np.testing.assert_allclose(PROFILES.habits[:, column], own / own.std(), atol=1e-3)
    np.testing.assert_allclose(PROFILES.habits[:, 2], np.log1p(n) / 2, atol=1e-5)


def test_records_of_streamers_by_a_twin() -> None:
    found = np.asarray(jax.jit(streamer_records)(ROWS, PROFILES, WORLD.catalogue, jnp.asarray(MET)))
    content = np.concatenate([WORLD.catalogue.style, WORLD.catalogue.category], axis=1)
    match = np.sum(PROFILES.taste[ROWS.user] * content[ROWS.streamer], axis=1)
    before = np.concatenate([match[:, None], PROFILES.habits[ROWS.user], ROWS.context], axis=1)
    log_watch = np.log1p(ROWS.seconds)
    watch = (
        ROWS.clicked,
        ROWS.stayed,
        log_watch,
        np.minimum(ROWS.seconds / 300, 1),
        np.minimum(ROWS.seconds / 600, 1),
    )
    after = np.concatenate([before, np.stack(watch, axis=1)], axis=1)
    on, click = ROWS.weight > 0, (ROWS.weight > 0) & (ROWS.clicked > 0)
    ended = ROWS.complete > 0
    outcomes = (
        (ROWS.clicked, before, on, OWN),
        (ROWS.stayed, before, on, OWN),
        (log_watch, before, click, OWN),
        (ROWS.impatient, after, click, OWN),
        (ROWS.decisions, after, click & ended, LATER),
        (ROWS.decisions, after, click & ended & (ROWS.stayed > 0), LATER),
        (ROWS.returned, after, click & ended, LATER),
    )
    columns = []
    for y, x, which, shrinkage in outcomes:
        x, y = x[which].astype(float), y[which].astype(float)
        x, y = x - x.mean(axis=0), y - y.mean()
        left = y - x @ ridge(x, y, 1.0, 0.0)
        of = ROWS.streamer[which]
        total, n = (np.bincount(of, w, minlength=len(MET)) for w in (left, np.ones(len(left))))
        columns.append(total / (n + shrinkage))
    columns.append(np.log1p(np.bincount(ROWS.streamer[on], minlength=len(MET))))
    table = np.stack(columns, axis=1)
    centred = table - table[MET].mean(axis=0)
    centred /= np.sqrt((centred[MET] ** 2).mean(axis=0))
    np.testing.assert_allclose(found[MET], centred[MET], atol=2e-2)
    assert (found[~MET] == 0).all()


def test_estimates_are_unbiased_where_responses_are_drawn_from_known_tastes() -> None:
    """Over many users with tastes from the prior, the regression of the true match on the estimated
    one has slope 1: a posterior mean is neither too large nor too small."""
    rng = np.random.default_rng(0)
    users, q, each, noise = 400, 6, 60, 1.0
    content = rng.normal(size=(50, q)) / np.sqrt(q)
    penalty = 12.0
    theta = rng.normal(size=(users, q)) * noise / np.sqrt(penalty)
    user = np.repeat(np.arange(users), each)
    x = content[rng.integers(0, 50, users * each)]
    y = np.sum(theta[user] * x, axis=1) + noise * rng.normal(size=users * each)
    arrays = (jnp.asarray(a, jnp.float32) for a in (x, y, np.ones_like(y)))
    gram, moment = group_moments(*arrays, jnp.asarray(user), users)
    found = np.asarray(solve_ridge(gram, moment, penalty, jnp.zeros((users, q))))
    slope = np.sum(found * theta) / np.sum(found**2)
    assert slope == pytest.approx(1.0, abs=0.06)  # 2,400 coefficients: standard error 0.02
    covariance = np.linalg.inv(np.asarray(gram) + penalty * np.eye(q))
    expected = noise**2 * np.trace(covariance, axis1=1, axis2=2).mean()
    assert np.sum((found - theta) ** 2, axis=1).mean() == pytest.approx(expected, rel=0.1)


def test_nothing_hidden_is_read() -> None:
    """What the platform cannot know is permuted after the log was made: profiles stay the same."""
    order = np.random.default_rng(1).permutation(len(KNOWN))
    of_streamers = np.random.default_rng(2).permutation(WORLD.nothing + 1)
    hidden = WORLD._replace(
        users=WORLD.users._replace(
            interest=WORLD.users.interest[order], wealth=WORLD.users.wealth[order]
        ),
        streamers=WORLD.streamers._replace(
            skill=WORLD.streamers.skill[of_streamers],
            hook=WORLD.streamers.hook[of_streamers],
            style=WORLD.streamers.style[of_streamers],
        ),
    )
    other = jax.jit(user_profiles)(ROWS, hidden, KNOWN)
    jax.tree.map(np.testing.assert_array_equal, PROFILES, jax.tree.map(np.asarray, other))


def test_who_is_new_has_no_profile_and_truths_show_through() -> None:
    config = live_config(log={"impressions": 20_000})
    world = small_world(config)
    catalogue = jax.jit(make_profiles(config, METHOD))(jax.random.key(3), world)
    new = np.asarray(world.streamers.newcomer)[:-1]
    record, habits = np.asarray(catalogue.record), np.asarray(catalogue.habits)
    assert (record[:-1][new] == 0).all()
    assert (record[-1] == 0).all()
    assert (np.abs(record[:-1][~new]).sum(axis=1) > 0).all()
    cold = np.asarray(world.users.cohort) == 0
    assert (habits[cold, 2] == 0).all()
    assert np.abs(habits[cold, :2]).max() < 1e-4
    style = np.asarray(world.streamers.style)[:-1]
    affinity = np.asarray(world.users.interest) @ style.T
    match = np.asarray(catalogue.taste)[:, : style.shape[1]] @ style.T
    busy = habits[:, 2] > np.log1p(200) / 2
    agreement = [np.corrcoef(a, b)[0, 1] for a, b in zip(affinity[busy], match[busy], strict=True)]
    assert len(agreement) > 5
    assert np.mean(agreement) > 0.7
    hook = np.asarray(world.streamers.skill + world.streamers.hook)[:-1]
    assert np.corrcoef(hook[~new], record[:-1][~new, 0])[0, 1] > 0.4


def test_worlds_have_the_same_log_however_many_there_are() -> None:
    config = live_config(log={"impressions": 600}, perturb={"cold_users": 0.5})
    one = make_worlds(config, 4, 1, method=METHOD)
    two = make_worlds(config, 4, 2, method=METHOD)
    for name in ("taste", "habits", "record"):
        a, b = getattr(one.catalogue, name)[0], getattr(two.catalogue, name)
        np.testing.assert_array_equal(a, b[0])
        assert not np.array_equal(b[0], b[1])
    gone = (one.users.history[0] == one.streamers.popularity.shape[1] - 1).all(axis=1)
    assert gone.mean() > 0.4
    assert (one.catalogue.taste[0][gone] == 0).mean() > 0.7


def test_returns_are_discounted_within_a_session() -> None:
    found = np.asarray(returns_to_go(LOG))
    steps, sessions = LOG.last.shape
    for i in range(0, sessions, 37):
        for t in range(steps):
            total, factor = 0.0, 1.0
            for j in range(t, steps):
                total += factor * float(LOG.reward[j, i])
                factor *= RETURN_DISCOUNT
                if LOG.last[j, i]:
                    break
            assert found[t, i] == pytest.approx(total, rel=1e-4, abs=1e-4)


def test_predictions_by_a_twin() -> None:
    catalogue = WORLD.catalogue._replace(
        **{name: jnp.asarray(x) for name, x in PROFILES._asdict().items()},
        record=streamer_records(ROWS, PROFILES, WORLD.catalogue, jnp.asarray(MET)),
    )
    found = np.asarray(
        jax.jit(fit_predictions, static_argnums=3)(LOG, ROWS, catalogue, prediction_features)
    )
    flat = jax.tree.map(lambda x: jnp.asarray(x.reshape(-1, *x.shape[2:])), LOG.obs)
    every = np.asarray(prediction_features(flat, catalogue), float)
    place = (flat.candidates == LOG.shown.reshape(-1, 1)).argmax(axis=1)
    x = every[np.arange(len(every)), np.asarray(place)]
    ended = ROWS.complete > 0
    value = np.asarray(returns_to_go(LOG), float).reshape(-1)
    for k, (y, which) in enumerate(((LOG.reward.reshape(-1), ROWS.weight > 0), (value, ended))):
        z, y = x[which], y[which].astype(float)
        centre, spread = z.mean(axis=0), np.maximum(z.std(axis=0), 1e-6)
        twin = ridge((z - centre) / spread, y - y.mean(), 30.0, 0.0) / spread
        twin[-1] = y.mean() - twin[:-1] @ centre[:-1]
        np.testing.assert_allclose(z @ found[:, k], z @ twin, atol=0.02 * y.std())
        assert np.mean(z @ found[:, k]) == pytest.approx(y.mean(), rel=1e-3)


def test_a_request_is_predicted_without_its_other_candidates() -> None:
    shown = only_shown(LOG)
    np.testing.assert_array_equal(shown.candidates[:, 0], LOG.shown.reshape(-1))
    at = (LOG.obs.candidates == LOG.shown).argmax(axis=2)
    own = np.take_along_axis(LOG.obs.features, at[..., None, None], axis=2)
    np.testing.assert_array_equal(shown.features, own.reshape(-1, 1, own.shape[-1]))
