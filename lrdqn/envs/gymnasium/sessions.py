"""Sessions of Gymnasium behind callbacks: one vector environment, opened at the first reset."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lrdqn.config import InputError

Answer = tuple[np.ndarray, ...]


class Sessions:
    """One vector environment for all that vmap puts side by side: arrays ``[..., N]``, whatever
    stands in front (seeds and learners, or seeds and policies).

    Nothing but data orders the calls of a compiled program: ``step`` takes the number of steps
    since the reset, which the step before it returned.

    After an error all sessions answer that they have ended, so that the program that called comes
    to its end; ``check`` then raises.

    Args:
        label: what an error message begins with.
        make: makes one environment; importable by other processes.
        flat: observations ``[M, ...]`` of Gymnasium as ``[M, D]`` in float32.
        size: D.
        first_action: Gymnasium's number of action 0.
        processes: whether every session steps in a process of its own.
    """

    def __init__(
        self,
        label: str,
        make: Callable[[], Any],
        flat: Callable[[Any], np.ndarray],
        size: int,
        first_action: int,
        processes: bool,
    ) -> None:
        self.label, self.make, self.flat, self.size = label, make, flat, size
        self.first_action, self.processes = first_action, processes
        self.vector: Any = None
        self.steps = 0
        self.error: Exception | None = None

    def reset(self, seeds: Any) -> Answer:
        """Begin every session anew, each from its own seed ``[..., N]``. Returns the number of
        steps ``[...]`` and observations ``[..., N, D]``."""
        seeds = np.asarray(seeds)
        self.steps, self.error = 0, None
        obs = np.zeros((seeds.size, self.size), np.float32)
        try:
            obs = self.flat(self.opened(seeds.size).reset(seed=[int(s) for s in seeds.flat])[0])
        except Exception as error:  # whatever an environment raises
            self.error = error
        return np.zeros(seeds.shape[:-1], np.int32), obs.reshape(*seeds.shape, -1)

    def step(self, steps: Any, action: Any) -> Answer:
        """Step every session; those that end are reset in the same call. Takes the number of steps
        ``[...]`` and actions ``[..., N]``. Returns the next number of steps ``[...]``, observations
        ``[..., N, D]``, rewards, end flags and observations before the reset."""
        steps, action = np.asarray(steps), np.asarray(action)
        answer = self.ended(action.size)
        if self.error is None:
            try:
                self.count(steps)
                answer = self.stepped(action.reshape(-1))
            except Exception as error:
                self.error = error
        return steps + 1, *(x.reshape(*action.shape, *x.shape[1:]) for x in answer)

    def opened(self, count: int) -> Any:
        """Return the vector environment of ``count`` sessions; opening it may take as long as all
        of its environments."""
        if self.vector is not None and self.vector.num_envs != count:
            self.close()
        if self.vector is None:
            from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

            # forked processes would inherit jax's threads, and could wait for a lock of theirs
            kind = (
                partial(AsyncVectorEnv, context="forkserver") if self.processes else SyncVectorEnv
            )
            self.vector = kind([self.make] * count, autoreset_mode=AutoresetMode.SAME_STEP)
        return self.vector

    def count(self, steps: np.ndarray) -> None:
        """Raise unless this step follows the last one. In an evaluation the numbers of seeds that
        have finished stand still."""
        if steps.max() != self.steps:
            raise RuntimeError(f"step {steps.max()} was called for after step {self.steps}")
        self.steps += 1

    def stepped(self, action: np.ndarray) -> Answer:
        """Return what one step of all sessions ``[M]`` gives."""
        raw, reward, terminated, truncated, info = self.vector.step(action + self.first_action)
        obs = self.flat(raw)
        final, done = obs.copy(), np.flatnonzero(terminated | truncated)
        if done.size:
            final[done] = self.flat(np.stack([info["final_obs"][i] for i in done]))
        return obs, reward.astype(np.float32), terminated, truncated, final

    def ended(self, count: int) -> Answer:
        """Return the answer of ``count`` sessions that have ended and show nothing."""
        obs, over = np.zeros((count, self.size), np.float32), np.ones(count, bool)
        return obs, np.zeros(count, np.float32), over, ~over, obs

    def check(self) -> None:
        """Raise ``InputError`` where an environment has failed since the last reset."""
        if self.error is not None:
            what = " ".join(f"{type(self.error).__name__}: {self.error}".split())
            raise InputError(f"{self.label}: {what}") from self.error

    def close(self) -> None:
        """Close the environments and their processes."""
        if self.vector is not None:
            self.vector.close()
            self.vector = None
