"""Full-slate Q-learning: every slate is an action."""
