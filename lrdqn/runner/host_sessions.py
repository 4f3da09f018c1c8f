"""Sessions of an environment that is stepped outside jit: laid out by seed and learner, and judged
on a fixed cohort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from lrdqn.evaluation.cohort import Outcome, accumulate, make_players, nothing_yet
from lrdqn.runner.compile import with_sharding
from lrdqn.types import Env, Host, Policy, PyTree, TimeStep, View


def session_seeds(keys: jax.Array, part: int, sessions: int) -> jax.Array:
    """Seeds ``[seeds, N]`` of sessions, from one of the three keys that each key splits into."""
    return jax.vmap(lambda key: jax.random.bits(jax.random.split(key, 3)[part], (sessions,)))(keys)


class Sessions:
    """One vector environment for all seeds and what plays beside each other in one (learners or
    policies): arrays ``[seeds, together, N, ...]``.

    Args:
        env: hosted; N is ``env.spec.sessions``.
        seeds, together: the other two axes.
        sharding: where observations go.
    """

    def __init__(self, env: Env, seeds: int, together: int, sharding: NamedSharding) -> None:
        self.env, self.shape, self.sharding = env, (seeds, together, env.spec.sessions), sharding
        self.host: Host | None = None

    def open(self) -> Host:
        """The vector environment, made when it is first needed: that may take as long as all of its
        sessions."""
        if self.host is None:
            assert self.env.host is not None
            self.host = self.env.host(int(np.prod(self.shape)))
        return self.host

    def close(self) -> None:
        """Give back what the sessions hold, their processes too."""
        if self.host is not None:
            self.host.close()
            self.host = None

    def reset(self, seeds: jax.Array) -> np.ndarray:
        """Begin anew from seeds ``[seeds, N]``, the same ones for all that play side by side."""
        every = np.broadcast_to(np.asarray(seeds)[:, None, :], self.shape)
        return self.laid_out(self.open().reset(every.reshape(-1)))

    def step(self, action: jax.Array | np.ndarray) -> TimeStep:
        """One step of everybody."""
        return jax.tree.map(self.laid_out, self.open().step(np.asarray(action).reshape(-1)))

    def laid_out(self, x: np.ndarray) -> np.ndarray:
        """``[M, ...]`` as ``[seeds, together, N, ...]``."""
        return x.reshape(*self.shape, *x.shape[1:])

    def put(self, tree: PyTree) -> PyTree:
        """Onto the devices of their seeds."""
        return jax.device_put(tree, self.sharding)


class HostedEvaluator:
    """``f(params [seeds, grid], worlds, keys) -> Outcome [seeds, P, N]``, as ``programs.evaluator``
    but stepped on the host.

    Args:
        env: hosted, with the cohort's N.
        learned, learners, baselines: as of ``programs.evaluator``.
        seeds, sharding: as of ``HostedLoop``.
    """

    def __init__(
        self,
        env: Env,
        learned: Policy,
        learners: int,
        baselines: dict[str, Policy],
        seeds: int,
        sharding: NamedSharding,
    ) -> None:
        self.players = make_players(
            ((learned, learners), *((policy, 1) for policy in baselines.values()))
        )
        self.baselines, self.env, self.sharding = baselines, env, sharding
        self.sessions = Sessions(env, seeds, self.players.total, sharding)
        self.programs: tuple[Any, Any, Any] | None = None

    def compile(self, params: PyTree, keys: jax.Array) -> tuple[Any, Any, Any]:
        """How policies begin, decide and remember; from shapes, or from values."""

        def begin(key: jax.Array) -> tuple[PyTree, ...]:
            return tuple(
                jax.vmap(policy.init)(jax.random.fold_in(key, i)[None])
                for i, policy in enumerate(self.baselines.values())
            )

        def decide(
            states: tuple[PyTree, ...], obs: jax.Array, key: jax.Array, step: jax.Array
        ) -> tuple[jax.Array, PyTree]:
            _, _, act_key = jax.random.split(key, 3)
            return self.players.decide(
                states, View(obs, self.env.catalogue(())), jax.random.fold_in(act_key, step)
            )

        params, keys = with_sharding(params, self.sharding), with_sharding(keys, self.sharding)
        untrained = jax.eval_shape(jax.vmap(begin), keys)
        states = (params, *with_sharding(untrained, self.sharding))

        def shape(own: tuple[int, ...], dtype: Any = jnp.float32) -> Any:
            return jax.ShapeDtypeStruct((*self.sessions.shape, *own), dtype, sharding=self.sharding)

        obs, number, flag = shape(self.env.spec.obs_shape), shape(()), shape((), jnp.bool_)
        timestep = TimeStep(obs, number, flag, flag, obs, number, {})

        def compiled(function: Callable[..., Any], *arguments: Any) -> Any:
            return jax.jit(function, out_shardings=self.sharding).lower(*arguments).compile()

        self.programs = (
            compiled(jax.vmap(begin), keys),
            compiled(jax.vmap(decide, in_axes=(0, 0, 0, None)), states, obs, keys, np.int32(0)),
            compiled(jax.vmap(self.players.remember), states, timestep),
        )
        return self.programs

    def __call__(self, params: PyTree, worlds: PyTree, keys: jax.Array) -> Outcome:
        """Play the cohort until every session has ended once, or the horizon."""
        del worlds
        begin, decide, remember = self.programs or self.compile(params, keys)
        states = (params, *begin(keys))
        obs = self.sessions.reset(session_seeds(keys, 0, self.sessions.shape[2]))
        outcome = jax.tree.map(np.asarray, nothing_yet(self.sessions.shape))
        alive, step = np.ones(self.sessions.shape, bool), 0
        while alive.any() and step < self.env.spec.horizon:
            action, states = decide(states, self.sessions.put(obs), keys, np.int32(step))
            timestep = self.sessions.step(action)
            outcome, alive = accumulate(outcome, alive, timestep)
            states = remember(states, self.sessions.put(timestep._replace(info={})))
            obs, step = timestep.obs, step + 1
        return outcome._replace(censored=outcome.censored | alive)

    def close(self) -> None:
        """Close the cohort's sessions."""
        self.sessions.close()
