"""SlateQ against the exact slate MDP, brute force in loops, and a known choice model."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from agents.test_targets import hypers
from envs.recsims import recsim_config
from envs.worlds import live_config

from lrdqn import build
from lrdqn.agents.dqn.targets import TargetInputs
from lrdqn.agents.slateq.agent import (
    item_network,
    make_slate_greedy,
    make_slate_target,
    make_slateq,
    taken_item,
)
from lrdqn.agents.slateq.choice_models import conditional_logit, known_choice_model
from lrdqn.agents.slateq.config import SlateConfig, SlateQConfig
from lrdqn.agents.slateq.family import choice_model
from lrdqn.compose.roots import TrainRun
from lrdqn.config import NetworkConfig
from lrdqn.networks import make_documents
from lrdqn.observations import DocumentObs, Topics
from lrdqn.ops.losses import mse
from lrdqn.ops.values import make_expected
from lrdqn.types import Network, QOutput, Sample, Transition, View

VALUES = make_expected(mse)


def states(s: Any, items: int, slate: int, mask: Any = None) -> DocumentObs:
    """Return observations that are numbers of states; item i of each is topic i."""
    n = len(s)
    topic = jnp.broadcast_to(jnp.arange(items, dtype=jnp.int8)[None], (n, items))
    offered = jnp.ones((n, items), bool) if mask is None else jnp.asarray(mask)
    none = jnp.full(n, slate, jnp.int8)
    user = jnp.asarray(s, jnp.float32)[:, None]
    response = none, jnp.zeros(n), jnp.zeros((n, slate))
    return DocumentObs(user, topic, jnp.zeros((n, items, 0)), offered, *response, jnp.zeros((n, 0)))


def table_network(states: int, items: int) -> Network:
    """Return a network whose ``Q(s, i)`` is a table; column ``items`` is the empty item."""

    def apply(params: Any, obs: Any, catalogue: Any, key: Any) -> QOutput:
        q = jnp.take_along_axis(
            params[obs.user[:, 0].astype(jnp.int32)], obs.topic.astype(jnp.int32), axis=1
        )
        return QOutput(q, obs.mask, q[..., None])

    def value(params: Any, obs: Any, action: Any, catalogue: Any, key: Any) -> Any:
        return jnp.take_along_axis(
            apply(params, obs, catalogue, key).raw, action[:, None, None], axis=1
        )[:, 0]

    return Network(lambda key: jnp.zeros((states, items + 1)), apply, value)


def table_choice(v: Any) -> Any:
    return known_choice_model(
        lambda obs: (
            jnp.asarray(v, jnp.float32)[obs.user[:, 0].astype(jnp.int32)],
            jnp.ones(obs.user.shape[0]),
        )
    )


def config(target: str = "max", fill: str = "exact", null_value: bool = True) -> SlateQConfig:
    return SlateQConfig(
        name="slateq", target=target, slate=SlateConfig(fill=fill, null_value=null_value)
    )


def transition(
    obs: DocumentObs, action: Any, clicked_place: Any, next_obs: DocumentObs, **of: Any
) -> Transition:
    n = len(obs.user)
    of = {"reward": jnp.zeros(n), "discount": jnp.ones(n)} | of
    return Transition(
        obs,
        jnp.asarray(action),
        next_obs=next_obs,
        clicked_place=jnp.asarray(clicked_place, jnp.int8),
        **of,
    )


STATES, ITEMS, SLATE, GAMMA = 6, 5, 2, 0.9
EXACT = [5.44546139, 5.32154495, 5.47597869, 5.50243134, 5.31485992, 5.53229898]
DROPPED = [1.60887375, 1.26351049, 1.60047702, 1.64425713, 1.41131055, 1.70429772]
"""Values of full-slate planning, and of decomposed planning in which nothing is worth 0, recorded
from an independent computation."""


def small_mdp() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights, rewards and transitions of the items and of nothing."""
    rng = np.random.default_rng(3)
    v = rng.uniform(0.2, 2, (STATES, ITEMS))
    r = rng.uniform(0, 1, (STATES, ITEMS + 1))
    r[:, ITEMS] = 0
    return v, r, rng.dirichlet(0.5 * np.ones(STATES), (STATES, ITEMS + 1))


