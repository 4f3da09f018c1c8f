"""Policies that do not learn from reward: simple baselines, exploiters, privileged references and
slate policies."""

from lrdqn.baselines.exploiters import (
    make_category,
    make_linear,
    make_place,
    make_repeat,
    make_static,
    make_streamer,
)
from lrdqn.baselines.logged import (
    OBSERVABLE_PLANNER_WEIGHTS,
    make_observable_index,
    make_predicted,
    make_profile,
)
from lrdqn.baselines.privileged import MYOPIC_WEIGHTS, PLANNER_WEIGHTS, make_index, make_slate_index
from lrdqn.baselines.scored import from_scores, with_parameters
from lrdqn.baselines.simple import (
    LOGGING,
    make_constant,
    make_content,
    make_popularity,
    make_random,
    make_reference,
)
from lrdqn.baselines.slates import (
    as_slate,
    make_clickbait,
    make_myopic,
    make_random_slate,
    make_renewal,
    make_topic_ranking,
)

__all__ = [
    "LOGGING",
    "MYOPIC_WEIGHTS",
    "OBSERVABLE_PLANNER_WEIGHTS",
    "PLANNER_WEIGHTS",
    "as_slate",
    "from_scores",
    "make_category",
    "make_clickbait",
    "make_constant",
    "make_content",
    "make_index",
    "make_linear",
    "make_myopic",
    "make_observable_index",
    "make_place",
    "make_popularity",
    "make_predicted",
    "make_profile",
    "make_random",
    "make_random_slate",
    "make_reference",
    "make_renewal",
    "make_repeat",
    "make_slate_index",
    "make_static",
    "make_streamer",
    "make_topic_ranking",
    "with_parameters",
]
