"""RecSim's environments: golden numbers of their laws, the contract, and their observations."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.checker import check_env
from envs.recsims import recsim_config
from oracles import recsim as twin

from lrdqn import build
from lrdqn.config import ConfigError
from lrdqn.envs.recsim.choice import CHOICES, ChoiceConstants
from lrdqn.envs.recsim.draws import cut, halves, normal, one_of, uniform, words_for
from lrdqn.envs.recsim.env import make_recsim_task
from lrdqn.envs.recsim.evolution import sampler_of, shifted, spent, topic_quality
from lrdqn.envs.recsim.family import known_policies
from lrdqn.envs.recsim.satisfaction import engaged, exposed, satisfaction
from lrdqn.envs.recsim.task import Documents
from lrdqn.types import View

INTEREST = [0.5, -0.25, 0.9, -1.0, 0.0]
GOLDEN = {
    "proportional": (
        ChoiceConstants(1.0, -1.0),
        (0.209790, 0.104895, 0.265734, 0.0, 0.139860, 0.279720),
    ),
    "mnl": (ChoiceConstants(1.0), (0.183737, 0.086791, 0.274103, 0.040997, 0.111442, 0.302930)),
    "cascade_exp": (
        ChoiceConstants(1.0, attention=0.65, scaling=0.3),
        (0.321501, 0.103041, 0.276003, 0.021482, 0.054205, 0.223769),
    ),
}
"""Constants, and probabilities from RecSim's own code; the last is that of nothing."""


@pytest.mark.parametrize("name", GOLDEN)
def test_choice_models_give_the_golden_numbers(name: str) -> None:
    constants, expected = GOLDEN[name]
    chances = CHOICES[name](constants).chances(jnp.array([INTEREST]))[0]
    np.testing.assert_allclose([*chances, 1 - chances.sum()], expected, atol=2e-6)


@pytest.mark.parametrize("name", CHOICES)
def test_choice_models_equal_the_twin(name: str) -> None:
    rng = np.random.default_rng(1)
    constants = ChoiceConstants(0.4, -1.0, attention=0.65, scaling=0.2)
    choice = CHOICES[name](constants)
    for scores in rng.uniform(-1, 1, (20, 4)).astype(np.float32):
        chances = np.asarray(choice.chances(jnp.asarray(scores)[None]))[0]
        np.testing.assert_allclose(chances, twin.chances(name, scores, *constants)[:-1], atol=2e-6)
        one = float(choice.chances(jnp.asarray(scores)[None, :1])[0, 0])
        v = float(choice.weights(jnp.asarray(scores)[None, :1])[0, 0])
        assert one == pytest.approx(v / (v + choice.nothing), rel=1e-5), (
            "weights are right for one document"
        )
        if not name.startswith("cascade"):
            v = np.asarray(choice.weights(jnp.asarray(scores)[None]))[0]
            np.testing.assert_allclose(chances, v / (v.sum() + choice.nothing), atol=2e-6)


def test_what_recsim_stops_at_is_no_click_or_a_certain_one() -> None:
    far = jnp.array([[-3.0, 0.5]])
    v = CHOICES["proportional"](ChoiceConstants(1.0, -1.0)).chances(far)[0]
    np.testing.assert_allclose(v, [0.0, 1.5 / 3.5], rtol=1e-6)
    sure = CHOICES["cascade_exp"](ChoiceConstants(1.0, attention=0.9, scaling=0.05)).chances(
        jnp.array([[9.0, 9.0]])
    )[0]
    np.testing.assert_allclose(sure, [0.9, 0.09], rtol=1e-5)


@pytest.mark.parametrize(
    ("before", "up", "down"),
    [
        (0.5, 0.575, 0.425),
        (-0.25, 0.03125, -0.53125),
        (0.9, 0.903, 0.897),
        (-1.0, -1.0, -1.0),
        (0.0, 0.3, -0.3),
    ],
)
def test_interests_move_by_the_golden_numbers(before: float, up: float, down: float) -> None:
    interest = jnp.array([[0.1, before, -0.7]])
    document = jnp.array([[0.0, 1.0, 0.0]])
    likely = (before + 1) / 2
    for u, after in ((likely - 1e-3, up), (likely + 1e-3, down)):
        np.testing.assert_allclose(
            shifted(interest, document, jnp.array([u])), [[0.1, after, -0.7]], atol=1e-6
        )