def planned_in_full() -> np.ndarray:
    """Return the values by value iteration over all slates."""
    v, r, p = small_mdp()
    value = np.zeros(STATES)
    for _ in range(400):
        after, best = r + GAMMA * p @ value, np.full(STATES, -np.inf)
        for slate in itertools.combinations(range(ITEMS), SLATE):
            mass = np.concatenate([v[:, slate], np.ones((STATES, 1))], axis=1)
            best = np.maximum(best, (mass * after[:, [*slate, ITEMS]]).sum(1) / mass.sum(1))
        value = best
    return value


@pytest.mark.parametrize(("null_value", "wanted"), [(True, EXACT), (False, DROPPED)])
def test_decomposed_planning_is_full_slate_planning(null_value: bool, wanted: list[float]) -> None:
    """Sweeps of the agent's own target over all states, items and nothing, with the true
    transitions, converge to the values of full-slate planning."""
    v, r, p = small_mdp()
    network = item_network(table_network(STATES, ITEMS), table_choice(v))
    backup = make_slate_target(config("max", "exact", null_value), table_choice(v), SLATE)
    obs = states(np.arange(STATES), ITEMS, SLATE)
    t = transition(obs, jnp.zeros((STATES, SLATE), jnp.int32), jnp.zeros(STATES), obs)
    catalogue = Topics(jnp.zeros((ITEMS + 1, 1)))

    @jax.jit
    def values(table: Any) -> Any:
        params = {"q": table}
        return backup(
            TargetInputs(network, VALUES, params, params, catalogue, hypers()), t, jax.random.key(0)
        ).raw[:, 0]

    table = np.zeros((STATES, ITEMS + 1), np.float32)
    for _ in range(200):
        table = (r + GAMMA * p @ np.asarray(values(jnp.asarray(table)))).astype(np.float32)
    np.testing.assert_allclose(values(jnp.asarray(table)), wanted, atol=2e-5)
    if null_value:
        np.testing.assert_allclose(planned_in_full(), EXACT, atol=1e-7)


def looped(
    target: str,
    fill: Any,
    null: bool,
    online: Any,
    target_values: Any,
    v: Any,
    mask: Any,
    following: Any,
) -> list[float]:
    """Return the targets by definition, one transition at a time."""
    found = []
    for i in range(len(online)):
        chooser = online[i] if target == "double" else target_values[i]
        q0 = chooser[-1] if null else 0.0
        slate = fill(np.where(mask[i], v[i], 0), chooser[:-1], q0, mask[i])
        if target == "sarsa" and following[i][0] >= 0:
            slate = tuple(following[i])
        mass = 1.0 + sum(v[i][j] for j in slate)
        items = sum(v[i][j] * target_values[i][j] for j in slate)
        found.append((items + (target_values[i][-1] if null else 0.0)) / mass)
    return found


def best_of_all(v: Any, q: Any, q0: float, mask: Any) -> tuple[int, ...]:
    """Return the best slate by brute force."""
    places = [i for i in range(len(q)) if mask[i]]
    return max(
        itertools.combinations(places, SLATE),
        key=lambda s: (sum(v[i] * q[i] for i in s) + q0) / (1 + sum(v[i] for i in s)),
    )


def top_of_all(v: Any, q: Any, q0: float, mask: Any) -> tuple[int, ...]:
    places = [i for i in range(len(q)) if mask[i]]
    return tuple(sorted(places, key=lambda i: -v[i] * (q[i] - q0))[:SLATE])


