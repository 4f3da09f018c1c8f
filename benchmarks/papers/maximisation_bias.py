"""Q-learning enters a bad state because it looks good by chance; double Q-learning much less often
(van Hasselt 2010).

    python benchmarks/papers/maximisation_bias.py [--runs N] [--quick] [--out DIR] [--json FILE]

Sutton and Barto 2018, example 6.7 and Figure 6.5: from A, right ends the episode and left leads to
B, both without reward; B has ten actions, each with a reward from N(-0.1, 1) and the end. Shares of
runs that go left, by episode, with the tabular agents at epsilon 0.1, step size 0.1 and discount 1.
The book has a curve only: the expected shares are those of an independent program.

A has two actions and B ten, and the agents have one number of actions. So the eight that A lacks
are first made worthless by one update each, which keeps the greedy choice off them; exploration in
A is over its two. Nothing bootstraps from A.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

import hypers
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, PRNGKeyArray
from verdict import BLUE, INK, ORANGE, Outcome, Study, command, near

from lrdqn.agents.tabular.agent import make_double_q_learning, make_q_learning
from lrdqn.agents.tabular.config import TabularConfig
from lrdqn.types import Agent, EnvSpec, PyTree, Sample, Transition

if TYPE_CHECKING:
    from matplotlib.figure import Figure

A, B, LEFT, RIGHT, ACTIONS = 0, 1, 0, 1, 10
EPISODES, EPSILON, STEP, WORTHLESS = 300, 0.1, 0.1, -1e6
MAKERS = {"q_learning": make_q_learning, "double_q_learning": make_double_q_learning}
EPISODE_SHOWN = (1, 5, 10, 25, 50, 100, 200, 300)
EXPECTED = {
    "q_learning": (50.0, 67.6, 86.7, 93.4, 82.6, 46.1, 15.6, 11.8),
    "double_q_learning": (50.0, 49.9, 44.8, 23.5, 14.3, 9.2, 7.5, 6.7),
}
"""Percent of many runs that went left in these episodes; in the first, where all values are 0,
exactly half."""
EXPECTED_END = {"q_learning": 12.2, "double_q_learning": 7.0}
"""Mean of the last 50 episodes; exploration alone makes 5."""


def make_agent(name: str) -> Agent:
    """Return one learner; states are one-hot vectors."""
    spec = EnvSpec(
        "maximisation_bias",
        sessions=1,
        actions=ACTIONS,
        slate=1,
        observation="one_hot",
        horizon=2,
        obs_shape=(2,),
    )
    return MAKERS[name](
        TabularConfig(name=name, learning_rate=STEP, gamma=1.0, step_decay=0.0), spec
    )


def one_hot(state: int) -> Float[Array, "1 2"]:
    return jnp.eye(2)[state][None]


def learn(
    agent: Agent,
    state: PyTree,
    at: int,
    action: Array,
    reward: Array,
    discount: Array,
    key: PRNGKeyArray,
) -> PyTree:
    """Take one update on one transition, which leads to B where it does not end the episode."""
    t = Transition(one_hot(at), action[None], reward[None], discount[None], one_hot(B))
    sample = Sample(t, jnp.zeros(1, jnp.int32), jnp.ones(1), jnp.ones(1))
    return agent.update(state, sample, (), hypers.make(learning_rate=STEP, gamma=1.0), key)[0]


def episode(agent: Agent, state: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Bool[Array, ""]]:
    """Play and learn one episode; return whether it went left."""
    explore, choose, best, first, act, reward, second = jax.random.split(key, 7)
    greedy = agent.act(state, one_hot(A), (), jnp.float32(0), best)[0]
    explores = jax.random.uniform(explore) < EPSILON
    action = jnp.where(explores, jax.random.randint(choose, (), 0, 2), greedy)
    left = action == LEFT
    state = learn(agent, state, A, action, jnp.float32(0), left.astype(jnp.float32), first)
    paid = -0.1 + jax.random.normal(reward)
    follows = agent.act(state, one_hot(B), (), jnp.float32(EPSILON), act)[0]
    further = learn(agent, state, B, follows, paid, jnp.float32(0), second)
    return jax.tree.map(lambda new, old: jnp.where(left, new, old), further, state), left


@partial(jax.jit, static_argnums=(0, 1))
def shares_left(name: str, runs: int, key: PRNGKeyArray) -> Float[Array, "episodes"]:
    """Return the percentage of independent runs that go left, by episode."""
    agent = make_agent(name)

    def begin(key: PRNGKeyArray) -> PyTree:
        state = agent.init(key)
        for absent in range(2, ACTIONS):
            key = jax.random.fold_in(key, absent)
            state = learn(
                agent, state, A, jnp.int32(absent), jnp.float32(WORTHLESS), jnp.float32(0), key
            )
        return state

    def every(states: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Array]:
        states, left = jax.vmap(lambda s, k: episode(agent, s, k))(
            states, jax.random.split(key, runs)
        )
        return states, 100 * jnp.mean(left)

    start, play = jax.random.split(key)
    states = jax.vmap(begin)(jax.random.split(start, runs))
    return jax.lax.scan(every, states, jax.random.split(play, EPISODES))[1]


def draw(figure: Figure, shares: dict[str, np.ndarray]) -> None:
    """Plot shares by episode, over the expected ones."""
    figure.set_size_inches(8, 4.5)
    axes = figure.subplots()
    for (name, values), color in zip(shares.items(), (ORANGE, BLUE), strict=True):
        axes.plot(np.arange(1, EPISODES + 1), values, color=color, linewidth=1, label=name)
        axes.plot(EPISODE_SHOWN, EXPECTED[name], "o", color=color, markersize=4)
    axes.axhline(
        100 * EPSILON / 2, color=INK, linewidth=1, linestyle="--", label="exploration alone"
    )
    axes.set(
        xlabel="episode",
        ylabel="% of runs that go left",
        ylim=(0, 100),
        title="Maximisation bias (dots: expected)",
    )
    axes.legend(frameon=False)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs",
        type=int,
        metavar="N",
        help="independent learners, 2000 at least to tell (10000; quick 2000)",
    )


def run(given: argparse.Namespace) -> Outcome:
    runs = given.runs or (2000 if given.quick else 10_000)
    shares, rows = {}, []
    for number, name in enumerate(MAKERS):
        shares[name] = np.asarray(shares_left(name, runs, jax.random.key(number)), np.float64)
        for episode, expected in zip(EPISODE_SHOWN, EXPECTED[name], strict=True):
            got = float(shares[name][episode - 1])
            rows.append(
                near(name, f"goes left in episode {episode}", expected, got, 3.0, runs, "% of runs")
            )
        end = float(shares[name][-50:].mean())
        rows.append(
            near(
                name,
                "goes left, mean of the last 50",
                EXPECTED_END[name],
                end,
                3.0,
                runs,
                "% of runs",
            )
        )
    return Outcome(rows, lambda figure: draw(figure, shares))


STUDY = Study("maximisation_bias", __doc__ or "", options, run)

if __name__ == "__main__":
    sys.exit(command(STUDY, sys.argv[1:]))
