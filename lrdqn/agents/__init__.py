"""Learners. ``dqn`` is the whole family: target rule x loss x network x replay are seams, not copies."""

from lrdqn.agents.dqn import AgentState, make_dqn, make_greedy

__all__ = ["AgentState", "make_dqn", "make_greedy"]
