"""Garnet: random Markov decision processes with numbered states, whose exact values planning
gives."""