def test_interests_move_as_the_twin_with_any_document() -> None:
    rng = np.random.default_rng(2)
    interest, document = rng.uniform(-1, 1, (2, 50, 6)).astype(np.float32)
    u = rng.random(50).astype(np.float32)
    after = np.asarray(shifted(*map(jnp.asarray, (interest, document, u))))
    np.testing.assert_allclose(
        after, [twin.moved(*x) for x in zip(interest, document, u, strict=True)], atol=2e-6
    )


def test_budgets_move_by_the_golden_numbers() -> None:
    clicked = jnp.array([True, False, True])
    watch, quality = jnp.array([4.0, 0.0, 2.5]), jnp.array([1.2, 0.0, -3.0])
    after = spent(
        jnp.array([200.0, 200.0, 2.5]), clicked, watch, quality, sampler_of(recsim_config())
    )
    np.testing.assert_allclose(after, [197.270588, 199.5, -2.5 * 3 * 0.9 / 3.4], rtol=1e-6)
    other = spent(
        jnp.full(3, 30.0), clicked, watch, quality, sampler_of(recsim_config(sampler="features"))
    )
    np.testing.assert_allclose(other, [26.0, 29.0, 27.5], rtol=1e-6)


def test_topics_have_the_qualities_of_the_paper() -> None:
    quality = topic_quality(20)
    np.testing.assert_allclose(quality, [*np.linspace(-3, 0, 14), *np.linspace(0, 3, 6)], atol=1e-6)
    assert len(topic_quality(7)) == 7


def test_satisfaction_moves_as_its_equations() -> None:
    law = recsim_config(
        task="long_term_satisfaction", satisfaction={"sensitivity": 0.3, "kale_sigma": 0.5}
    ).satisfaction
    exposure, clickbait, noise = (
        jnp.array([1.5, -2.0]),
        jnp.array([0.25, 0.8]),
        jnp.array([0.4, -1.1]),
    )
    sat = 1 / (1 + np.exp(-0.3 * np.array([1.5, -2.0])))
    np.testing.assert_allclose(satisfaction(exposure, law), sat, rtol=1e-6)
    np.testing.assert_allclose(
        exposed(exposure, clickbait, noise, law), [1.05 + 0.5 + 0.02, -1.4 - 0.6 - 0.055], rtol=1e-5
    )
    by_hand = np.exp(np.array([4.25, 4.8]) * sat + np.array([0.625, 0.9]) * np.array([0.4, -1.1]))
    np.testing.assert_allclose(engaged(exposure, clickbait, noise, law), by_hand, rtol=1e-5)


def test_users_and_documents_of_interest_exploration_are_drawn_as_specified() -> None:
    """Three in ten users prefer the second topic; two in ten documents are of the first topic,
    which has the higher quality; logarithms are normal."""
    n = 50_000
    task = make_recsim_task(recsim_config(task="interest_exploration"), n)
    draws = jax.jit(task.draw)(jax.random.key(0))
    affinity = np.log(np.asarray(task.begin(draws).affinity))
    second = affinity[:, 1] > affinity[:, 0]
    assert second.mean() == pytest.approx(0.3, abs=0.01)
    for group, means in ((second, (0.1, 0.7)), (~second, (0.7, 0.1))):
        np.testing.assert_allclose(affinity[group].mean(0), means, atol=0.005)
        np.testing.assert_allclose(affinity[group].std(0), 0.1, atol=0.003)
    documents = task.offer(draws)
    topic, quality = np.asarray(documents.topic), np.log(np.asarray(documents.features)[..., 0])
    assert (topic == 0).mean() == pytest.approx(0.2, abs=0.004)
    for of, mean in ((0, 0.8), (1, 0.2)):
        np.testing.assert_allclose(
            [quality[topic == of].mean(), quality[topic == of].std()], [mean, 0.1], atol=0.003
        )