@pytest.mark.parametrize("null_value", [True, False])
@pytest.mark.parametrize(("fill", "by_hand"), [("exact", best_of_all), ("topk", top_of_all)])
@pytest.mark.parametrize("target", ["max", "double", "sarsa"])
def test_targets_are_the_definition_in_loops(
    target: str, fill: str, by_hand: Any, null_value: bool
) -> None:
    """Tables, masks and next slates are random; a third of the next slates are unknown because the
    session was truncated."""
    n, rng = 40, np.random.default_rng(5)
    online, target_values = rng.normal(0, 3, (2, n, ITEMS + 1)).astype(np.float32)
    v, mask = rng.uniform(0.1, 2, (n, ITEMS)), rng.random((n, ITEMS)) < 0.8
    mask[:, :SLATE] = True
    following = np.stack([rng.permutation(np.flatnonzero(m))[:SLATE] for m in mask])
    following[rng.random(n) < 0.3] = -1
    mask[0] = False  # nothing available: the reward alone
    choice, obs = table_choice(v), states(np.arange(n), ITEMS, SLATE, mask)
    reward, discount = rng.normal(size=n), 0.9 * (rng.random(n) < 0.7)
    left = states(
        np.arange(n)[::-1], ITEMS, SLATE, mask
    )  # other states, from which the next state's values must not be read
    t = transition(
        left,
        jnp.zeros((n, SLATE), jnp.int32),
        jnp.zeros(n),
        obs,
        reward=jnp.asarray(reward, jnp.float32),
    )
    t = t._replace(discount=jnp.asarray(discount, jnp.float32))
    t = t._replace(next_action=jnp.asarray(following, jnp.int32)) if target == "sarsa" else t
    network = item_network(table_network(n, ITEMS), choice)
    backup = make_slate_target(config(target, fill, null_value), choice, SLATE)
    inputs = TargetInputs(
        network,
        VALUES,
        {"q": jnp.asarray(online)},
        {"q": jnp.asarray(target_values)},
        Topics(jnp.zeros((ITEMS + 1, 1))),
        hypers(),
    )
    got = jax.jit(lambda t: backup(inputs, t, jax.random.key(0)))(t)
    wanted = looped(
        target, by_hand, null_value, *(x[1:] for x in (online, target_values, v, mask, following))
    )
    np.testing.assert_allclose(got.raw[1:, 0], wanted, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(got.reward, reward, rtol=1e-6)
    np.testing.assert_allclose(got.discount, np.where(np.arange(n) == 0, 0, discount), rtol=1e-6)


def test_the_targets_slate_may_be_filled_in_another_way_than_the_one_shown() -> None:
    """In this case top-k and the exact slate differ (the worked example of ``ops/test_slates``):
    1.9 and 2.16129."""
    v, q = [[1.0, 0.8, 0.3, 1.9, 0.1, 1.2]], [[2.0, 5.0, 9.0, 1.5, 10.0, 3.0, 0.0]]
    choice = known_choice_model(lambda obs: (jnp.asarray(v), jnp.full(1, 2.0)))
    obs, params = states([0], 6, 2), {"q": jnp.asarray(q)}
    t = transition(obs, jnp.zeros((1, 2), jnp.int32), [0], obs)
    inputs = TargetInputs(
        item_network(table_network(1, 6), choice),
        VALUES,
        params,
        params,
        Topics(jnp.zeros((7, 1))),
        hypers(),
    )
    for target_fill, worth in (("same", 1.9), ("exact", 2.16129)):
        own = SlateQConfig(
            name="slateq", target="max", slate=SlateConfig(fill="topk", target_fill=target_fill)
        )
        raw = make_slate_target(own, choice, 2)(inputs, t, jax.random.key(0)).raw
        assert float(raw[0, 0]) == pytest.approx(worth, abs=1e-5)


@pytest.mark.parametrize("null_value", [True, False])
def test_the_greedy_policy_shows_what_the_agent_would_without_exploring(null_value: bool) -> None:
    """The slate shown is the best of all by brute force; scores are ``v (q - q_0)``, masked if
    nothing is available."""
    n, rng = 30, np.random.default_rng(8)
    q, v = rng.normal(1, 3, (n, ITEMS + 1)).astype(np.float32), rng.uniform(0.1, 2, (n, ITEMS))
    mask = rng.random((n, ITEMS)) < 0.8
    mask[:, :SLATE] = True
    choice, obs, topics = (
        table_choice(v),
        states(np.arange(n), ITEMS, SLATE, mask),
        Topics(jnp.zeros((ITEMS + 1, 1))),
    )
    parts = (config("max", "exact", null_value), table_network(n, ITEMS))
    agent, policy = (
        make_slateq(*parts, VALUES, choice, SLATE),
        make_slate_greedy(*parts, choice, SLATE),
    )
    state = agent.init(jax.random.key(0))._replace(params={"q": jnp.asarray(q)})
    shown, _ = policy.act(state.params, View(obs, topics), jax.random.key(0))
    np.testing.assert_array_equal(
        shown, agent.act(state, obs, topics, jnp.float32(0), jax.random.key(1))
    )
    nothing = q[:, -1] if null_value else np.zeros(n)
    for i in range(n):
        assert set(np.asarray(shown)[i].tolist()) == set(
            best_of_all(v[i], q[i, :-1], nothing[i], mask[i])
        )
    scores = np.asarray(policy.scores(state.params, View(obs, topics), jax.random.key(0)))
    np.testing.assert_allclose(
        scores[mask], (v * (q[:, :-1] - nothing[:, None]))[mask], rtol=1e-4, atol=1e-5
    )
    assert (scores[~mask] < -1e30).all()


def test_what_was_taken_is_credited_and_nothing_else() -> None:
    """With places 3, 0 and nothing taken, those entries of the table move; if nothing has no value
    to learn, its entry does not move."""
    obs = states([0, 1, 2], ITEMS, SLATE)
    t = transition(
        obs, jnp.array([[3, 1], [2, 0], [4, 1]]), [0, 1, 2], obs, reward=jnp.array([1.0, 2.0, 3.0])
    )
    t = t._replace(discount=jnp.zeros(3))
    np.testing.assert_array_equal(taken_item(t), [3, 0, ITEMS])
    sample = Sample(t, jnp.arange(3), jnp.ones(3), jnp.ones(3))
    for null_value in (True, False):
        choice = table_choice(np.ones((3, ITEMS)))
        agent = make_slateq(
            config("max", "topk", null_value), table_network(3, ITEMS), VALUES, choice, SLATE
        )
        state = jax.jit(agent.init)(jax.random.key(0))
        after, td, metrics = jax.jit(agent.update)(
            state,
            sample,
            Topics(jnp.zeros((ITEMS + 1, 1))),
            hypers(learning_rate=0.1),
            jax.random.key(1),
        )
        moved = np.argwhere(np.asarray(after.params["q"]) != 0).tolist()
        assert moved == [[0, 3], [1, 0], *([[2, ITEMS]] if null_value else [])]
        np.testing.assert_allclose(td, [1, 2, 3 if null_value else 0])
        assert int(metrics["nonfinite"]) == 0


def documents(n: int, items: int, topics: int, slate: int, seed: int) -> tuple[DocumentObs, Topics]:
    """Return random users and documents."""
    rng = np.random.default_rng(seed)
    obs = states(np.zeros(n), items, slate)
    content = np.zeros((topics + 1, topics + 1), np.float32)
    content[np.arange(topics + 1), np.arange(topics + 1)] = 1
    return obs._replace(
        user=jnp.asarray(rng.uniform(-1, 1, (n, topics)), jnp.float32),
        topic=jnp.asarray(rng.integers(0, topics, (n, items)), jnp.int8),
    ), Topics(jnp.asarray(content))


def small_network(obs: DocumentObs, topics: Topics) -> Network:
    return make_documents(NetworkConfig(hidden=[16, 16]), obs, topics, VALUES)


def test_the_choice_models_loss_is_its_log_likelihood() -> None:
    """The loss equals a loop, nothing included; an unavailable candidate has probability 0 and
    weight 0."""
    obs, topics = documents(7, 4, 3, SLATE, 0)
    obs = obs._replace(mask=obs.mask.at[0, 1].set(False))
    choice = conditional_logit(small_network(obs, topics))
    params = choice.init(jax.random.key(0))
    head = params["choice"]["halves"]["head"]["stream"][
        "out"
    ]  # the head starts at zero: all logits would be equal
    head["kernel"] = jax.random.normal(jax.random.key(1), head["kernel"].shape)
    steep = jax.tree.map(lambda x: 1e3 * x, params)
    assert np.isfinite(np.asarray(choice.weights(steep, obs, topics)[0])).all()
    v, nothing = choice.weights(params, obs, topics)
    assert float(v[0, 1]) == 0
    slate, clicked_place = (
        np.array([[1, 2], [3, 0], [0, 1], [2, 1], [1, 0], [2, 3], [3, 3]]),
        np.array([1, 0, 2, 1, 0, 2, 0]),
    )
    assert choice.loss is not None
    got = choice.loss(params, obs, jnp.asarray(slate), jnp.asarray(clicked_place, jnp.int8), topics)
    for i in range(7):
        mass = [*(float(v[i, j]) for j in slate[i]), float(nothing[i])]
        if slate[i, 0] == slate[i, 1]:  # an item named twice is shown once
            mass[1] = 0.0
        assert float(got[i]) == pytest.approx(-np.log(mass[clicked_place[i]] / sum(mass)), rel=1e-4)


@pytest.mark.slow
def test_importance_weights_are_of_the_choice_models_loss_too() -> None:
    """A transition of weight 0 moves neither the values nor the choice model."""
    obs, topics = documents(2, 4, 3, SLATE, 6)
    choice = conditional_logit(small_network(obs, topics))
    agent = make_slateq(config("max", "greedy"), small_network(obs, topics), VALUES, choice, SLATE)
    t = transition(
        obs, jnp.array([[0, 1], [2, 3]]), [0, 1], obs, reward=jnp.ones(2), discount=jnp.zeros(2)
    )
    state = agent.init(jax.random.key(0))

    def after(weights: list[float], rows: Any) -> Any:
        sample = Sample(jax.tree.map(lambda x: x[rows], t), rows, jnp.ones(2), jnp.asarray(weights))
        return agent.update(state, sample, topics, hypers(learning_rate=0.1), jax.random.key(1))[
            0
        ].params

    moved = after([1.0, 0.0], jnp.array([0, 1]))
    alone = after([1.0, 0.0], jnp.array([0, 0]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), moved, alone)
    other = after([0.0, 1.0], jnp.array([0, 1]))
    for part in ("q", "choice"):
        gaps = [
            float(jnp.abs(a - b).max())
            for a, b in zip(*map(jax.tree.leaves, (moved[part], other[part])), strict=True)
        ]
        assert max(gaps) > 0.01, part


def test_a_choice_model_is_learnt_beside_the_values() -> None:
    """With users who choose by ``exp(2 I_c - 1)``, the learned probabilities converge near theirs,
    and the values are not disturbed."""
    n, items, kinds = 32_768, 4, 3
    obs, topics = documents(n, items, kinds, SLATE, 1)
    rng = np.random.default_rng(2)
    slate = np.stack([rng.permutation(items)[:SLATE] for _ in range(n)])
    true = np.exp(
        2 * np.take_along_axis(np.asarray(obs.user), np.asarray(obs.topic).astype(int), axis=1) - 1
    )
    mass = np.concatenate([np.take_along_axis(true, slate, axis=1), np.ones((n, 1))], axis=1)
    chances = mass / mass.sum(1, keepdims=True)
    clicked_place = (rng.random(n)[:, None] > np.cumsum(chances, axis=1)).sum(1)
    choice = conditional_logit(small_network(obs, topics))
    agent = make_slateq(config("max", "greedy"), small_network(obs, topics), VALUES, choice, SLATE)
    t = transition(
        obs,
        jnp.asarray(slate, jnp.int32),
        clicked_place,
        obs,
        reward=jnp.ones(n),
        discount=jnp.zeros(n),
    )

    def one(state: Any, key: Any) -> tuple[Any, Any]:
        rows = jax.random.randint(key, (256,), 0, n)
        sample = Sample(jax.tree.map(lambda x: x[rows], t), rows, jnp.ones(256), jnp.ones(256))
        state, _, metrics = agent.update(state, sample, topics, hypers(learning_rate=3e-3), key)
        return state, metrics["loss"]

    state = jax.jit(agent.init)(jax.random.key(0))
    state, _ = jax.jit(lambda s: jax.lax.scan(one, s, jax.random.split(jax.random.key(3), 600)))(
        state
    )
    v, _ = choice.weights(state.params, obs, topics)
    inputs = np.concatenate(
        [np.take_along_axis(np.asarray(v), slate, axis=1), np.ones((n, 1))], axis=1
    )
    gap = np.abs(inputs / inputs.sum(1, keepdims=True) - chances).mean()
    assert gap < 0.03, "with all weights equal it is 0.14"
    policy = make_slate_greedy(config("max", "greedy"), small_network(obs, topics), choice, SLATE)
    q = item_network(small_network(obs, topics), choice).apply(state.params, obs, topics, None).q
    assert float(jnp.mean(jnp.abs(q - 1))) < 0.1
    action, _ = policy.act(state.params, View(obs, topics), jax.random.key(0))
    assert action.shape == (n, SLATE)


def test_exploring_shows_any_slate_and_exploiting_the_best() -> None:
    """At epsilon 1 all ordered pairs are equally frequent; at 0 the pair of the highest value is
    always shown."""
    n = 6000
    obs = states(np.zeros(n), 4, SLATE)
    choice = table_choice(np.ones((1, 4)))
    agent = make_slateq(config("max", "exact"), table_network(1, 4), VALUES, choice, SLATE)
    state = agent.init(jax.random.key(0))
    state = state._replace(params={"q": jnp.array([[1.0, 4.0, 2.0, 3.0, 0.0]])})
    act = jax.jit(agent.act)
    topics = Topics(jnp.zeros((5, 1)))
    best = np.asarray(act(state, obs, topics, jnp.float32(0), jax.random.key(1)))
    assert (best == [[1, 3]]).all()
    pairs, counts = np.unique(
        np.asarray(act(state, obs, topics, jnp.float32(1), jax.random.key(2))),
        axis=0,
        return_counts=True,
    )
    assert len(pairs) == 12
    assert (np.abs(counts - n / 12) < 5 * np.sqrt(n / 12)).all()


def test_the_environments_own_choice_is_told_and_the_live_worlds_is_learnt() -> None:
    """With ``agent.slate.choice=auto``, a learned choice model has parameters and the environment's
    own has none."""
    for env, asked, known in (
        (recsim_config(), "auto", True),
        (recsim_config(), "logit", False),
        (live_config(), "auto", False),
    ):
        config = TrainRun(
            env=env, agent=SlateQConfig(name="slateq", slate=SlateConfig(choice=asked))
        )
        parts = build.agent_parts(config, build.build_env(env, 2), build.build_worlds(env, 0, 1))
        choice = choice_model(config.agent, parts)
        assert (choice.loss is None) == known
        assert bool(jax.eval_shape(choice.init, jax.random.key(0))) != known
