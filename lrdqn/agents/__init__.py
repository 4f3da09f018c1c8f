"""Learners. ``dqn`` is the whole family: target rule x loss x network x replay are seams, not
copies. ``slateq`` takes slates apart on the same update, ``full_slate`` takes each for an
action."""

from lrdqn.agents.choice_models import ChoiceModel, conditional_logit, known_choice_model
from lrdqn.agents.dqn import AgentState, make_dqn, make_greedy
from lrdqn.agents.full_slate import SlateSet, over_slates, policy_over_slates, slates_of
from lrdqn.agents.slateq import make_slate_greedy, make_slateq
from lrdqn.agents.tabular import make_double_q_learning, make_q_learning, make_value_iteration

__all__ = [
    "AgentState",
    "ChoiceModel",
    "SlateSet",
    "conditional_logit",
    "known_choice_model",
    "make_double_q_learning",
    "make_dqn",
    "make_greedy",
    "make_q_learning",
    "make_slate_greedy",
    "make_slateq",
    "make_value_iteration",
    "over_slates",
    "policy_over_slates",
    "slates_of",
]