def test_numbers_of_a_step_are_uniform_normal_and_never_at_the_ends() -> None:
    n = 200_000
    a, b = cut(jax.random.key(0), n, (1, 2))
    assert (a.shape, b.shape) == ((n, 1), (n, 2))
    ends = jnp.array([[0, 2**32 - 1]], jnp.uint32)
    for u in (uniform(ends), halves(ends, 4)):
        assert 0 < float(u.min()) < 1e-4
        assert 1 - 1e-4 < float(u.max()) < 1
    assert bool(jnp.isfinite(normal(ends)).all())
    np.testing.assert_array_equal(one_of(halves(ends, 4), 20), [[0, 19, 0, 19]])
    assert [words_for(k) for k in (1, 2, 3, 20)] == [1, 1, 2, 10]
    z = np.asarray(normal(a))[:, 0]
    np.testing.assert_allclose([z.mean(), z.std(), (z**4).mean()], [0, 1, 3], atol=0.04)
    two = np.asarray(halves(b, 3))
    np.testing.assert_allclose(two.mean(0), 0.5, atol=0.004)
    np.testing.assert_allclose(np.corrcoef(two.T), np.eye(3), atol=0.01)
    shares = np.bincount(np.asarray(one_of(halves(b, 1), 20))[:, 0], minlength=20) / n
    np.testing.assert_allclose(shares, 0.05, atol=0.0025)


TASKS: dict[str, dict[str, Any]] = {
    "evolution": {"evolution": {"budget": 20.0}},
    "features, one place": {
        "sampler": "features",
        "slate": 1,
        "choice_model": "cascade_exp",
        "horizon": 7,
    },
    "exploration": {"task": "interest_exploration", "horizon": 9},
    "satisfaction": {"task": "long_term_satisfaction", "slate": 2, "satisfaction": {"budget": 8}},
}


@pytest.mark.parametrize("name", TASKS)
def test_it_keeps_the_contract(name: str) -> None:
    config = recsim_config(**TASKS[name])
    seen = check_env(build.build_env(config, 8), (), steps=40)
    assert seen["truncated" if "horizon" in TASKS[name] else "terminated"] > 0
    assert name != "exploration" or seen["terminated"] == 0


def test_what_is_shown_and_told() -> None:
    """Interests are observed and the budget is not; the response reports place, watch and the
    qualities of the documents shown."""
    config, n = recsim_config(), 2000
    env = build.build_env(config, n)
    state, obs = jax.jit(env.reset)(jax.random.key(0), ())
    assert (obs.user.shape, obs.topic.shape, obs.topic.dtype) == ((n, 20), (n, 10), jnp.int8)
    assert (obs.features.shape, obs.quality.shape) == ((n, 10, 0), (n, 3))
    np.testing.assert_array_equal(
        env.catalogue(()).content, np.eye(21)
    )  # the last row and column are the empty item
    assert (np.asarray(obs.place) == 3).all()
    assert not np.asarray(obs.quality).any()
    slate = jnp.tile(jnp.array([[7, 0, 4]]), (n, 1))
    after, t = jax.jit(env.step)(jax.random.key(1), state, slate, ())
    clicked, place = np.asarray(t.info["clicked"]), np.asarray(t.info["place"])
    np.testing.assert_array_equal(clicked, place < 3)
    np.testing.assert_array_equal(t.reward, np.where(clicked, 4.0, 0.0))
    np.testing.assert_array_equal(t.info["seconds"], np.where(clicked, 240.0, 0.0))
    topic = np.asarray(obs.topic)[:, [7, 0, 4]]
    off = np.asarray(t.obs.quality) - topic_quality(20)[topic]
    np.testing.assert_allclose([off.mean(), off.std()], [0, 0.1], atol=0.004)
    rows = np.flatnonzero(clicked)
    np.testing.assert_array_equal(
        np.asarray(t.info["quality"])[rows], np.asarray(t.obs.quality)[rows, place[rows]]
    )
    before, now = np.asarray(obs.user), np.asarray(t.obs.user)
    np.testing.assert_array_equal(now[~clicked], before[~clicked])
    changed = now != before
    assert (changed[rows].sum(1) <= 1).all()
    assert (np.argmax(changed[rows], 1) == topic[rows, place[rows]])[changed[rows].any(1)].all()
    budget = np.asarray(after.user.budget)
    by_hand = 200 + np.where(clicked, 4 * (0.9 / 3.4 * np.asarray(t.info["quality"]) - 1), -0.5)
    np.testing.assert_allclose(budget, by_hand, rtol=1e-5)


