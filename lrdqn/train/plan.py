"""Loop lengths of a run: static integers, computed once on the host."""

from __future__ import annotations

import math
from typing import NamedTuple

from lrdqn.config import TrainConfig
from lrdqn.config.family import Needs
from lrdqn.config.train import iteration_steps


class Plan(NamedTuple):
    """Integers that shape the compiled program. One iteration is ``rounds`` steps of all sessions,
    then ``updates`` gradient updates."""

    sessions: int
    rounds: int
    updates: int
    stride: int
    """Env steps of one iteration."""
    iterations_per_block: int
    blocks_per_chunk: int
    blocks_per_sync: int
    """The target moves at the end of every block whose number is a multiple of this."""
    chunks: int
    warmup_iterations: int
    iterations_per_key: int
    """Iterations whose keys are split from one key; a multiple of the compiled block, so that
    ``debug=nan``, which compiles smaller blocks, draws the same numbers."""

    @property
    def chunk_steps(self) -> int:
        """Return the env steps of one chunk."""
        return self.stride * self.iterations_per_block * self.blocks_per_chunk


CURVE_POINTS = 10
WARMUP_STEPS = 4096
SYNC_STEPS = 2048
"""About so many env steps lie between two calls of ``sync`` of an agent that does not care."""


def default_eval_period(env_steps: int, stride: int, sync: int) -> int:
    """Return about a tenth of the run in env steps: the nearest divisor of its iterations,
    multiples of the sync period preferred."""
    iterations, per_sync = env_steps // stride, sync // stride
    divisors = [d for d in range(1, iterations + 1) if iterations % d == 0]
    wanted = iterations / CURVE_POINTS
    whole = [d for d in divisors if d % per_sync == 0 and wanted / 2 <= d <= 2 * wanted]
    return stride * min(whole or divisors, key=lambda d: abs(math.log(d / wanted)))


def make_plan(train: TrainConfig, batch_size: int, needs: Needs) -> Plan:
    """Turn periods in env steps into loop lengths.

    A chunk (one evaluation period) is a scan over blocks, a block is a scan over iterations. The
    block length divides both the sync period and the chunk, so that the target network moves
    between blocks and the inner loop has no branch.

    Args:
        train: budgets; ``freeze`` has checked that the periods divide.
        batch_size: transitions that warm-up must at least leave.
        needs: of the agent: its sync period; an agent that learns from fresh sessions has nothing
            to fill before learning and no target network to move.
    """
    stride = iteration_steps(train)
    warmup = max(WARMUP_STEPS, batch_size) if train.warmup_steps is None else train.warmup_steps
    usual = max(SYNC_STEPS // stride, 1) * stride
    sync = stride if needs.fresh else needs.sync_period or usual
    period = train.eval_period or default_eval_period(train.env_steps, stride, sync)
    per_sync, per_chunk = sync // stride, period // stride
    block = math.gcd(per_sync, per_chunk)
    return Plan(
        sessions=train.sessions,
        rounds=stride // train.sessions,
        updates=stride // train.update_period,
        stride=stride,
        iterations_per_block=block,
        blocks_per_chunk=per_chunk // block,
        blocks_per_sync=per_sync // block,
        chunks=train.env_steps // period,
        warmup_iterations=0 if needs.fresh else -(-warmup // stride),
        iterations_per_key=block,
    )
