"""Numbers that any correct implementation must give, beside what lrdqn gives: PASS or FAIL, exit
code 1 on a FAIL.

    python benchmarks/oracle_table.py [--out DIR]

Targets on a worked trajectory, closed-form fixed points, priorities and exact probabilities,
projections, and values of random MDPs against planning. Constants are worked out by hand or come
from a float64 computation of the definition; the tests cover the same with independent twins.
Writes ``benchmarks/results/oracles.{json,md}``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(1, str(Path(__file__).resolve().parent / "papers"))

import rows as result_files
from hypers import make as hypers  # pyright: ignore[reportMissingImports]
from verdict import RESULTS, Row, failed, near, table, within  # pyright: ignore[reportMissingImports]

from lrdqn.agents.dqn.agent import make_dqn
from lrdqn.agents.dqn.config import DQNConfig
from lrdqn.agents.dqn.targets import TargetInputs, make_target
from lrdqn.agents.tabular.agent import make_q_learning, value_iteration
from lrdqn.agents.tabular.config import TabularConfig
from lrdqn.config import ReplayConfig
from lrdqn.envs.garnet.config import GarnetConfig
from lrdqn.envs.garnet.env import make_garnet, make_garnet_world
from lrdqn.networks.heads import duel
from lrdqn.ops import sum_tree
from lrdqn.ops.losses import LOSSES, mse
from lrdqn.ops.quantile import quantile_huber
from lrdqn.ops.returns import lambda_returns
from lrdqn.ops.values import make_categorical, make_expected
from lrdqn.replay import make_prioritized, make_rank
from lrdqn.replay.rank import draw_ranks, rank_masses
from lrdqn.train.horizon import n_step
from lrdqn.train.rollout import to_transition
from lrdqn.types import EnvSpec, Hypers, Network, QOutput, Replay, Sample, TimeStep, Transition

Q = np.array(
    [
        [0.001, 0.299, -0.274],
        [-0.891, -0.455, -0.992],
        [0.06, 1.34, -0.492],
        [-0.62, 0.49, 0.357],
        [0.105, -0.93, -0.029],
        [0.695, -1.344, -0.458],
        [-1.901, -1.29, -1.842],
        [-0.235, -1.267, 0.271],
        [0.157, -0.187, -2.517],
    ]
)
Q_TARGET = np.array(
    [
        [-0.539, -0.049, 0.113],
        [-1.53, -0.478, -0.979],
        [-0.809, 1.061, -0.808],
        [-0.033, 0.884, -0.584],
        [-0.112, 0.11, 0.064],
        [-1.225, 0.076, 1.359],
        [-1.547, 0.859, 0.119],
        [-0.641, 2.0, 0.762],
        [-1.199, 0.075, 0.577],
    ]
)
REWARDS = np.array([-0.189, 0.683, -0.067, 0.667, 1.439, -0.676, 0.203, -0.463])
TERMINAL, CUT, FINAL, FINAL_TARGET = 2, 5, (0.7, -0.2, 0.4), (0.1, 0.9, -0.3)
"""A trajectory of eight steps: the third terminates, the sixth is cut by a time limit and its last
observation has values."""

WORKED = {
    "dqn (max)": ("max", (-0.6192, 1.6379, -0.067, 0.766, 2.6621, 0.134, 2.003, 0.0563)),
    "double dqn": ("double", (-0.6192, 1.6379, -0.067, 0.5662, 0.3365, -0.586, 0.8888, -1.5421)),
    "expected sarsa, epsilon .1": (
        "expected_sarsa",
        (-0.66579, 1.52573, -0.067, 0.75796, 2.54609, 0.074, 1.88663, -0.01204),
    ),
}
THREE_STEP = (0.37143, 0.6227, -0.067, 2.07064, 1.5596, 0.134, 0.25367, 0.0563)
LAMBDA = (0.29122943, 1.065905, -0.067, 1.65421878, 1.631015, -0.046, 0.1001705, -0.3217)


def rows_network() -> Network:
    """Return a network whose parameters are a table and whose observations are rows of it."""

    def apply(params: Any, obs: Any, catalogue: Any, key: Any) -> QOutput:
        return QOutput(params[obs], jnp.ones(params[obs].shape, bool), params[obs][..., None])

    def value(params: Any, obs: Any, action: Any, catalogue: Any, key: Any) -> Any:
        return params[obs, action][:, None]

    return Network(lambda key: jnp.zeros((1, 1)), apply, value)


def f32(x: Any) -> jax.Array:
    return jnp.asarray(x, jnp.float32)


def gap(name: str, metric: str, expected: Any, got: Any, tolerance: float, unit: str = "-") -> Row:
    """Return a row for a whole array: its largest distance from the expected one."""
    worst = float(np.abs(np.asarray(got, np.float64) - np.asarray(expected, np.float64)).max())
    return within(
        name,
        f"{metric}: largest distance of {np.size(expected)}",
        -np.inf,
        tolerance,
        worst,
        np.size(expected),
        unit,
    )


def following() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return online and target values of the next states, and the discounts."""
    online, target, discount = Q[1:].copy(), Q_TARGET[1:].copy(), np.full(8, 0.9)
    online[CUT], target[CUT], discount[TERMINAL] = FINAL, FINAL_TARGET, 0.0
    return online, target, discount