def test_clicks_follow_the_weights_of_the_observation() -> None:
    """Weights computed from an observation are those of the users' choice: shares of clicks at each
    place, from one offer."""
    config, n = recsim_config(choice_model="mnl"), 100_000
    env, task = build.build_env(config, n), make_recsim_task(config, 1)
    state, obs = jax.jit(env.reset)(jax.random.key(0), ())
    one = jax.tree.map(lambda x: jnp.broadcast_to(x[:1], x.shape), state)
    slate = jnp.tile(jnp.array([[2, 9, 5]]), (n, 1))
    v, nothing = task.weights(jax.tree.map(lambda x: x[:1], obs))
    expected = np.asarray(v)[0, [2, 9, 5]] / (np.asarray(v)[0, [2, 9, 5]].sum() + float(nothing[0]))
    _, t = jax.jit(env.step)(jax.random.key(1), one, slate, ())
    shares = np.bincount(np.asarray(t.info["place"]), minlength=4)[:3] / n
    np.testing.assert_allclose(shares, expected, atol=4 * np.sqrt(0.25 / n))


def test_the_last_minutes_are_watched_and_paid_and_end_the_session() -> None:
    config = recsim_config(
        slate=1, choice_model="cascade_exp", evolution={"attention": 1.0, "score_scaling": 1e3}
    )
    task = make_recsim_task(config, 3)
    draws, respond = jax.jit(task.draw)(jax.random.key(0)), jax.jit(task.respond)
    user = task.begin(draws)._replace(budget=jnp.array([1.5, 4.0, 4.1]))
    documents = Documents(jnp.zeros((3, 1), jnp.int8), jnp.zeros((3, 1, 0)))
    there = jnp.ones((3, 1), bool)
    answer = respond(user, documents, there, draws)
    np.testing.assert_allclose(answer.reward, [1.5, 4.0, 4.0])
    assert bool(answer.terminated.all()), "topic 0 has a quality of -3, so all three are over"
    good = respond(user, documents._replace(topic=jnp.full((3, 1), 19, jnp.int8)), there, draws)
    np.testing.assert_array_equal(good.terminated, [False, False, False])


def test_policies_share_their_luck() -> None:
    """With one key, the next documents, and the click at an equal first place, do not depend on the
    slate."""
    env = build.build_env(recsim_config(), 500)
    state, obs = jax.jit(env.reset)(jax.random.key(3), ())
    slates, step = jnp.array([[0, 1, 2], [0, 8, 9]]), jax.jit(env.step)
    (_, a), (_, b) = (
        step(jax.random.key(4), state, jnp.tile(slate, (500, 1)), ()) for slate in slates
    )
    np.testing.assert_array_equal(a.obs.topic, b.obs.topic)
    assert not np.array_equal(a.obs.topic, obs.topic)
    np.testing.assert_allclose(a.obs.quality[:, 0], b.obs.quality[:, 0], rtol=1e-6)


@pytest.mark.parametrize("slate", [1, 3])
@pytest.mark.parametrize(
    "task", ["interest_evolution", "interest_exploration", "long_term_satisfaction"]
)
def test_policies_give_slates_that_the_environment_takes(task: str, slate: int) -> None:
    config = recsim_config(task=task, slate=slate)
    env = build.build_env(config, 4)
    state, obs = jax.eval_shape(env.reset, jax.random.key(0), ())
    shown = build.build_baselines(config, env)
    assert (
        list(shown)
        == {
            "interest_evolution": [
                "random",
                "myopic_topk",
                "myopic_greedy",
                "static_ranking",
                "renewal_exact",
            ],
            "interest_exploration": ["random", "myopic_topk", "myopic_greedy"],
            "long_term_satisfaction": ["random", "clickbait_0", "clickbait_0.5", "clickbait_1"],
        }[task]
    )
    for policy in known_policies(config).values():
        own = jax.eval_shape(policy.init, jax.random.key(0))
        action, _ = jax.eval_shape(policy.act, own, View(obs, env.catalogue(())), jax.random.key(0))
        assert (action.shape, action.dtype) == ((4,) if slate == 1 else (4, slate), jnp.int32)
        assert jax.eval_shape(policy.scores, own, View(obs, ()), jax.random.key(0)).shape == (4, 10)
        jax.eval_shape(env.step, jax.random.key(0), state, action, ())


