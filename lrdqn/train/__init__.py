"""The compiled training program: ``plan`` (static integers), ``rollout`` (act, step), ``decisions``
(whole ones), ``horizon`` (one, n or lambda steps), ``loop`` (warm-up and chunks); ``hosted``: the
loop's parts where sessions step outside jit."""

from lrdqn.train.horizon import Horizon, make_horizon
from lrdqn.train.host import HostedTrainer, Played, make_hosted_trainer
from lrdqn.train.loop import Clock, Trainer, TrainState, clock_at, make_trainer, reduce_metrics
from lrdqn.train.plan import Plan, make_plan

__all__ = [
    "Clock",
    "Horizon",
    "HostedTrainer",
    "Plan",
    "Played",
    "TrainState",
    "Trainer",
    "clock_at",
    "make_horizon",
    "make_hosted_trainer",
    "make_plan",
    "make_trainer",
    "reduce_metrics",
]
