"""The compiled training program: ``plan`` (static integers), ``rollout`` (act, step, store), ``loop`` (warm-up and chunks)."""

from lrdqn.train.loop import Clock, Trainer, TrainState, clock_at, make_trainer, pool
from lrdqn.train.plan import Plan, make_plan

__all__ = ["Clock", "Plan", "TrainState", "Trainer", "clock_at", "make_plan", "make_trainer", "pool"]
