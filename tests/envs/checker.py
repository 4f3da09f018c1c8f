"""Generic contract that every environment of the project must keep: ``check_env(env, params)``."""

from __future__ import annotations

import re
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from lrdqn.train.loop import random_action
from lrdqn.types import Env, TimeStep

OURS = re.compile(r"live|recsim|garnet|probe")
"""Environments whose laws are lrdqn's own."""


class Decisions:
    """Contract of ``TimeStep.pending``, followed from step to step."""

    def __init__(self, env: Env, obs: Any) -> None:
        self.whole, self.obs = env.spec.one_step_decisions, obs
        self.asked = np.ones(env.spec.sessions, bool)  # sessions whose next action is played
        # sessions that ended and have no successor yet
        self.absent = np.zeros(env.spec.sessions, bool)
        self.action = np.zeros(env.spec.sessions, int)

    def check(self, action: Any, t: TimeStep) -> None:
        assert (t.pending is None) == self.whole
        if t.pending is None:
            return
        complete, done = np.asarray(t.pending.complete), np.asarray(t.terminated | t.truncated)
        assert complete.dtype == bool
        self.action = np.where(self.asked, action, self.action)
        np.testing.assert_array_equal(
            np.asarray(t.pending.action)[~self.absent], self.action[~self.absent]
        )
        assert not (complete & self.absent).any(), "nobody is there who could decide"
        assert not (done & ~complete).any(), "an end belongs to a decision"
        np.testing.assert_array_equal(np.asarray(t.reward)[~complete], 0)
        changed = np.zeros(len(complete), bool)
        for before, after in zip(jax.tree.leaves(self.obs), jax.tree.leaves(t.obs), strict=True):
            changed |= (
                (np.asarray(before) != np.asarray(after)).reshape(len(complete), -1).any(axis=1)
            )
        assert not (changed & ~complete & ~self.absent).any(), (
            "what was seen at a decision stays until it is complete"
        )
        came = changed & self.absent
        self.asked = (complete & ~done) | came
        self.absent = (self.absent & ~came) | done
        self.obs = t.obs


def check_env(env: Env, params: Any, steps: int = 60) -> dict[str, int]:
    """Play randomly and check the contract; return how many sessions ended each way, so that a
    caller can require both."""
    step, reset = jax.jit(env.step), jax.jit(env.reset)
    state, obs = reset(jax.random.key(0), params)
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), obs)
    seen = {"terminated": 0, "truncated": 0}
    decisions = Decisions(env, obs)
    act = jax.jit(lambda obs, key: random_action(env, obs, key))
    for i in range(steps):
        action = act(obs, jax.random.fold_in(jax.random.key(1), i))
        slate = env.spec.slate
        assert action.shape == ((env.spec.sessions,) if slate == 1 else (env.spec.sessions, slate))
        if env.spec.observation in ("candidates", "documents"):
            assert bool(jnp.all(jnp.any(obs.mask, axis=1))), "every session must have one action"
            places = action.reshape(env.spec.sessions, slate)
            assert bool(jnp.all(jnp.take_along_axis(obs.mask, places, axis=1)))
            assert all(len(set(row)) == slate for row in np.asarray(places).tolist()), (
                "no place twice on a slate"
            )
        key = jax.random.fold_in(jax.random.key(2), i)
        again = step(key, state, action, params)
        state, t = step(key, state, action, params)
        decisions.check(action, t)
        chex.assert_trees_all_equal(again, (state, t))
        assert jax.tree.map(lambda x: (x.shape, x.dtype), t.obs) == shapes, (
            "the observation must keep shapes and types"
        )
        assert jax.tree.map(lambda x: (x.shape, x.dtype), t.final_obs) == shapes
        assert t.terminated.dtype == bool
        assert t.truncated.dtype == bool
        chex.assert_tree_all_finite((t.reward, t.elapsed))
        assert bool(jnp.all(t.elapsed > 0)), "an elapsed time of 0 would bootstrap at gamma 0"
        done = np.asarray(t.terminated | t.truncated)
        for before, after in zip(jax.tree.leaves(t.final_obs), jax.tree.leaves(t.obs), strict=True):
            np.testing.assert_array_equal(np.asarray(before)[~done], np.asarray(after)[~done])
        seen["terminated"] += int(t.terminated.sum())
        seen["truncated"] += int(t.truncated.sum())
        obs = t.obs
    check_places_that_do_not_exist(env, params)
    other = reset(jax.random.key(5), params)[1]
    first = reset(jax.random.key(0), params)[1]
    if env.spec.observation in ("candidates", "documents"):
        assert any(
            bool(jnp.any(a != b))
            for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(other), strict=True)
        )
    return seen


def check_places_that_do_not_exist(env: Env, params: Any) -> None:
    """Play actions that name nothing, alone and beside one that exists: nothing is shown for them,
    all of them do the same, and everything stays finite."""
    n, k, actions = env.spec.sessions, env.spec.slate, env.spec.actions
    step = jax.jit(env.step)
    state, _ = jax.jit(env.reset)(jax.random.key(0), params)
    if env.outside is not None or not OURS.match(env.spec.name):
        return
    shape = (n,) if k == 1 else (n, k)
    key, outcomes = jax.random.key(3), []
    for number in (-1, actions, 10**6, -(2**31), 2**31 - 1, -actions):
        after, t = step(key, state, jnp.full(shape, number, jnp.int32), params)
        chex.assert_tree_all_finite((t.reward, t.elapsed))
        assert not np.asarray(t.info.get("clicked", False)).any()
        np.testing.assert_array_equal(t.info.get("seconds", 0.0), 0)
        if t.clicked_place is not None:
            np.testing.assert_array_equal(t.clicked_place, k)
        outcomes.append(jax.tree.leaves((after.session if hasattr(after, "session") else after, t)))
    for other in outcomes[1:]:
        chex.assert_trees_all_equal(
            [x for x in other if jnp.issubdtype(x.dtype, jnp.floating)],
            [x for x in outcomes[0] if jnp.issubdtype(x.dtype, jnp.floating)],
        )
