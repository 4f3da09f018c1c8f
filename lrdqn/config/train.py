"""Keys of training and evaluation: budgets and cohorts."""

from __future__ import annotations

from dataclasses import dataclass

from lrdqn.config.fields import int_field, plain_field


@dataclass
class TrainConfig:
    """Budgets. Steps are env steps per seed: one recommendation to one session, or one tick of it
    (env.clock=tick)."""

    seed: int = int_field(
        0, 0, "root of all random numbers; seed i's key is folded from i", 2**31 - 1
    )
    seeds: int = int_field(10, 1, "learners trained side by side")
    sessions: int = int_field(128, 1, "sessions that step together, per seed")
    env_steps: int = int_field(163_840, 1, "learning steps, after warm-up")
    warmup_steps: int | None = plain_field(
        None, "steps of a random policy that fill replay first; null gives about 4,096"
    )
    update_period: int = int_field(
        128,
        1,
        "env steps per gradient update; decisions, where they take many steps (env.clock=tick)",
    )
    rollout: int | None = int_field(
        None,
        1,
        "steps of each session between two rounds of updates; null takes the fewest possible",
    )
    eval_period: int | None = plain_field(
        None, "env steps between two points of the learning curve; null gives about ten"
    )
    myopic: bool = plain_field(True, "train a twin with gamma = 0 beside each learner")


@dataclass
class EvaluateConfig:
    """Fixed cohorts of session starts: equal for every policy, and disjoint between the learning
    curve and the final table."""

    sessions: int = int_field(64, 1, "session starts per seed at each point of the learning curve")
    cohorts: int = int_field(
        4, 1, "cohorts of fresh session starts that are pooled in the final table"
    )
    resamples: int = int_field(10_000, 100, "resamples of an interval (bootstrap-t)")
    references: bool = plain_field(
        False, "evaluate exploiters and privileged policies too (env=live)"
    )


def iteration_steps(train: TrainConfig) -> int:
    """Return the env steps of one iteration: ``train.rollout`` rounds of all sessions, or as few as
    hold a gradient update."""
    return (
        max(train.sessions, train.update_period)
        if train.rollout is None
        else train.rollout * train.sessions
    )
