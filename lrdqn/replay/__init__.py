"""Replay memories with one interface (``lrdqn.types.Replay``)."""

from lrdqn.replay.prioritized import make_prioritized
from lrdqn.replay.queue import make_queue
from lrdqn.replay.rank import make_rank
from lrdqn.replay.uniform import make_uniform

__all__ = ["make_prioritized", "make_queue", "make_rank", "make_uniform"]