def test_myopic_and_static_slates_are_the_best_by_their_own_measure() -> None:
    config, n = recsim_config(), 50
    env, known = build.build_env(config, n), known_policies(config)
    _, obs = jax.jit(env.reset)(jax.random.key(8), ())
    interest = np.take_along_axis(np.asarray(obs.user), np.asarray(obs.topic), 1)
    quality = topic_quality(20)[np.asarray(obs.topic)]
    for name, measure in (
        ("myopic_topk", interest),
        ("myopic_greedy", interest),
        ("static_ranking", quality),
    ):
        slate, _ = known[name].act((), View(obs, ()), jax.random.key(0))
        got = np.take_along_axis(measure, np.asarray(slate), 1)
        np.testing.assert_allclose(np.sort(got), np.sort(measure)[:, -3:], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"slate": 11}, r"env\.slate=11: must not exceed env\.candidates=10"),
        (
            {"task": "interest_exploration", "choice_model": "cascade_exp"},
            r"env\.choice_model=.*must be auto or mnl",
        ),
        (
            {"task": "long_term_satisfaction", "choice_model": "mnl"},
            r"env\.choice_model=mnl: .*must be auto",
        ),
        (
            {"task": "long_term_satisfaction", "sampler": "features"},
            r"env\.sampler=features: .*must be utility",
        ),
        (
            {"evolution": {"no_click": -1.0}},
            r"env\.evolution\.no_click=-1\.0: must be above env\.evolution\.floor=-1\.0",
        ),
        ({"evolution": {"topics": 1}}, r"env\.evolution\.topics=1: must lie in \[2, 127\]"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        recsim_config(**changes)


@pytest.mark.parametrize(("memory", "scales"), [([1.0], [0.05]), ([0.0, 0.7], [1.0, 0.3])])
def test_a_memory_sums_up_a_sessions_own_responses(
    memory: list[float], scales: list[float]
) -> None:
    """The sums equal a loop over the reported responses; a new session begins with zeros."""
    config, n = recsim_config(evolution={"budget": 30.0}, memory=memory, horizon=17), 6
    env = build.build_env(config, n)
    plain, _ = jax.jit(
        build.build_env(recsim_config(evolution={"budget": 30.0}, horizon=17), n).reset
    )(jax.random.key(0), ())
    state, obs = jax.jit(env.reset)(jax.random.key(0), ())
    np.testing.assert_array_equal(obs.user, plain.user.interest)
    assert not np.asarray(obs.memory).any()
    step, sums, ends, cut = jax.jit(env.step), np.zeros((n, len(memory), 3)), 0, 0
    slate = jnp.tile(jnp.array([[0, 1, 2]]), (n, 1))
    for i in range(40):
        state, t = step(jax.random.key(1 + i), state, slate, ())
        now = np.stack([np.ones(n), np.log1p(t.info["watch"]), t.info["quality"]], axis=1)
        sums = (
            np.array(memory)[None, :, None] * sums + np.array(scales)[None, :, None] * now[:, None]
        )
        np.testing.assert_allclose(t.final_obs.memory, sums.reshape(n, -1), rtol=2e-5, atol=1e-6)
        sums[np.asarray(t.terminated | t.truncated)] = 0
        np.testing.assert_allclose(t.obs.memory, sums.reshape(n, -1), rtol=2e-5, atol=1e-6)
        ends, cut = ends + int(t.terminated.sum()), cut + int(t.truncated.sum())
    assert ends > n
    assert cut > 0


def test_a_memory_is_a_list_of_decays() -> None:
    with pytest.raises(
        ConfigError, match=r"env\.memory=\[1\.5\]: must be a list of decays in \[0, 1\]"
    ):
        recsim_config(memory=[1.5])
