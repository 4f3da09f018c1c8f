"""Loop lengths from periods in env steps."""

from __future__ import annotations

import dataclasses

import pytest

from lrdqn.config import TrainConfig
from lrdqn.config.family import Needs
from lrdqn.train import Plan, clock_at, make_plan


def plan(target_period: int = 2048, batch: int = 256, **changes: int) -> Plan:
    return make_plan(
        dataclasses.replace(TrainConfig(), **changes), batch, Needs(sync_period=target_period)
    )


@pytest.mark.parametrize(
    ("sessions", "update_period", "rounds", "updates"),
    [(128, 64, 1, 2), (128, 128, 1, 1), (10, 20, 2, 1), (64, 256, 4, 1)],
)
def test_an_iteration_is_whole_rounds_and_whole_updates(
    sessions: int, update_period: int, rounds: int, updates: int
) -> None:
    p = plan(
        target_period=5120,
        sessions=sessions,
        update_period=update_period,
        env_steps=51_200,
        eval_period=5120,
    )
    assert (p.rounds, p.updates) == (rounds, updates)
    assert p.stride == rounds * sessions
    assert p.chunk_steps * p.chunks == 51_200


@pytest.mark.parametrize(
    ("period", "eval_period"), [(512, 2048), (2048, 512), (1536, 2048), (4096, 1024)]
)
def test_target_moves_once_per_period(period: int, eval_period: int) -> None:
    p = plan(
        target_period=period,
        sessions=128,
        update_period=128,
        env_steps=12_288,
        eval_period=eval_period,
    )
    syncs, block_steps = [], p.stride * p.iterations_per_block
    for chunk in range(p.chunks):
        for block in range(p.blocks_per_chunk):
            if (int(clock_at(p, chunk).block) + block + 1) % p.blocks_per_sync == 0:
                syncs.append((chunk * p.blocks_per_chunk + block + 1) * block_steps)
    assert syncs == list(range(period, 12_288 + 1, period))


def test_default_evaluation_period_divides_the_run_into_about_ten() -> None:
    for env_steps in (2048, 40_960, 163_840, 128 * 997):
        p = plan(sessions=128, update_period=64, env_steps=env_steps)
        assert p.chunk_steps * p.chunks == env_steps
    assert plan(sessions=128, update_period=64, env_steps=163_840).chunks == 10


def test_warmup_leaves_at_least_a_batch() -> None:
    p = plan(batch=6000, sessions=128, update_period=64, env_steps=40_960)
    assert p.warmup_iterations * p.stride >= 6000
