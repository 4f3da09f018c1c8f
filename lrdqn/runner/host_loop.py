"""Programs of a run whose environment is stepped outside jit: compiled act -> step on the host ->
compiled learning."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from lrdqn.runner.compile import Programs, Shapes, run_once
from lrdqn.runner.host_sessions import HostedEvaluator, Sessions, session_seeds
from lrdqn.train import Clock, HostedTrainer, Plan, Played, TrainState, reduce_metrics
from lrdqn.types import Env, Hypers, PyTree, TimeStep

Act = Callable[[jax.Array, np.int32], jax.Array]

ONCE = ("begin", "forget", "fill", "explore_fill")
"""Programs that run once or twice."""


def begin_over_learners(trainer: HostedTrainer) -> Callable[..., TrainState]:
    """``f(keys [seeds], hypers [grid]) -> TrainState [seeds, grid]``, before warm-up."""
    return jax.vmap(jax.vmap(trainer.init, in_axes=(None, 0)), in_axes=(0, None))


class HostedLoop:
    """Trains all learners of a run on one vector environment.

    Args:
        env: hosted.
        trainer: of one learner.
        plan: loop lengths.
        fill: rounds that the horizon needs before its first transition is complete.
        learners: length of the grid axis.
        seeds: length of the seed axis.
        sharding: of the seeds.
    """

    def __init__(
        self,
        env: Env,
        trainer: HostedTrainer,
        plan: Plan,
        fill: int,
        learners: int,
        seeds: int,
        sharding: NamedSharding,
    ) -> None:
        self.trainer, self.plan, self.fill, self.sharding = trainer, plan, fill, sharding
        self.sessions = Sessions(env, seeds, learners, sharding)
        self.obs: np.ndarray = np.zeros(())
        self.programs: dict[str, Any] = {}

    def compile(self, shapes: Shapes, evaluate: HostedEvaluator, params: PyTree) -> Programs:
        """Compile every part (DESIGN P5); the sessions themselves begin with ``start`` or
        ``rejoin``."""
        t, state, hypers = self.trainer, shapes.state, shapes.hypers
        done, number = np.float32(0), np.int32(0)
        obs = self.shape_of((), self.sessions.env.spec.obs_shape)
        make = {
            "begin": (begin_over_learners(t), (shapes.keys, hypers), ()),
            "act": (
                over(t.act, (0, 0), (0, None, None, None)),
                (light(state), obs, hypers, done, number, number),
                (),
            ),
            "absorb": (
                over(t.absorb, (0, 0), (0, None, None)),
                (state, self.played(self.plan.rounds), hypers, done, number),
                (0,),
            ),
            "sync": (over(t.sync, (0,), (0,)), (light(state), hypers), (0,)),
            "explore": (self.exploring(self.plan.rounds), (light(state), obs, number), ()),
            "collect": (
                over(t.collect, (0, 0), (0,)),
                (state, self.played(self.plan.rounds), hypers),
                (0,),
            ),
        }
        if self.fill:
            make["forget"] = (over(t.forget, (0,), (0,)), (state, hypers), (0,))
            make["explore_fill"] = (self.exploring(self.fill), (light(state), obs, number), ())
            make["fill"] = (
                over(t.fill, (0, 0), (0,)),
                (state, self.played(self.fill), hypers),
                (0,),
            )
        with ThreadPoolExecutor(
            2
        ) as pool:  # as in compile_programs: XLA compiles while the next is being traced
            waiting = {}
            for name, (function, arguments, donated) in make.items():
                lowered = jax.jit(
                    function, donate_argnums=donated, out_shardings=self.sharding
                ).lower(*arguments)
                waiting[name] = pool.submit(lowered.compile, run_once() if name in ONCE else None)
            evaluate.compile(params, shapes.keys)
            self.programs = {name: program.result() for name, program in waiting.items()}
        return Programs(self.start, self.chunk, evaluate, self.rejoin)

    def exploring(self, rounds: int) -> Callable[..., jax.Array]:
        """The random policy of a stretch of ``rounds``."""
        return over(
            lambda state, obs, number: self.trainer.explore(state, obs, number, rounds),
            (0, 0),
            (None,),
        )

    def shape_of(
        self, before: tuple[int, ...], own: tuple[int, ...], dtype: Any = jnp.float32
    ) -> Any:
        """A shape ``[seeds, grid, (T,) N, ...]``, placed."""
        seeds, learners, sessions = self.sessions.shape
        return jax.ShapeDtypeStruct(
            (seeds, learners, *before, sessions, *own), dtype, sharding=self.sharding
        )

    def played(self, rounds: int) -> Played:
        """Shapes of so many rounds."""
        obs = self.shape_of((rounds,), self.sessions.env.spec.obs_shape)
        number, flag = self.shape_of((rounds,), ()), self.shape_of((rounds,), (), jnp.bool_)
        timestep = TimeStep((), number, flag, flag, obs, number, {})
        return Played(obs, self.shape_of((rounds,), (), jnp.int32), timestep)

    def play(self, act: Act, rounds: int) -> Played:
        """Rounds of all sessions, on the devices."""
        rows: list[Played] = []
        for number in range(rounds):
            action: Any = np.asarray(act(self.sessions.put(self.obs), np.int32(number)))
            timestep = self.sessions.step(action)
            rows.append(Played(self.obs, action, timestep._replace(obs=(), info={})))
            self.obs = timestep.obs
        return self.sessions.put(jax.tree.map(lambda *leaves: np.stack(leaves, axis=2), *rows))

    def wander(
        self, state: TrainState, hypers: Hypers, rounds: int, explore: str, take: str
    ) -> TrainState:
        """Rounds of the random policy, and what becomes of them."""
        played = self.play(
            lambda obs, number: self.programs[explore](light(state), obs, number), rounds
        )
        return self.programs[take](state, played, hypers)

    def start(self, keys: jax.Array, worlds: PyTree, hypers: Hypers) -> TrainState:
        """Untrained learners, fresh sessions, and replay filled by warm-up."""
        del worlds
        state = self.programs["begin"](keys, hypers)
        self.obs = self.sessions.reset(session_seeds(keys, 1, self.sessions.shape[2]))
        if self.fill:
            state = self.wander(state, hypers, self.fill, "explore_fill", "fill")
        for _ in range(self.plan.warmup_iterations):
            state = self.wander(state, hypers, self.plan.rounds, "explore", "collect")
        return state

    def rejoin(self, state: TrainState, keys: jax.Array, hypers: Hypers) -> TrainState:
        """Fresh sessions for learners that were saved: theirs could not be, so what waits for them
        is dropped."""
        self.obs = self.sessions.reset(session_seeds(keys, 1, self.sessions.shape[2]))
        if self.fill:
            state = self.programs["forget"](state, hypers)
            state = self.wander(state, hypers, self.fill, "explore_fill", "fill")
        return state

    def chunk(
        self, state: TrainState, worlds: PyTree, hypers: Hypers, clock: Clock
    ) -> tuple[TrainState, dict[str, Any]]:
        """As the compiled chunk of ``make_trainer``, block by block."""
        del worlds
        plan, rows = self.plan, []
        began, block = np.float32(jax.device_get(clock.done)), int(jax.device_get(clock.block))
        for number in range(plan.blocks_per_chunk):
            for i in range(plan.iterations_per_block):
                done = began + np.float32(plan.stride * (number * plan.iterations_per_block + i))
                state, metrics = self.iteration(state, hypers, done, np.int32(i))
                rows.append(metrics)
            if (block + number + 1) % plan.blocks_per_sync == 0:
                moved = self.programs["sync"](light(state), hypers)
                state = moved._replace(replay=state.replay, horizon=state.horizon)
        host = jax.device_get(rows)
        return state, reduce_metrics(
            {name: np.stack([row[name] for row in host]) for name in host[0]}
        )

    def iteration(
        self, state: TrainState, hypers: Hypers, done: np.float32, place: np.int32
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        """Rounds of the learners' own policies, and their updates."""
        acting = light(state)
        act = self.programs["act"]
        played = self.play(
            lambda obs, number: act(acting, obs, hypers, done, place, number), self.plan.rounds
        )
        return self.programs["absorb"](state, played, hypers, done, place)

    def close(self) -> None:
        """Close the training sessions."""
        self.sessions.close()


def over(
    function: Callable[..., Any], own: tuple[int, ...], shared: tuple[int | None, ...]
) -> Callable[..., Any]:
    """``function`` over seeds and learners: ``own`` are the grid axes of its first arguments, which
    every learner of every seed has for itself, ``shared`` those of the others, which all seeds have
    in common."""
    return jax.vmap(
        jax.vmap(function, in_axes=(*own, *shared)), in_axes=(*own, *(None for _ in shared))
    )


def light(state: TrainState) -> TrainState:
    """What acting needs: not replay, nor what waits for it."""
    return state._replace(replay=(), horizon=())
