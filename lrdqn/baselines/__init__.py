"""Policies that do not learn from reward: random, popularity among streams on air, content-based."""

from lrdqn.baselines.scored import from_scores
from lrdqn.baselines.simple import make_constant, make_content, make_popularity, make_random, make_reference

__all__ = ["from_scores", "make_constant", "make_content", "make_popularity", "make_random", "make_reference"]
