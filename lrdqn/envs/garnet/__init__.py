"""Random Markov decision processes with numbered states, whose exact values are known by
planning."""
