"""Learners. ``dqn`` is the whole family: target rule x loss x network x replay are seams, not copies."""

from lrdqn.agents.dqn import AgentState, make_dqn, make_greedy
from lrdqn.agents.tabular import make_double_q_learning, make_q_learning, make_value_iteration

__all__ = [
    "AgentState",
    "make_double_q_learning",
    "make_dqn",
    "make_greedy",
    "make_q_learning",
    "make_value_iteration",
]
