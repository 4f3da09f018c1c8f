"""The compiled training program: ``plan`` (static integers), ``rollout`` (act, step), ``decisions``
(whole ones out of steps), ``horizon`` (one, n or lambda steps), ``loop`` (warm-up and chunks)."""

from lrdqn.train.horizon import Horizon, make_horizon
from lrdqn.train.loop import Clock, Trainer, TrainState, clock_at, make_trainer, reduce_metrics
from lrdqn.train.plan import Plan, make_plan

__all__ = [
    "Clock",
    "Horizon",
    "Plan",
    "TrainState",
    "Trainer",
    "clock_at",
    "make_horizon",
    "make_plan",
    "make_trainer",
    "reduce_metrics",
]
