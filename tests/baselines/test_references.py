"""Exploiters on requests made by hand, and privileged policies in the cohort."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from envs.worlds import live_config, make_live, small_world

from lrdqn import baselines
from lrdqn.evaluation.cohort import make_cohort
from lrdqn.observations import Catalogue, LiveObs
from lrdqn.types import Policy, View

S = 6
"""Streamers of the requests made by hand; their categories are 0, 1, 0, 1, 0, 1."""


def request(
    candidates: list[int], viewers: list[float], mask: list[int], history: list[int]
) -> View:
    obs = LiveObs(
        user=jnp.zeros(1, jnp.int32),
        context=jnp.zeros((1, 5)),
        history=jnp.array([history]),
        history_watch=jnp.ones((1, len(history))),
        history_reaction=jnp.zeros((1, len(history)), jnp.int32),
        candidates=jnp.array([candidates]),
        features=jnp.stack([jnp.array([viewers]), *[jnp.zeros((1, len(viewers)))] * 3], axis=2),
        mask=jnp.array([mask], bool),
    )
    style = jnp.eye(S + 1)
    category = jnp.eye(2)[jnp.arange(S + 1) % 2]
    return View(
        obs,
        Catalogue(
            jnp.arange(S + 1),
            style,
            category,
            jnp.zeros((S + 1, 1)),
            jnp.zeros((1, 1)),
            *4 * [jnp.zeros((1, 0))],
        ),
    )


def choice(policy: Policy, state: object, view: View) -> int:
    return int(policy.act(state, view, jax.random.key(0))[0][0])


def test_a_place_is_taken_or_the_next_one_on_offer() -> None:
    view = request([0, 1, 2, 3], [0, 0, 0, 0], [1, 0, 1, 0], [S])
    policy = baselines.make_place(4)
    assert [choice(policy, jnp.int32(i), view) for i in range(4)] == [0, 2, 2, 0]


def test_a_category_or_else_the_most_watched() -> None:
    view = request([0, 1, 2, 4], [1.0, 9.0, 3.0, 2.0], [1, 1, 1, 1], [S])
    policy = baselines.make_category()
    assert choice(policy, jnp.int32(0), view) == 2
    assert choice(policy, jnp.int32(1), view) == 1
    assert choice(policy, jnp.int32(1), request([0, 2, 4], [1.0, 3.0, 2.0], [1, 1, 1], [S])) == 1


def test_repeat_takes_what_was_watched_last() -> None:
    policy = baselines.make_repeat()
    assert (
        choice(policy, (), request([0, 1, 2, 3], [9.0, 1.0, 1.0, 1.0], [1, 1, 1, 1], [5, 2, 1]))
        == 2
    )
    assert (
        choice(policy, (), request([0, 1, 2, 3], [9.0, 1.0, 1.0, 1.0], [1, 1, 0, 1], [5, 2, 1]))
        == 1
    )
    assert choice(policy, (), request([0, 3, 4], [1.0, 9.0, 1.0], [1, 1, 1], [5, 2, 1])) == 1


def test_one_weighting_of_what_is_seen() -> None:
    view = request([0, 1, 2], [1.0, 5.0, 2.0], [1, 1, 1], [2, 2])
    policy = baselines.make_linear()
    assert choice(policy, jnp.array([1.0, 0, 0, 0, 0]), view) == 1
    assert choice(policy, jnp.array([0.0, 0, 0, 0, 1]), view) == 2  # nearest to the history
    assert choice(policy, jnp.array([-1.0, 0, 0, 0, 0]), view) == 0


def test_only_privileged_policies_are_shown_the_truth() -> None:
    config = live_config(horizon=3)
    env, world = make_live(config, 4), small_world(config)
    shown = {}

    def spy(name: str, privileged: bool) -> Policy:
        def score(state: object, view: View, key: object) -> jax.Array:
            shown[name] = view.truth
            return jnp.zeros(view.obs.mask.shape)

        return baselines.with_parameters(score, lambda obs, s: obs.mask, lambda key: (), privileged)

    groups = ((spy("open", False), 1), (spy("secret", True), 1))
    states = tuple(
        jax.vmap(policy.init)(jax.random.split(jax.random.key(0), 1)) for policy, _ in groups
    )
    jax.eval_shape(make_cohort(env, groups), states, world, jax.random.key(0))
    assert shown["open"] is None
    state, told = shown["secret"]
    assert state.session.patience.shape == (4,)
    assert told.streamers.hook.shape == world.streamers.hook.shape


@pytest.mark.slow
def test_references_that_know_more_earn_more() -> None:
    """Random, content and privileged myopic in a small world, on 512 session starts with common
    random numbers."""
    config = live_config()
    env, world = make_live(config, 512), small_world(config)
    index = baselines.make_index(config)
    weights = jnp.array([baselines.MYOPIC_WEIGHTS, [0.0] * 6])
    groups = ((baselines.make_random(env.spec), 1), (baselines.make_content(), 1), (index, 2))
    played = jax.jit(make_cohort(env, groups))(((), (), weights), world, jax.random.key(5))
    random, content, myopic, blind = np.asarray(played.returns).mean(1)
    assert random < content < myopic
    assert blind < content, "without any weight it takes the first place"
    np.testing.assert_array_equal(index.init(jax.random.key(0)), weights[0])
