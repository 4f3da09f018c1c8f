"""A run from its configuration to its folder: ``setup`` builds, ``programs`` compiles, ``run`` trains, ``judging`` judges."""

from lrdqn.experiment.devices import seed_keys, writes
from lrdqn.experiment.judging import judge_saved
from lrdqn.experiment.run import Run, run_in
from lrdqn.experiment.setup import TRAIN_STREAM, Experiment

__all__ = ["TRAIN_STREAM", "Experiment", "Run", "judge_saved", "run_in", "seed_keys", "writes"]
