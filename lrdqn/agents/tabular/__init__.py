"""Tabular agents: Q-learning, double Q-learning, value iteration."""