def target_rows() -> list[Row]:
    """Check one-step, n-step and lambda targets, projections and losses."""
    online, target, discount = following()
    values, found = make_expected(mse), []
    t = Transition(
        jnp.arange(8), jnp.zeros(8, jnp.int32), f32(REWARDS), f32(discount), jnp.arange(8)
    )
    for name, (rule, expected) in WORKED.items():
        learnt = TargetInputs(
            rows_network(), values, f32(online), f32(target), (), hypers(epsilon=0.1)
        )
        s = make_target(DQNConfig(target=rule))(learnt, t, jax.random.key(0))
        y = jax.vmap(values.loss)(jnp.zeros((8, 1)), *s)[1]
        found.append(gap("targets", name, expected, y, 1e-6))
    found.append(
        gap(
            "targets",
            "3-step, through the horizon",
            THREE_STEP,
            three_step_targets(target, discount),
            1e-6,
        )
    )
    ended = np.isin(np.arange(8), (TERMINAL, CUT))
    g = lambda_returns(
        f32(REWARDS), f32(discount), f32(online.max(1)), jnp.asarray(ended), f32(0.65)
    )
    found.append(gap("targets", "lambda .65", LAMBDA, g, 1e-6))
    step = np.arange(5)
    leak = nstep(2.0**step, np.where(step == 2, 0.0, 0.9), step == 2, 3)
    found.append(
        gap("targets", "3-step over an auto-reset", (6.04, 5.6, 4.0), leak.reward[2:], 1e-6)
    )
    one = duel(f32([[0.5]]), f32([1.0, -2.0, 4.0])[None, :, None], jnp.ones((1, 3), bool))[0, :, 0]
    return [
        *found,
        gap("heads", "dueling, mean", (0.5, -2.5, 3.5), one, 1e-6),
        *distribution_rows(),
    ]


def nstep(rewards: Any, discounts: Any, ended: Any, n: int) -> Transition:
    """Return a single session's n-step transitions; the observation after step k is k + 1."""
    k = jnp.arange(len(rewards))
    t = Transition(f32(k), k, f32(rewards), f32(discounts), f32(k + 1))
    horizon, t = n_step(n), jax.tree.map(lambda x: x[:, None], t)
    state = horizon.init(jax.tree.map(lambda x: x[0, 0], t), 1)
    return horizon.extend(
        state, t, jnp.asarray(ended)[:, None], (), (), hypers(), jax.random.key(0)
    )[1]


