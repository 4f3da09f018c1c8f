"""Target rules, through networks, against the definition in loops and a worked trajectory, and
their treatment of masks."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles.recorded import recorded
from oracles.targets import TWINS

from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.agents.dqn.targets import TargetInputs, make_target
from lrdqn.networks.candidates import CANDIDATE_FIELDS, CandidateFields
from lrdqn.ops.losses import mse
from lrdqn.ops.values import make_expected
from lrdqn.types import Hypers, Network, QOutput, Transition

RULES = ("max", "double", "expected_sarsa", "munchausen")
VALUES = make_expected(mse)
LOWEST = -1.0


def hypers(**changes: float) -> Hypers:
    values = (
        dict.fromkeys(Hypers._fields, 1.0)
        | {"epsilon": 0.1, "munchausen": 0.9, "temperature": 0.03}
        | changes
    )
    return Hypers(**{k: jnp.float32(v) for k, v in values.items()})


def rows_network() -> Network:
    """Return a network whose observations are rows of the table that is its parameters; the last
    column block is the mask, 0 or 1."""

    def apply(params: Any, obs: Any, catalogue: Any, key: Any) -> QOutput:
        q = params[obs]
        return QOutput(q, catalogue[obs], q[..., None])

    def value(params: Any, obs: Any, action: Any, catalogue: Any, key: Any) -> Any:
        return params[obs, action][:, None]

    return Network(lambda key: jnp.zeros((1, 1)), apply, value)


def targets(
    rule: str,
    r: Any,
    discount: Any,
    q_online: Any,
    q_target: Any,
    mask: Any,
    q_now: Any = None,
    action: Any = None,
    **of: float,
) -> np.ndarray:
    """Return the targets ``y [B]`` that the loss receives, as the TD error of a value of 0."""
    n, actions = np.shape(q_target)
    now = np.zeros((n, actions), np.float32) if q_now is None else q_now
    tables = [
        jnp.concatenate([jnp.asarray(q, jnp.float32), jnp.asarray(now, jnp.float32)])
        for q in (q_online, q_target)
    ]
    masks = jnp.concatenate([jnp.asarray(mask), jnp.ones((n, actions), bool)])
    inputs = TargetInputs(rows_network(), VALUES, *tables, masks, hypers(**of))
    taken = jnp.zeros(n, jnp.int32) if action is None else jnp.asarray(action)
    t = Transition(
        jnp.arange(n) + n,
        taken,
        jnp.asarray(r, jnp.float32),
        jnp.asarray(discount, jnp.float32),
        jnp.arange(n),
    )
    backup = make_target(DQNConfig(target=rule, log_policy_min=LOWEST))

    def run(inputs: TargetInputs, t: Transition) -> Any:
        s = backup(inputs, t, jax.random.key(0))
        return jax.vmap(VALUES.loss)(jnp.zeros((n, 1)), *s)[1]

    found = jax.jit(
        lambda tables, masks, hypers, t: run(
            inputs._replace(
                params=tables[0], target_params=tables[1], catalogue=masks, hypers=hypers
            ),
            t,
        )
    )
    return np.asarray(found(tables, masks, inputs.hypers, t))


@pytest.mark.parametrize(
    ("rule", "row"),
    [("max", "dqn"), ("double", "double_dqn"), ("expected_sarsa", "expected_sarsa_eps0_1")],
)
def test_worked_trajectory(rule: str, row: str) -> None:
    """Termination and truncation reach the rule as a discount of 0 and as the final observation's
    values."""
    oracle = recorded("targets")
    given = oracle["inputs"]
    q_online, q_target = (
        np.array(given["Q"][1:], np.float32),
        np.array(given["Q_target"][1:], np.float32),
    )
    q_online[given["truncated_step"]] = given["final_obs_Q"]
    q_target[given["truncated_step"]] = given["final_obs_Q_target"]
    discount = np.full(8, given["gamma"], np.float32)
    discount[given["terminal_step"]] = 0
    y = targets(rule, given["r"], discount, q_online, q_target, np.ones((8, 3), bool))
    np.testing.assert_allclose(y, oracle[row], rtol=0, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.03, 1.0, 10.0])
@pytest.mark.parametrize("rule", RULES)
def test_equals_the_definition(rule: str, temperature: float) -> None:
    rng = np.random.default_rng(0)
    n, actions = 300, 7
    # Integers, so that ties are frequent.
    q_online, q_target, q_now = (
        rng.integers(-3, 4, (n, actions)).astype(np.float32) for _ in range(3)
    )
    mask = rng.random((n, actions)) < 0.5
    mask[:20] = False
    r = rng.normal(size=n).astype(np.float32)
    discount = rng.choice(np.array([0, 0.5, 0.99], np.float32), n)
    action = rng.integers(0, actions, n)
    of = {"epsilon": 0.25, "munchausen": 0.8, "temperature": temperature}
    twin = [
        TWINS[rule](
            r[i],
            discount[i],
            q_online[i],
            q_target[i],
            mask[i],
            epsilon=0.25,
            q_now=q_now[i],
            action=int(action[i]),
            share=0.8,
            temperature=temperature,
            lowest=LOWEST,
        )
        for i in range(n)
    ]
    y = targets(rule, r, discount, q_online, q_target, mask, q_now, action, **of)
    np.testing.assert_allclose(y, twin, rtol=1e-5, atol=1e-5)


class FewObs(NamedTuple):
    """Candidates whose features are their values."""

    candidates: Any
    features: Any
    mask: Any


def few_targets(q: np.ndarray, mask: np.ndarray, few: int | None, key: int) -> np.ndarray:
    """Return targets without reward where the target looks at ``few`` candidates."""

    def apply(params: Any, obs: Any, catalogue: Any, key: Any) -> QOutput:
        return QOutput(obs.features, obs.mask, obs.features[..., None])

    network = Network(lambda key: {}, apply, lambda *of: None)  # type: ignore[arg-type, return-value]
    rule = make_target(DQNConfig(target="max", target_candidates=few))
    obs = FewObs(jnp.arange(q.size).reshape(q.shape), jnp.asarray(q), jnp.asarray(mask))
    n = len(q)
    t = Transition(None, jnp.zeros(n, int), jnp.zeros(n), jnp.ones(n), obs)
    inputs = TargetInputs(network, VALUES, {}, {}, (), None)  # type: ignore[arg-type]
    return np.asarray(rule(inputs, t, jax.random.key(key)).raw[:, 0])


def test_some_candidates_are_a_random_subset_of_those_on_offer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(CANDIDATE_FIELDS, FewObs, CandidateFields("candidates", lambda c: 0))
    rng = np.random.default_rng(3)
    q = np.tile(rng.permutation(6).astype(np.float32), (4000, 1))
    mask = np.tile(np.array([True, True, False, True, True, True]), (4000, 1))
    offered = np.sort(q[0][mask[0]])
    np.testing.assert_array_equal(few_targets(q, mask, None, 0), offered[-1])
    np.testing.assert_array_equal(few_targets(q, mask, 6, 0), offered[-1])
    for few in (1, 2, 4):
        best = [max(c) for c in itertools.combinations(offered, few)]
        drawn = few_targets(q, mask, few, few)
        assert set(drawn) == set(best)
        error = np.std(best) / np.sqrt(len(drawn))
        assert drawn.mean() == pytest.approx(np.mean(best), abs=4.5 * error)


def test_double_with_one_network_is_max() -> None:
    rng = np.random.default_rng(1)
    q = rng.normal(size=(100, 5)).astype(np.float32)
    mask = rng.random((100, 5)) < 0.6
    rest = rng.normal(size=100).astype(np.float32), np.full(100, 0.9, np.float32)
    np.testing.assert_array_equal(
        targets("max", *rest, q, q, mask), targets("double", *rest, q, q, mask)
    )


def test_expected_sarsa_without_exploration_is_max() -> None:
    rng = np.random.default_rng(2)
    q, mask = rng.normal(size=(100, 5)).astype(np.float32), rng.random((100, 5)) < 0.6
    rest = rng.normal(size=100).astype(np.float32), np.full(100, 0.9, np.float32)
    np.testing.assert_allclose(
        targets("expected_sarsa", *rest, q, q, mask, epsilon=0.0),
        targets("max", *rest, q, q, mask),
        rtol=1e-6,
    )


def test_munchausen_cold_and_without_its_bonus_is_max() -> None:
    """alpha = 0 and tau -> 0 give DQN (Vieillard et al. 2020); Q has no ties here."""
    rng = np.random.default_rng(3)
    q, mask = rng.normal(size=(100, 5)).astype(np.float32), rng.random((100, 5)) < 0.6
    rest = rng.normal(size=100).astype(np.float32), np.full(100, 0.9, np.float32)
    cold = targets("munchausen", *rest, q, q, mask, q, munchausen=0.0, temperature=1e-5)
    np.testing.assert_allclose(cold, targets("max", *rest, q, q, mask), atol=1e-4)


def test_munchausen_bonus_is_clipped_from_below() -> None:
    q = np.array([[0.0, 100.0]], np.float32)
    y = targets("munchausen", [0.0], [0.0], q, q, np.ones((1, 2), bool), q, [0], munchausen=0.5)
    assert y[0] == pytest.approx(0.5 * LOWEST)
    y = targets("munchausen", [0.0], [0.0], q, q, np.ones((1, 2), bool), q, [1], munchausen=0.5)
    assert y[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("rule", RULES[:3])
@pytest.mark.parametrize("value", [1.0, 3e38, -3e38, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("available_discount", [True, False])
def test_discount_zero_is_the_reward_alone(
    rule: str, value: float, available_discount: bool
) -> None:
    q = np.full((1, 4), value, np.float32)
    y = targets(rule, [0.3], [0.0], q, q, np.full((1, 4), available_discount))
    assert y[0] == np.float32(0.3)


def test_discount_zero_is_the_reward_and_the_bonus_alone() -> None:
    for value in (1.0, 3e38, np.inf, np.nan):
        q = np.full((1, 4), value, np.float32)
        y = targets("munchausen", [0.3], [0.0], q, q, np.ones((1, 4), bool), munchausen=0.0)
        assert y[0] == np.float32(0.3)


@pytest.mark.parametrize("rule", RULES)
def test_nothing_on_offer_is_the_reward_alone(rule: str) -> None:
    q = np.arange(4.0)[None]
    assert targets(rule, [0.3], [0.9], q, q, np.zeros((1, 4), bool), munchausen=0.0)[
        0
    ] == np.float32(0.3)


@pytest.mark.parametrize("rule", RULES)
def test_masked_actions_cannot_be_seen(rule: str) -> None:
    """The target does not depend on the value of an unavailable action."""
    mask = np.array([[True, False, True, False]])
    q = np.array([[1.0, 0.0, 2.0, 0.0]])
    clean = targets(rule, [1.0], [0.5], q, q, mask)
    for value in (1e9, -1e9, np.nan, np.inf):
        spoilt = np.where(mask, q, value)
        np.testing.assert_array_equal(targets(rule, [1.0], [0.5], spoilt, spoilt, mask), clean)


@pytest.mark.parametrize("rule", RULES)
def test_permuting_the_actions_changes_nothing(rule: str) -> None:
    rng = np.random.default_rng(4)
    q, mask = rng.normal(size=(50, 6)).astype(np.float32), rng.random((50, 6)) < 0.6
    order, r, discount = rng.permutation(6), rng.normal(size=50), np.full(50, 0.9)
    a = targets(rule, r, discount, q, q, mask)
    b = targets(rule, r, discount, q[:, order], q[:, order], mask[:, order])
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def test_a_stored_return_is_the_target() -> None:
    q = np.full((2, 3), np.nan, np.float32)
    y = targets("lambda", [0.3, -2.0], [0.9, 0.0], q, q, np.ones((2, 3), bool))
    np.testing.assert_array_equal(y, np.array([0.3, -2.0], np.float32))
