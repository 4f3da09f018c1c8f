"""Small pure functions, each with its source: policies, returns, values, losses, exploration,
schedules, slates, the sum tree.

Numeric rules are written for one example; callers ``vmap`` them. Modules whose functions take a
batch say so by their shapes.
"""