def three_step_targets(target: np.ndarray, discount: np.ndarray) -> np.ndarray:
    """Return the 3-step targets of the trajectory, extended by two empty steps so that all eight
    come out."""
    ended = np.isin(np.arange(10), (TERMINAL, CUT, 7))
    out = nstep(np.append(REWARDS, [0, 0]), np.append(discount, [0, 0]), ended, 3)
    after = np.asarray(out.next_obs[2:], int) - 1
    return np.asarray(out.reward[2:]) + np.asarray(out.discount[2:]) * target.max(1)[after]


def distribution_rows() -> list[Row]:
    """Check C51's projection through the loss's gradient, and the minimiser of the quantile
    loss."""
    values, p = (
        make_categorical(9, -2.0, 2.0),
        f32([0.05, 0.1, 0.05, 0.2, 0.25, 0.05, 0.1, 0.15, 0.05]),
    )

    def projected(r: float, discount: float) -> np.ndarray:
        """Return the projected target: even probabilities minus the gradient of the cross-entropy
        at even logits."""
        gradient = jax.grad(lambda raw: values.loss(raw, f32(r), f32(discount), jnp.log(p))[0])(
            jnp.zeros(9)
        )
        return np.asarray(1 / 9 - gradient)

    between = (0.0, 0.06, 0.1, 0.1, 0.24, 0.175, 0.085, 0.145, 0.095)
    on_grid = (0.0, 0.05, 0.1, 0.05, 0.2, 0.25, 0.05, 0.1, 0.2)
    sample = jnp.sort(jax.random.normal(jax.random.key(0), (999,)))
    theta = jnp.zeros(3)
    step = jax.jit(lambda theta, rate: theta - rate * jax.grad(quantile_huber)(theta, sample, 0.0))
    for i in range(3000):
        theta = step(theta, f32(0.5 / (1 + i / 10)))
    return [
        gap("heads", "C51, r .3, gamma .9", between, projected(0.3, 0.9), 1e-6, "probability"),
        gap(
            "heads",
            "C51, atoms that fall on the grid",
            on_grid,
            projected(0.5, 1.0),
            1e-6,
            "probability",
        ),
        gap(
            "heads",
            "C51, a return above the grid",
            np.eye(9)[8],
            projected(5.0, 0.9),
            1e-6,
            "probability",
        ),
        gap(
            "heads",
            "C51, the end of a session",
            np.eye(9)[6],
            projected(1.0, 0.0),
            1e-6,
            "probability",
        ),
        gap(
            "heads",
            "quantile regression finds 1/6, 1/2, 5/6",
            np.quantile(sample, [1 / 6, 0.5, 5 / 6]),
            theta,
            0.02,
        ),
    ]


def settled(
    config: DQNConfig,
    s: Any,
    a: Any,
    r: Any,
    discount: Any,
    s2: Any,
    shape: tuple[int, int],
    weights: Any = None,
    updates: int = 3000,
    rate: float = 0.3,
) -> np.ndarray:
    """Return the table on which DQN settles when it sees the same batch again and again, its target
    copied after each update."""
    agent = make_dqn(
        config,
        rows_network()._replace(init=lambda key: jnp.zeros(shape)),
        make_expected(LOSSES[config.loss]),
    )
    n = len(r)
    t = Transition(jnp.asarray(s), jnp.asarray(a), f32(r), f32(discount), jnp.asarray(s2))
    sample = Sample(
        t, jnp.arange(n), jnp.full(n, 1 / n), jnp.ones(n) if weights is None else f32(weights)
    )
    h = hypers(learning_rate=rate, tau=1.0)

    def one(state: Any, _: None) -> tuple[Any, None]:
        return agent.sync(agent.update(state, sample, (), h, jax.random.key(0))[0], h), None

    return np.asarray(
        jax.lax.scan(one, agent.init(jax.random.key(0)), None, length=updates)[0].params
    )


