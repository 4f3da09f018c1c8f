"""Policies that do not learn from reward: what every table shows, references that know the truth, and exploiters."""

from lrdqn.baselines.exploiters import make_category, make_linear, make_place, make_repeat, make_static, make_streamer
from lrdqn.baselines.privileged import MYOPIC_WEIGHTS, PLANNER_WEIGHTS, make_index
from lrdqn.baselines.scored import from_scores, with_parameters
from lrdqn.baselines.simple import make_constant, make_content, make_popularity, make_random, make_reference

__all__ = [
    "MYOPIC_WEIGHTS",
    "PLANNER_WEIGHTS",
    "from_scores",
    "make_category",
    "make_constant",
    "make_content",
    "make_index",
    "make_linear",
    "make_place",
    "make_popularity",
    "make_random",
    "make_reference",
    "make_repeat",
    "make_static",
    "make_streamer",
    "with_parameters",
]