def sgd(**changes: Any) -> DQNConfig:
    return DQNConfig(**({"optimizer": "sgd", "max_grad_norm": 1e9, "target": "max"} | changes))


def seen(reward: Any, terminated: Any, truncated: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return rewards and discounts of steps as the training loop stores them."""
    n = len(reward)
    step = TimeStep(
        jnp.zeros(n),
        f32(reward),
        jnp.asarray(terminated),
        jnp.asarray(truncated),
        jnp.zeros(n),
        jnp.ones(n),
        {},
    )
    t = to_transition(
        jnp.zeros(n), jnp.zeros(n, jnp.int32), step, hypers(gamma=0.9, reward_scale=1.0)
    )
    return np.asarray(t.reward), np.asarray(t.discount)


def fixed_point_rows() -> list[Row]:
    """Check where learning must settle, in closed form."""
    none, ten = np.zeros(10, bool), np.zeros(10, int)
    first = np.arange(10) == 0
    ends = settled(sgd(), ten, ten, *seen(np.ones(10), first, none), ten, (1, 1))
    cut = settled(sgd(), ten, ten, *seen(np.ones(10), none, first), ten, (1, 1))
    r, d = seen([1, 1, 1, 6], [False, False, False, True], [False, False, True, False])
    stay = settled(sgd(), [0] * 4, [0, 0, 0, 1], r, d, [0] * 4, (1, 2))
    rare = {
        loss: settled(sgd(loss=loss), ten, ten, 10.0 * first, np.zeros(10), ten, (1, 1))[0, 0]
        for loss in ("mse", "huber")
    }
    return [
        near(
            "fixed points",
            "reward 1, ends with probability .1, gamma .9 (no mask: 10)",
            5.2632,
            ends[0, 0],
            0.001,
            10,
            "value",
        ),
        near(
            "fixed points",
            "reward 1, cut by a time limit (as an end: 5.26)",
            10.0,
            cut[0, 0],
            0.001,
            10,
            "value",
        ),
        near(
            "fixed points",
            "stay (+1) under a limit of 3 (as an end: 4.53)",
            10.0,
            stay[0, 0],
            0.001,
            4,
            "value",
        ),
        near("fixed points", "quit (+6)", 6.0, stay[0, 1], 0.001, 4, "value"),
        near(
            "fixed points", "reward 10 in one case of ten: MSE", 1.0, rare["mse"], 0.03, 10, "value"
        ),
        near(
            "fixed points",
            "reward 10 in one case of ten: Huber",
            1 / 9,
            rare["huber"],
            0.03,
            10,
            "value",
        ),
        near(
            "fixed points",
            "3-step off its policy is biased (Q* = 10)",
            8.738,
            biased(),
            0.001,
            16,
            "value",
        ),
        *chain_rows(),
    ]


def biased() -> float:
    """Return all three-step windows of two states in turn, with reward 1 for action 0, where
    behaviour takes action 1 in one case of five."""
    windows = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    s, a, r, d, after, w = [], [], [], [], [], []
    for start in (0, 1):
        for window in windows:
            out = nstep([1.0 - x for x in window], np.full(3, 0.9), [False] * 3, 3)
            s, a, after = [*s, start], [*a, window[0]], [*after, (start + 3) % 2]
            r, d = [*r, float(out.reward[2])], [*d, float(out.discount[2])]
            w.append(float(np.prod([0.8 if x == 0 else 0.2 for x in window[1:]])) * 4)
    return settled(sgd(), s, a, r, d, after, (2, 2), w)[0, 0]


def chain_rows() -> list[Row]:
    """Check a chain of eight states: with the target copied after each exact fit, one more state is
    known per copy; and Polyak's average."""
    n = 8
    agent = make_dqn(
        sgd(), rows_network()._replace(init=lambda key: jnp.zeros((n + 1, 1))), make_expected(mse)
    )
    k = jnp.arange(n)
    t = Transition(k, jnp.zeros(n, jnp.int32), f32(k == n - 1), f32(0.9 * (k < n - 1)), k + 1)
    sample, h = Sample(t, k, jnp.ones(n), jnp.ones(n)), hypers(learning_rate=n, tau=1.0)
    state, known = agent.init(jax.random.key(0)), []
    for _ in range(n):
        for _ in range(2):
            state = agent.update(state, sample, (), h, jax.random.key(0))[0]
        known.append(int((np.asarray(state.params[:n, 0]) > 0).sum()))
        state = agent.sync(state, h)
    polyak = state._replace(params=jnp.ones((1, 1)), target_params=jnp.zeros((1, 1)))
    slow = hypers(tau=0.005)
    polyak = jax.lax.scan(lambda s, _: (agent.sync(s, slow), None), polyak, None, length=1000)[0]
    return [
        gap(
            "fixed points",
            "states known after k copies of the target",
            np.arange(1, n + 1),
            known,
            0,
            "states",
        ),
        near(
            "fixed points",
            "Polyak .005, 1000 moves from 0 to 1",
            0.99334603,
            float(polyak.target_params[0, 0]),
            1e-4,
            1,
            "-",
        ),
    ]


def filled(replay: Replay, td: Any, h: Hypers) -> Any:
    n = len(td)
    t = Transition(
        f32(np.zeros(n)),
        jnp.zeros(n, jnp.int32),
        f32(np.zeros(n)),
        f32(np.zeros(n)),
        f32(np.zeros(n)),
    )
    state = replay.add(replay.init(jax.tree.map(lambda x: x[0], t)), t, h)
    return replay.update_priorities(state, jnp.arange(n), f32(td), h)


def drawn(
    replay: Replay, state: Any, h: Hypers, times: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return probability and weight of each slot, and how often it was drawn."""
    batches = jax.jit(jax.vmap(lambda key: replay.sample(state, key, h)))(
        jax.random.split(jax.random.key(0), times)
    )
    indices = np.asarray(batches.indices).ravel()
    p, w = (
        dict(zip(indices, np.asarray(x).ravel(), strict=True))
        for x in (batches.probabilities, batches.weights)
    )
    counts = np.bincount(indices)
    return (
        np.array([p[i] for i in range(len(counts))]),
        np.array([w[i] for i in range(len(counts))]),
        counts,
    )


def share_gap(capacity: int, last: int) -> float:
    """Return the largest relative gap between the length of a leaf's share of ``[0, total)``, found
    by bisection, and the leaf's value, among the last leaves."""
    td = np.abs(np.random.default_rng(0).standard_normal(capacity)) + 1e-3
    leaves = (td**0.6).astype(np.float32)
    places = jnp.arange(capacity)
    tree = jax.jit(sum_tree.write)(sum_tree.init(capacity), places, jnp.asarray(leaves))
    find = jax.jit(sum_tree.find)
    wanted = np.arange(capacity - last, capacity)
    total = np.float64(tree.root)
    low, high = np.zeros(last), np.full(last, total)
    with jax.enable_x64(True):
        for _ in range(80):
            middle = (low + high) / 2
            beyond = np.asarray(find(tree, jnp.asarray(middle))[0]) >= wanted
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    length = np.diff(high, append=total)
    exact = leaves[wanted].astype(np.float64)
    return float(np.abs(length / exact - 1).max())


def rank_count_gap(n: int) -> float:
    """Return how far the count of a rank lies from its expectation at most, in 8 n draws."""
    masses = rank_masses(n, jnp.int32(n), jnp.float32(0.7))
    draw = jax.jit(draw_ranks, static_argnums=1)
    rank, _ = draw(jax.random.key(0), 8 * n, masses, jnp.int32(n))
    exact = np.asarray(masses, np.float64)
    return float(np.abs(np.bincount(rank, minlength=n) - 8 * n * exact / exact.sum()).max())


def replay_rows() -> list[Row]:
    """Check exact probabilities, weights and frequencies, and the tree's precision."""
    td = [0.1, 0.5, 1, 2, 4, 0.25, 3, 0.75]
    want = [
        0.0281161,
        0.07384771,
        0.1119322,
        0.16965749,
        0.25715267,
        0.04872132,
        0.21638532,
        0.09418718,
    ]
    weights = [
        1,
        0.67959034,
        0.57543994,
        0.48725107,
        0.41257756,
        0.80259121,
        0.44206985,
        0.61657413,
    ]
    h = hypers(alpha=0.6, beta=0.4)
    proportional = make_prioritized(
        ReplayConfig(name="prioritized", capacity=11, batch_size=2000, epsilon=1e-12)
    )
    p, w, counts = drawn(proportional, filled(proportional, td, h), h, 100)
    chi2 = float(((counts - counts.sum() * p) ** 2 / (counts.sum() * p)).sum())
    by_rank = make_rank(ReplayConfig(name="rank", capacity=11, batch_size=2000))
    h7 = hypers(alpha=0.7, beta=0.5)
    p_rank, _, _ = drawn(by_rank, filled(by_rank, [0.3, -2, 0.1, 5, -0.7, 1.1, 0.05], h7), h7, 10)
    rank = [0.097527, 0.18521786, 0.08584163, 0.3008873, 0.11401497, 0.13945015, 0.0770611]
    tree, leaves = sum_tree.init(131_072), jax.random.exponential(jax.random.key(1), (131_072,))
    order = jax.random.permutation(jax.random.key(2), 131_072).reshape(64, -1)
    tree = jax.lax.scan(lambda t, i: (sum_tree.write(t, i, leaves[i]), None), tree, order)[0]
    exact = float(np.asarray(leaves, np.float64).sum())
    return [
        gap("replay", "proportional probabilities, alpha .6", want, p, 1e-6, "probability"),
        gap("replay", "importance weights, beta .4", weights, w, 1e-5),
        within(
            "replay",
            "chi-square of 200,000 stratified draws (df 7, p .001)",
            -np.inf,
            24.3,
            chi2,
            int(counts.sum()),
            "-",
        ),
        gap("replay", "rank-based probabilities, alpha .7", rank, p_rank, 1e-6, "probability"),
        within(
            "replay",
            "root of 131,072 leaves against float64, relative",
            -np.inf,
            1e-6,
            abs(float(sum_tree.total(tree)) / exact - 1),
            131_072,
            "-",
        ),
        within(
            "replay",
            "2^20 leaves: shares of the last 4,000, by bisection, against those reported, relative",
            -np.inf,
            1e-5,
            share_gap(2**20, 4000),
            4000,
            "-",
        ),
        within(
            "replay",
            "2^20 ranks, 2^23 stratified draws: largest gap of a count to its expectation",
            -np.inf,
            2,
            rank_count_gap(2**20),
            2**23,
            "draws",
        ),
    ]


def garnet_rows() -> list[Row]:
    """Check a random MDP: planning, tabular Q-learning and one-hot DQN."""
    config = GarnetConfig(noise=0.1)
    world = jax.tree.map(jnp.asarray, make_garnet_world(config, np.random.default_rng(0)))
    model = world.reward, world.successors, world.probabilities
    q95, q80 = (np.asarray(value_iteration(*model, f32(g), 2000)) for g in (0.95, 0.8))
    top = np.sort(q95, axis=1)
    found = [
        gap(
            "garnet",
            "Q*(0, .), gamma .95",
            (15.62053721, 15.55944572, 15.52389467, 16.12427113),
            q95[0],
            2e-5,
            "value",
        ),
        near(
            "garnet",
            "sum of Q*, gamma .95",
            1248.759009,
            float(q95.astype(np.float64).sum()),
            1e-6,
            80,
            "value",
            share=True,
        ),
        near(
            "garnet",
            "smallest action gap",
            0.011945,
            float((top[:, -1] - top[:, -2]).min()),
            2e-5,
            20,
            "value",
        ),
        gap(
            "garnet",
            "Q*(0, .), gamma .8",
            (3.67294658, 3.65724986, 3.63450135, 4.18868428),
            q80[0],
            5e-6,
            "value",
        ),
    ]
    spec = make_garnet(config, 1).spec
    agent = make_q_learning(TabularConfig(name="q_learning", step_decay=0.7), spec)
    q = np.asarray(agent.policy_params(learnt_by_trial(agent, world, spec, 400_000))["table"])
    found.append(
        within(
            "garnet",
            "tabular Q-learning, n^-.7, 400,000 updates: distance to Q*",
            0,
            0.03,
            np.abs(q - q80).max(),
            1,
            "value",
        )
    )
    place = [x.ravel() for x in np.indices(world.successors.shape)[:2]]
    after, weights = (
        np.asarray(world.successors).ravel(),
        3 * np.asarray(world.probabilities).ravel(),
    )
    r, d = np.asarray(world.reward)[place[0], place[1]], np.full(after.size, 0.8)
    for rule in ("max", "double"):
        # mean over 240 transitions, three for each of 80 entries: a step of 80 fits every entry
        # exactly
        q = settled(sgd(target=rule), *place, r, d, after, (20, 4), weights, updates=100, rate=80.0)
        found.append(
            gap("garnet", f"one-hot DQN, {rule} target, 100 exact fits: Q*", q80, q, 1e-4, "value")
        )
    return found


def learnt_by_trial(agent: Any, world: Any, spec: EnvSpec, updates: int) -> Any:
    """Return an agent trained on uniformly random states and actions, one by one; rewards have
    noise 0.1, gamma is 0.8."""
    h, states, actions = hypers(learning_rate=1.0, gamma=0.8), spec.obs_size, spec.actions

    def one(state: Any, key: Any) -> tuple[Any, None]:
        keys = jax.random.split(key, 5)
        s, a = (
            jax.random.randint(keys[0], (1,), 0, states),
            jax.random.randint(keys[1], (1,), 0, actions),
        )
        follow = jax.random.categorical(keys[2], jnp.log(world.probabilities[s, a]))
        after = jnp.take_along_axis(world.successors[s, a], follow[:, None], axis=1)[:, 0]
        r = world.reward[s, a] + 0.1 * jax.random.normal(keys[3], (1,))
        hot = [jax.nn.one_hot(x, states) for x in (s, after)]
        sample = Sample(
            Transition(hot[0], a, r, jnp.full(1, 0.8), hot[1]),
            jnp.arange(1),
            jnp.ones(1),
            jnp.ones(1),
        )
        return agent.update(state, sample, world, h, keys[4])[0], None

    keys = jax.random.split(jax.random.key(3), updates)
    return jax.jit(lambda s: jax.lax.scan(one, s, keys)[0])(agent.init(jax.random.key(0)))


SECTIONS: tuple[Callable[[], list[Row]], ...] = (
    target_rows,
    fixed_point_rows,
    replay_rows,
    garnet_rows,
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=RESULTS,
        help="folder of what is written (benchmarks/results)",
    )
    given = parser.parse_args()
    common = {
        "command": "python benchmarks/oracle_table.py",
        "commit": result_files.commit(),
        "device": result_files.device(),
    }
    found: list[Row] = []
    for section in SECTIONS:
        began = time.perf_counter()
        part = section()
        found += [row | common | {"seconds": round(time.perf_counter() - began, 1)} for row in part]
    print(table(found))
    result_files.RESULTS = given.out
    result_files.write("oracles", found, [table(found), "", "## all rows\n"])
    passed = sum(row["verdict"] == "PASS" for row in found)
    print(f"{passed} of {len(found)} pass")
    return int(failed(found))


if __name__ == "__main__":
    sys.exit(main())
